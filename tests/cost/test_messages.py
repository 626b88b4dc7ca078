"""Counts of steps and bytes against the messages themselves, one by one over ideal links."""

from itertools import product

import pytest

from hwsim.cost.algorithms import (
    Path,
    halving_doubling_all_reduce,
    pairwise_all_to_all,
    ring_all_gather,
    ring_all_reduce,
    seconds,
    send,
    torus_all_gather,
    torus_all_reduce,
)
from hwsim.cost.torus import across, crowding

SIZE, PATH = 48e6, Path(bandwidth=2e9, latency=3e-6)
ONE = 1 / PATH.bandwidth


class Devices:
    """Each holds pieces of a vector, a piece as the set of those whose addends are in its sum."""

    def __init__(self, count, pieces):
        self.held = [[{device} for _ in range(pieces)] for device in range(count)]
        self.clock = [0.0] * count
        self.piece = SIZE / pieces

    def step(self, messages, *, add):
        """(from, to, pieces) at the same time; a device goes on once it has sent and received."""
        ready, seen = list(self.clock), [[set(piece) for piece in held] for held in self.held]
        for source, target, pieces in messages:
            start = max(self.clock[source], self.clock[target])
            end = start + PATH.latency + len(pieces) * self.piece * ONE
            for device in (source, target):
                ready[device] = max(ready[device], end)
            for piece in pieces:
                sent = seen[source][piece]
                self.held[target][piece] = self.held[target][piece] | sent if add else set(sent)
        self.clock = ready

    @property
    def summed(self):
        everyone = set(range(len(self.held)))
        return all(piece == everyone for held in self.held for piece in held)


@pytest.mark.parametrize("n", [2, 3, 4, 7, 8])
def test_a_ring_sums_all_in_as_many_steps(n):
    ring = Devices(n, n)
    for turn, add in ((0, True), (1, False)):
        for step in range(n - 1):
            messages = [(d, (d + 1) % n, [(d - step + turn) % n]) for d in range(n)]
            ring.step(messages, add=add)
        if turn == 0:
            assert max(ring.clock) == pytest.approx(
                seconds(SIZE, ring_all_gather(n, 1), PATH, None)
            )
    assert ring.summed
    assert max(ring.clock) == pytest.approx(seconds(SIZE, ring_all_reduce(n, 1), PATH, None))


@pytest.mark.parametrize("n", [2, 3, 4, 6, 8, 16])
def test_halving_and_doubling_sum_all_in_as_many_steps(n):
    levels = n.bit_length() - 1
    power = 2**levels
    devices = Devices(n, power)
    every = list(range(power))
    extra = [(power + d, d, every) for d in range(n - power)]
    if extra:
        devices.step(extra, add=True)
    own = [every for _ in range(power)]
    for level in range(levels):
        messages = []
        for d in range(power):
            partner = d ^ (1 << level)
            half = [piece for piece in own[d] if (piece ^ partner) >> level & 1 == 0]
            messages.append((d, partner, half))
        devices.step(messages, add=True)
        own = [[p for p in own[d] if (p ^ d) >> level & 1 == 0] for d in range(power)]
    for level in reversed(range(levels)):
        devices.step([(d, d ^ (1 << level), own[d]) for d in range(power)], add=False)
        own = [own[d] + own[d ^ (1 << level)] for d in range(power)]
    if extra:
        devices.step([(target, source, every) for source, target, _ in extra], add=False)
    assert devices.summed
    assert max(devices.clock) == pytest.approx(
        seconds(SIZE, halving_doubling_all_reduce(n, 1), PATH, None)
    )


@pytest.mark.parametrize("side", [2, 4, 5])
def test_rings_along_two_axes_sum_all_in_as_many_steps(side):
    # One half of the message goes along rows and then columns, the other the other way round; each
    # half has half of the bandwidth.
    n = side * side
    grid = Devices(n, n)
    half = Path(PATH.bandwidth / 2, PATH.latency)
    grid.piece = SIZE / 2 / n * (PATH.bandwidth / half.bandwidth)
    rows = [[row * side + column for column in range(side)] for row in range(side)]
    columns = [list(line) for line in zip(*rows, strict=True)]

    def along(lines, turn, chosen):
        for step in range(side - 1):
            messages = []
            for line in lines:
                for at, device in enumerate(line):
                    pieces = chosen(device, (at - step + turn) % side)
                    messages.append((device, line[(at + 1) % side], pieces))
            grid.step(messages, add=turn == 0)

    def of_column(_, column):
        return [row * side + column for row in range(side)]

    def of_row(device, row):
        return [row * side + (device % side + 1) % side]

    along(rows, 0, of_column)
    along(columns, 0, of_row)
    scattered = max(grid.clock)
    along(columns, 1, of_row)
    along(rows, 1, of_column)
    assert grid.summed
    sides = (side, side)
    assert scattered == pytest.approx(seconds(SIZE, torus_all_gather(sides, ()), PATH, None))
    assert max(grid.clock) == pytest.approx(seconds(SIZE, torus_all_reduce(sides, ()), PATH, None))


def test_messages_from_each_to_each_take_as_many_steps():
    n = 6
    devices = Devices(n, n)
    for apart in range(1, n):
        devices.step([(d, (d + apart) % n, [(d + apart) % n]) for d in range(n)], add=True)
    assert all(devices.held[d][d] == set(range(n)) for d in range(n))
    assert max(devices.clock) == pytest.approx(seconds(SIZE, pairwise_all_to_all(n, 1), PATH, None))


@pytest.mark.parametrize("side", [4, 6])
def test_the_middle_of_a_torus_carries_what_its_halves_say_to_each_other(side):
    # Bytes of an all-to-all over the links that cross the middle of a ring of `side` columns.
    n = side**2
    low = [at for at in product(range(side), repeat=2) if at[0] < side // 2]
    crossing = len(low) * (n - len(low)) * SIZE / n
    link = PATH.bandwidth / 4
    held_up = crossing / (across((side, side)) * link)
    free = (n - 1) / n * SIZE / PATH.bandwidth
    assert crowding(n, across((side, side)), 4) == pytest.approx(max(held_up / free, 1.0))


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_send_is_one_message(nodes):
    devices = Devices(2, 1)
    devices.step([(0, 1, [0])], add=False)
    inside = 2 // nodes
    time = seconds(
        SIZE, send(inside, nodes), PATH if nodes == 1 else None, PATH if nodes > 1 else None
    )
    assert devices.clock[1] == pytest.approx(time)
