"""A step's seconds without simulating its events, for sweeps: numbers or arrays of points.

It claims what the event simulation gives where nothing contends: stages as unequal as they are,
transfers between them each on its own stream, and sums of gradients behind or beside the last
backward pass. Arrays have chunks of the model or stages first, then any axes of points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.parallel.plan import Schedule
from hwsim.parallel.regions import Region, Regions, Trace
from hwsim.parallel.repeats import Repeats
from hwsim.parallel.schedule import ahead, check

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Value = float | Floats
TOGETHER = 64  # points as of which regions pay
BLOCK = 1024  # points whose wave fits in a processor's cache
AT_ONCE = 128  # ticks whose passes are looked up together


class Declined(NamedTuple):
    """What has no closed form, and why."""

    reason: str


class Passes(NamedTuple):
    """Seconds of one micro-batch in each chunk of the model, each an array (chunks, points...).

    `backward` is the gradient of the input, `weights` those of the weights. Chunk c of stage s is
    at c stages + s.
    """

    forward: Floats
    backward: Floats
    weights: Floats


class Sum(NamedTuple):
    """A sum of gradients: `ready` seconds after its chunk's last backward pass (below 0: before
    its end), taking `seconds`."""

    ready: Value
    seconds: Value


class Step(NamedTuple):
    """Seconds of a step and, as means over its stages, what they consist of.

    `busy` are the passes, `exposed` the sums of gradients that outlast them, `update` the
    optimizer, `bubble` the rest: waiting for other stages and for what they send.
    """

    seconds: Value
    busy: Value
    exposed: Value
    bubble: Value
    update: Value


def step(
    schedule: Schedule,
    stages: int,
    micro_batches: int,
    passes: Passes,
    *,
    virtual: int = 1,
    time_chunks: int = 1,
    hop: Value = 0.0,
    sums: Sequence[Sequence[Sum]] = (),
    update: Value = 0.0,
) -> Step | Declined:
    """One step of a pipeline, or of one stage.

    `hop` is the time of a transfer from each stage to the next, and back: a number or (stages,
    points...). `sums` has for each chunk those that a stage does one after the other on a stream
    of its own; `update` is a number or (stages, points...). `time_chunks` of a micro-batch take
    `passes` each. Raises InputError for numbers that the schedule has no order for.

    >>> one = np.full((4, 1), 1.0)
    >>> [step(name, 4, 8, Passes(one, one, one)).seconds.item() for name in ("1f1b", "zero-bubble")]
    [33.0, 27.0]
    """
    check(schedule, stages, micro_batches, virtual)
    if time_chunks > 1 and schedule != "gpipe" and stages > 1:
        return Declined(f"a wavefront along time in the order {schedule} has no closed form")
    micro_batches *= time_chunks
    ends = gradients(schedule, stages, micro_batches, passes, virtual=virtual, hop=hop)
    work = passes.forward + passes.backward + passes.weights
    return finished(ends, micro_batches * work, stages, sums=sums, update=update)


def finished(
    ends: Floats,
    work: Floats,
    stages: int,
    *,
    sums: Sequence[Sequence[Sum]] = (),
    update: Value = 0.0,
) -> Step:
    """A step whose chunks have their gradients at `ends`, after so many seconds of `work` in each
    (both (chunks, points...)); `sums` and `update` as in `step`."""
    shape = (len(ends) // stages, stages, *ends.shape[1:])
    computed = ends.reshape(shape).max(axis=0)
    summed = _summed(sums, ends, stages) if sums else computed
    done = np.maximum(computed, summed) + update
    seconds = done.max(axis=0)
    busy = work.reshape(shape[:2] + work.shape[1:]).sum(axis=0).mean(axis=0)
    exposed = (np.maximum(computed, summed) - computed).mean(axis=0)
    updating = np.broadcast_to(update, done.shape).mean(axis=0)
    return Step(seconds, busy, exposed, seconds - busy - exposed - updating, updating)


def gradients(
    schedule: Schedule,
    stages: int,
    micro_batches: int | Indices,
    passes: Passes,
    *,
    virtual: int = 1,
    hop: Value = 0.0,
    alike: bool = False,
) -> Floats:
    """When each chunk has all its gradients: (chunks, points...) seconds from the step's begin.

    Points that are `alike` (much the same model on much the same machine) are solved together;
    others on one axis may have their own numbers of micro-batches.

    With equal stages and no hops a step takes longer than its work by (Narayanan et al. 2021,
    arXiv 2104.04473; Qi et al. 2023, arXiv 2401.10241, as of as many micro-batches as stages)

        gpipe, 1f1b   (p - 1) (F + B + W)           p stages, F, B, W of a whole stage
        interleaved   (p - 1) (F + B + W) / v       v chunks on each
        zero-bubble   (p - 1) (F + B - W)           W <= B

    and with hops of h <= F + B + W, 1f1b of m micro-batches by 2 h (p + m - 2 - ceil((m - 1) / p))
    more: each round trip through p stages lets p micro-batches begin.
    """
    arrays = [np.asarray(times, dtype=float) for times in (*passes, np.atleast_1d(hop))]
    points = np.broadcast_shapes(*(array.shape[1:] for array in arrays))
    chunks = stages * virtual
    forward, backward, weights, hops = (
        np.broadcast_to(array, (size, *points))
        for array, size in zip(arrays, (chunks, chunks, chunks, stages), strict=True)
    )
    if stages == 1:
        hops = np.zeros_like(hops)
    if schedule == "gpipe" or (stages == 1 and virtual == 1):
        return _in_turn(forward, backward + weights, hops[:-1], micro_batches)
    if schedule != "zero-bubble":
        backward, weights = backward + weights, np.zeros_like(weights)
    if alike and math.prod(points) >= TOGETHER:
        times = (forward, backward, weights, hops)
        return _together(schedule, int(np.max(micro_batches)), virtual, times)
    least = int(np.min(micro_batches))
    more = (np.asarray(micro_batches) - least) * virtual
    wave = _Wave(schedule, stages, least, virtual)
    found = wave.run(forward, backward, weights, hops, more)
    if found is not None:
        return found
    found = np.zeros_like(forward)
    for number in np.unique(micro_batches).tolist():
        here = micro_batches == number
        some = Passes(*(array[:, here] for array in (forward, backward, weights)))
        one = gradients(schedule, stages, number, some, virtual=virtual, hop=hops[:, here])
        found[:, here] = one
    return found


def _together(
    schedule: Schedule, micro_batches: int, virtual: int, arrays: tuple[Floats, ...]
) -> Floats:
    """The wave at points of which most lie in a few regions."""
    points = arrays[0].shape[1:]
    different: list[Floats] = []
    rows = tuple(tuple(_number(row, different) for row in array) for array in arrays)
    values = np.stack([row.ravel() for row in different])

    def by_wave(some: Floats) -> Floats:
        wave = _Wave(schedule, len(arrays[3]), micro_batches, virtual)
        blocks = np.split(some, range(BLOCK, some.shape[1], BLOCK), axis=1)
        ends = [wave.ends(*(one[list(numbers)] for numbers in rows)) for one in blocks]
        return np.concatenate(ends, axis=1)

    found = _regions(schedule, len(arrays[3]), micro_batches, virtual, rows).at(values, by_wave)
    return found.reshape(len(found), *points)


def _number(row: Floats, different: list[Floats]) -> int:
    """The place of an equal row among the `different` ones, behind which it is put if it's new."""
    for number, other in enumerate(different):
        if row is other or (row.flat[0] == other.flat[0] and np.array_equal(row, other)):
            return number
    different.append(row)
    return len(different) - 1


@lru_cache(maxsize=64)
def _regions(
    schedule: Schedule,
    stages: int,
    micro_batches: int,
    virtual: int,
    rows: tuple[tuple[int, ...], ...],
) -> Regions:
    """Those of a wave whose passes and hops have the values of these numbers."""

    def solve(values: Floats) -> Region:
        trace = Trace()
        wave = _Wave(schedule, stages, micro_batches, virtual, trace.greater)
        own = np.column_stack([values, np.eye(len(values))])
        ends = wave.ends(*(own[list(numbers)] for numbers in rows))
        return Region(ends[:, 1:], trace.guards)

    return Regions(solve)


def last(ready: Floats, seconds: Floats) -> Floats:
    """When the last of a stream's transfers ends: max over i of ready_i + sum of seconds from i on.

    Which is e_i = max(e_(i-1), ready_i) + seconds_i, for arrays (transfers, points...).

    >>> last(np.array([1.0, 2.0, 9.0]), np.array([3.0, 3.0, 1.0])).item()
    10.0
    """
    return np.asarray((ready + np.cumsum(seconds[::-1], axis=0)[::-1]).max(axis=0))


def _summed(sums: Sequence[Sequence[Sum]], ends: Floats, stages: int) -> Floats:
    """When each stage's last sum ends; its last chunk has its gradients first."""
    rows = []
    for stage in range(stages):
        chunks = range(len(ends) - stages + stage, -1, -stages)
        every = [(ends[chunk] + one.ready, one.seconds) for chunk in chunks for one in sums[chunk]]
        if every:
            arrays = np.broadcast_arrays(*(value for pair in every for value in pair))
            rows.append(last(np.stack(arrays[::2]), np.stack(arrays[1::2])))
        else:
            rows.append(ends[stage])
    return np.stack(np.broadcast_arrays(*rows))


def _in_turn(
    forward: Floats, backward: Floats, hops: Floats, micro_batches: int | Indices
) -> Floats:
    """All forward passes, then all backward: each a line of machines with equal jobs.

    The first job goes through all, the others follow one by one behind the slowest.
    """
    slowest = np.maximum(forward.max(axis=0), hops.max(axis=0, initial=0.0))
    turned = forward.sum(axis=0) + hops.sum(axis=0) + (micro_batches - 1) * slowest
    way = backward.copy()
    way[:-1] += hops
    worst = backward.copy()
    worst[:-1] = np.maximum(worst[:-1], hops)
    through = np.cumsum(way[::-1], axis=0)[::-1]
    behind = np.maximum.accumulate(worst[::-1], axis=0)[::-1]
    return np.asarray(turned + through + (micro_batches - 1) * behind)


class _Wave:
    """The longest path through a schedule's passes, those of all stages at one tick together.

    Stage s does its forward pass u at tick 2 u + skew s, and one tick later the backward pass that
    stands behind it in its order. With skew 1 (interleaved: 2) what a pass waits for was sent at
    an earlier tick, the last thing that the stage beside it sent.
    """

    def __init__(
        self,
        schedule: Schedule,
        stages: int,
        micro_batches: int,
        virtual: int,
        greater: Callable[[Floats, Floats], Floats] = np.maximum,
    ) -> None:
        self.stages, self.virtual, self.greater = stages, virtual, greater
        self.slots = micro_batches * virtual
        self.split = schedule == "zero-bubble"
        self.begins = np.arange(stages) * (2 if schedule == "interleaved" else 1)
        self._block, self._turns = -1, list[tuple[list[int], Indices, Indices, Indices]]()
        self.ahead = np.array(
            [ahead(schedule, stages, stage, micro_batches, virtual) for stage in range(stages)]
        )

    def ends(self, *times: Floats) -> Floats:
        """As `run`, of points with the same number of slots."""
        found = self.run(*times)
        return np.zeros(0) if found is None else found

    def run(
        self, forward: Floats, backward: Floats, weights: Floats, hops: Floats, more: Any = 0
    ) -> Floats | None:
        """When each chunk has its gradients, as `gradients`.

        Points with `more` slots need a middle that repeats itself: None where there is none.
        """
        seconds, hop = (forward, backward), (hops, np.roll(hops, 1, axis=0))
        state, ends = np.zeros((3, *hops.shape)), np.zeros(forward.shape)
        free, sent = state[0], state[1:]
        edges = 0, len(forward) - 1
        repeats = Repeats(self.period, self.steady, self.stages if self.virtual == 1 else 2, more)
        tick, last = 0, int((2 * (self.ahead + self.slots) + self.begins).max())
        while tick < last:
            tick = repeats.jumped(tick, state, ends)
            for back in (0, 1):
                who, number, chunk = self._at(tick, back)
                if not len(who):
                    continue
                came = sent[back][(who + (1 if back else -1)) % self.stages]
                came[chunk == edges[back]] = 0.0
                free[who] = end = self.greater(free[who], came) + seconds[back][chunk]
                goes = chunk != edges[1 - back]
                out = who[goes]
                sent[back][out] = self.greater(sent[back][out], end[goes]) + hop[back][out]
                if back:
                    late = who[number >= who] if self.split else who[:0]
                    free[late] += weights[late]
                    ends[chunk] = free[who]
            tick += 1
        if self.split:
            for stage in range(self.stages):
                ends[stage] += min(stage, self.slots) * weights[stage]
        return ends if repeats.done or not np.any(more) else None

    @property
    def period(self) -> int:
        """Ticks after which every stage does the same again."""
        return 2 * self.stages * self.virtual if self.virtual > 1 else 2

    @property
    def steady(self) -> range:
        """Ticks in which every stage takes forward and backward in turns."""
        late = self.stages if self.split else 0
        return range(int((2 * (self.ahead + late) + self.begins).max()) + 1, 2 * self.slots)

    def _at(self, tick: int, back: int) -> tuple[Indices, Indices, Indices]:
        """Stages with a forward (or `back`ward) pass at `tick`, its number there, its chunk."""
        block, place = divmod(tick, AT_ONCE)
        if block != self._block:
            self._block, self._turns = block, [self._of_block(block, back) for back in (0, 1)]
        ends, who, number, chunk = self._turns[back]
        some = slice(ends[place], ends[place + 1])
        return who[some], number[some], chunk[some]

    def _of_block(self, block: int, back: int) -> tuple[list[int], Indices, Indices, Indices]:
        """The passes of many ticks, and where those of each begin and the last ones end."""
        since = np.arange(block * AT_ONCE, (block + 1) * AT_ONCE)[:, None] - self.begins
        turn = (since >> 1) - back * self.ahead
        tick, who = np.nonzero((since & 1 == back) & (turn >= 0) & (turn < self.slots))
        number = turn[tick, who]
        chunk = number // self.stages % self.virtual
        chunk = (self.virtual - 1 - chunk if back else chunk) * self.stages + who
        return np.searchsorted(tick, np.arange(AT_ONCE + 1)).tolist(), who, number, chunk
