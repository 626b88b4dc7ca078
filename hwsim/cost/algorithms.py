"""How collectives move bytes: steps and traffic of each algorithm, and the time that these take.

`Schedule` holds an algorithm's counts for nodes of `inside` devices each, n = inside x nodes in
all; `timed` turns counts into time. Numbers and numpy arrays alike.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

TINY = 1e-300  # seconds


class Path(NamedTuple):
    """What a ring over some members sees.

    `bandwidth`: bytes/s of each member in one direction; `latency`: s of a step; `call`: s around
    all steps; `fill`, `short` and `overlap` as in `timed`; `beyond`: bytes/s of what is longer than
    `near` bytes. `used`: the share of a device's links that the path has; `taken`: the share of a
    device's compute that moving takes; `sides`: members along each axis of a torus; `crowding`: by
    how much an all-to-all is slower than its bytes at that bandwidth.
    """

    bandwidth: float
    latency: float
    call: float = 0.0
    fill: float = 0.0
    short: float = 1.0
    overlap: float = np.inf
    near: float = np.inf
    beyond: float = np.inf
    used: float = 1.0
    taken: float = 0.0
    sides: tuple[int, ...] = ()
    crowding: float = 1.0

    def moving(self, size: float, volume: float) -> float:
        """Seconds of `volume` x `size` bytes out of each member.

        >>> float(Path(2e9, 0.0, near=4e6, beyond=1e9).moving(6e6, 1.0))
        0.004
        """
        rest: float = np.maximum(size - self.near, 0.0)
        return volume * ((size - rest) / self.bandwidth + rest / self.beyond)


class Schedule(NamedTuple):
    """Steps in a row, and bytes sent over the message's size: by a device in its node (`inside`),
    by a node to other nodes (`across`)."""

    steps: float
    volume: float
    steps_across: float = 0
    volume_across: float = 0.0


def joined(a: float, b: float, exponent: float) -> float:
    """Seconds of two parts that overlap: their sum at exponent 1, the longer one at infinity.

        t = (a^e + b^e)^(1/e)

    >>> [float(joined(3.0, 4.0, exponent)) for exponent in (1, 2, np.inf)]
    [7.0, 5.0, 4.0]
    """
    if np.isinf(exponent):
        longer: float = np.maximum(a, b)
        return longer
    total: float = (a**exponent + b**exponent) ** (1 / exponent)
    return total


class Timed(NamedTuple):
    """Seconds, how many of them are `fixed` whatever the size, and in the others the loads of a
    device's ways out: inside its node (`here`), and between nodes (`there`)."""

    seconds: float
    fixed: float
    here: float
    there: float


def seconds(size: float, how: Schedule, here: Path | None, there: Path | None) -> float:
    """Seconds of a collective on `size` bytes: see `timed`."""
    return timed(size, how, here, there).seconds


def timed(size: float, how: Schedule, here: Path | None, there: Path | None) -> Timed:
    """A collective on `size` bytes: `here` the path inside nodes, `there` between them.

        fixed = call + steps x latency, inside and across
        moving = (inside^o + across^o)^(1/o),  each volume x size / W
        t = fixed + moving + fill moving / (moving + fill s / (1 - s)),  fill = f x fixed
        load = used volume size / (W (t - fixed))

    Short messages move at the share s of the rate with little latency; long ones at the whole rate
    once pipelines are filled, which takes `fill`: between the two, libraries change their protocol.
    The network's f, s and overlap o count where there is one. Of two calls the longer counts.

    >>> ring = ring_all_reduce(4, 1)
    >>> round(float(timed(8e6, ring, Path(bandwidth=1e9, latency=5e-6), None).seconds), 9)
    0.01203
    """
    paths = [(here, how.steps, how.volume), (there, how.steps_across, how.volume_across)]
    found = [(path, steps, volume) for path, steps, volume in paths if path is not None]
    if not found:
        return Timed(0.0 * size, 0.0, 0.0, 0.0)
    last = found[-1][0]
    fixed = max(path.call for path, _, _ in found)
    fixed += sum(steps * path.latency for path, steps, _ in found)
    moving, waiting = 0.0, 0.0
    for path, _, volume in found:
        moving = joined(moving, path.moving(size, volume), last.overlap)
    fill = last.fill * fixed
    if last.short < 1 and np.all(fill > 0):
        waiting = fill * moving / (moving + fill * last.short / (1 - last.short))
    loads = [_load(path, size, volume, moving + waiting) for path, _, volume in paths]
    return Timed(fixed + moving + waiting, fixed, *loads)


def _load(path: Path | None, size: float, volume: float, moving: float) -> float:
    """The share of its way out that a device uses while it moves bytes."""
    if path is None:
        return 0.0
    alone = path.moving(size, volume)
    share: float = np.minimum(alone / np.maximum(moving, TINY), 1.0)
    return path.used * share


def ring_all_reduce(inside: int, nodes: int) -> Schedule:
    """A ring through all devices, node after node (Patarasuk and Yuan 2009).

        steps = 2 (n - 1), of which 2 (nodes - 1) across;  volume = 2 (n - 1) / n

    >>> ring_all_reduce(8, 2)
    Schedule(steps=28, volume=1.875, steps_across=2, volume_across=1.875)
    """
    half = ring_all_gather(inside, nodes)
    return Schedule(*(2 * count for count in half))


def ring_all_gather(inside: int, nodes: int) -> Schedule:
    """Half of a ring's all-reduce; a reduce-scatter is the same backwards.

        steps = n - 1, of which nodes - 1 across;  volume = (n - 1) / n

    >>> ring_all_gather(4, 1)
    Schedule(steps=3, volume=0.75, steps_across=0, volume_across=0.75)
    """
    n = inside * nodes
    share = (n - 1) / n
    return Schedule(n - nodes, share, nodes - 1, share)


def ring_broadcast(inside: int, nodes: int) -> Schedule:
    """From one device along the ring, in chunks: every device but the last sends the whole.

        steps = n - 1, of which nodes - 1 across;  volume = 1

    >>> ring_broadcast(4, 2)
    Schedule(steps=6, volume=1.0, steps_across=1, volume_across=1.0)
    """
    n = inside * nodes
    whole = float(n > 1)
    return Schedule(n - nodes, whole, nodes - 1, whole)


def tree_all_reduce(inside: int, nodes: int) -> Schedule:
    """Up and down two binary trees of nodes, half of the bytes each; a chain inside a node.

        steps = 2 (inside - 1) + 2 ceil(log2(nodes));  volume = 2, across 2 (nodes - 1) / nodes

    Sanders, Speck, Traeff 2009; across: the mean over the nodes, since a leaf of one tree is inside
    the other.

    >>> tree_all_reduce(8, 16)
    Schedule(steps=14, volume=2.0, steps_across=8, volume_across=1.875)
    """
    volume = 2.0 if inside > 1 else 0.0
    return Schedule(2 * (inside - 1), volume, *_trees(nodes))


def switch_all_reduce(inside: int, nodes: int) -> Schedule:
    """The switch sums what it reads from all and stores it to all; trees of nodes between.

        steps = 2 + 2 ceil(log2(nodes));  volume = 1 + 1 / inside, across 2 (nodes - 1) / nodes

    A device sends its bytes to be summed once, and once the sum of its share: nearly half of what a
    ring moves (Klenk et al. 2020).

    >>> switch_all_reduce(8, 1)
    Schedule(steps=2, volume=1.125, steps_across=0, volume_across=0.0)
    """
    return Schedule(2, 1 + 1 / inside, *_trees(nodes))


def hierarchical_all_reduce(inside: int, nodes: int) -> Schedule:
    """Reduce-scatter inside, a ring of nodes for each device's share, all-gather inside.

        steps = 2 (inside - 1), across 2 (nodes - 1)
        volume = 2 (inside - 1) / inside, across 2 (nodes - 1) / nodes

    >>> hierarchical_all_reduce(4, 2)
    Schedule(steps=6, volume=1.5, steps_across=2, volume_across=1.0)
    """
    here, there = ring_all_reduce(inside, 1), ring_all_reduce(nodes, 1)
    return Schedule(here.steps, here.volume, there.steps, there.volume)


def halving_doubling_all_reduce(inside: int, nodes: int) -> Schedule:
    """Half of what is left to the partner at distance 1, 2, 4, ... and back, devices before nodes.

        steps = 2 log2(p), volume = 2 (p - 1) / p,  p = inside, and the same across with p = nodes

    Thakur, Rabenseifner, Gropp 2005. Where p is no power of two, those beyond the next lower one
    give all they have to a partner before, and get the sum from it after: 2 more of each.

    >>> halving_doubling_all_reduce(8, 2)
    Schedule(steps=6, volume=1.75, steps_across=2, volume_across=1.0)
    >>> halving_doubling_all_reduce(6, 1)
    Schedule(steps=6, volume=3.5, steps_across=0, volume_across=0.0)
    """
    return Schedule(*_halving(inside), *_halving(nodes))


def torus_all_reduce(here: tuple[int, ...], there: tuple[int, ...]) -> Schedule:
    """Twice a torus's all-gather: reduce-scatter axis after axis, and back.

    >>> torus_all_reduce((4, 4), ())
    Schedule(steps=12, volume=1.875, steps_across=0, volume_across=0.0)
    """
    return Schedule(*(2 * count for count in torus_all_gather(here, there)))


def torus_all_gather(here: tuple[int, ...], there: tuple[int, ...]) -> Schedule:
    """A ring along each axis of a torus of nodes, then along each of a torus inside the node.

        steps = sum over axes of k - 1;  volume = (inside - 1) / inside, across (nodes - 1) / nodes

    `here` and `there`: the k of each axis; one axis is a ring. The message is cut in as many parts
    as there are axes, each part takes them in another order, and so all links are in use (Sack
    and Gropp 2015).

    >>> torus_all_gather((16, 16, 16), (2,))
    Schedule(steps=45, volume=0.999755859375, steps_across=1, volume_across=0.5)
    """
    inside, nodes = math.prod(here), math.prod(there)
    steps, across = (sum(side - 1 for side in each) for each in (here, there))
    return Schedule(steps, (inside - 1) / inside, across, (nodes - 1) / nodes)


def torus_broadcast(here: tuple[int, ...], there: tuple[int, ...]) -> Schedule:
    """In chunks along one axis after the other, each device passing all of them on.

    >>> torus_broadcast((4, 4), ())
    Schedule(steps=6, volume=1.0, steps_across=0, volume_across=0.0)
    """
    steps, across = (sum(side - 1 for side in each) for each in (here, there))
    return Schedule(steps, float(steps > 0), across, float(across > 0))


def pairwise_all_to_all(inside: int, nodes: int) -> Schedule:
    """Every device sends an n-th of its bytes to each other one; a node's messages go together.

        steps = inside - 1, across nodes - 1
        volume = (inside - 1) / n, across inside^2 (nodes - 1) / n

    >>> pairwise_all_to_all(8, 2)
    Schedule(steps=7, volume=0.4375, steps_across=1, volume_across=4.0)
    """
    n = inside * nodes
    return Schedule(inside - 1, (inside - 1) / n, nodes - 1, inside**2 * (nodes - 1) / n)


def forwarded_all_to_all(inside: int, nodes: int, copies: int) -> Schedule:
    """An all-to-all of rows that go to `copies` devices each: a device that is chosen twice gets a
    row once, and so does a node, in which it is passed on (as DeepEP and HybridEP do).

    Of m equal places, `copies` random choices meet d(m) = m (1 - (1 - 1/m)^copies), so that

        volume = (inside - 1) / inside x d(n) / copies
        across = inside (nodes - 1) / nodes x d(nodes) / copies

    >>> forwarded_all_to_all(2, 2, copies=2)
    Schedule(steps=1, volume=0.4375, steps_across=1, volume_across=0.75)
    """
    here, there = (_met(places, copies) / copies for places in (inside * nodes, nodes))
    volume, across = (inside - 1) / inside * here, inside * (nodes - 1) / nodes * there
    return Schedule(inside - 1, volume, nodes - 1, across)


def _met(places: int, choices: int) -> float:
    return places * (1 - (1 - 1 / places) ** choices)


def halo(inside: int, nodes: int) -> Schedule:
    """Each device sends its bytes to those before and after it; the first and last of a node do so
    to other nodes, at the same time.

    >>> halo(8, 2)
    Schedule(steps=1, volume=2.0, steps_across=1, volume_across=1.0)
    """
    here, there = min(inside - 1, 2), min(nodes - 1, 2)
    return Schedule(min(here, 1), float(here), min(there, 1), float(there))


def send(inside: int, nodes: int) -> Schedule:
    """From one device to another, in another node where there are several.

    >>> send(1, 2)
    Schedule(steps=0, volume=0.0, steps_across=1, volume_across=1.0)
    """
    across = int(nodes > 1)
    here = int(inside > 1 and not across)
    return Schedule(here, float(here), across, float(across))


def _halving(members: int) -> tuple[int, float]:
    levels = members.bit_length() - 1
    apart = 2 * int(members != 2**levels)
    return 2 * levels + apart, 2 * (1 - 2.0**-levels) + apart


def _trees(nodes: int) -> tuple[int, float]:
    return 2 * (nodes - 1).bit_length(), 2 * (nodes - 1) / nodes
