"""Which layers each pipeline stage holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate, groupby, product

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.graph.step import Layer

Floats = npt.NDArray[np.float64]
HALVINGS = 60  # of the interval in which the least load lies: down to the last bit
MOST_TRIED = 3 * 10**8  # ways to end a part
SLACK = 1e-9  # loads that differ by this fraction are equal
CLOSE = 1e-6  # remainders that differ by less may change places by rounding
MOST_RUNS = 8


def units(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """What a pipeline can be cut into: every layer by itself, equal ones unrolled."""
    return tuple(replace(layer, repeat=1) for layer in layers for _ in range(layer.repeat))


def check(name: str, layers: int, stages: int, virtual: int = 1) -> None:
    """Raises InputError where the workload `name` has fewer layers than the pipeline chunks."""
    if stages * virtual <= layers:
        return
    chunks = f" of {virtual} chunks" if virtual > 1 else ""
    what = f"found {stages} stages{chunks}, but {name} has {layers} layers"
    if virtual > 1 and layers >= 2 * stages:
        raise InputError("plan.virtual", what, f"write virtual {layers // stages} or less")
    if virtual > 1:
        raise InputError("plan.pp", what, f"write at most {layers // 2}, each of 2 chunks or more")
    raise InputError("plan.pp", what, f"write at most {layers}")


def numbers(layers: Sequence[Layer], chunks: int) -> list[float]:
    """What each of the unrolled layers counts where `chunks` are to have equal numbers of the layer
    that repeats most: 1 for it, 0 for the others; 1 for all where only that comes out even. A
    mixture's dense layers and those of experts begin alike, and count alike.

    >>> block = Layer("block", (), repeat=6)
    >>> numbers([Layer("first", ()), block, Layer("last", ())], 3)
    [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    >>> sum(numbers([Layer("first", ()), block, Layer("last", ())], 4))
    8.0
    """
    most = max(layers, key=lambda layer: layer.repeat)
    alike = [one is most or (bool(one.ops) and one.ops[:1] == most.ops[:1]) for one in layers]
    blocks = sum(one.repeat for one, same in zip(layers, alike, strict=True) if same)
    every = blocks % chunks > 0 and sum(one.repeat for one in layers) % chunks == 0
    return [
        float(every or same)
        for one, same in zip(layers, alike, strict=True)
        for _ in range(one.repeat)
    ]


def partition(costs: Sequence[float], parts: int) -> list[tuple[int, int]]:
    """`parts` ranges (first, behind the last) of neighbors, none empty, the largest sum least.

    Of several such partitions the one with the most even numbers of units (the least sum of their
    squares). Raises InputError for more parts than units.

    >>> partition([0.1, 1, 1, 1, 1, 0.3], 2), partition([0.1, 1, 1, 1, 1, 2.5], 2)
    ([(0, 3), (3, 6)], [(0, 4), (4, 6)])
    """
    check("the workload", len(costs), parts)
    if parts == 1:
        return [(0, len(costs))]
    return list(_partition(_Problem((_order(costs), len(costs), parts), tuple(costs), parts)))


@dataclass(frozen=True)
class _Problem:
    """Costs to be cut; equal to any other whose `order` is the same."""

    order: tuple[object, ...]
    costs: tuple[float, ...] = field(compare=False)
    parts: int = field(compare=False)


@lru_cache(maxsize=4096)
def _partition(problem: _Problem) -> tuple[tuple[int, int], ...]:
    costs, parts = problem.costs, problem.parts
    sums = [0.0, *accumulate(costs)]
    return tuple(_even(np.array(sums), parts, _least(sums, parts, max(costs)) * (1 + SLACK)))


def _order(costs: Sequence[float]) -> tuple[object, ...]:
    """Which sums of neighbors are larger than which: all that a partition depends on.

    For one run of equal costs between single ones, each sum is a multiple of the equal cost and an
    offset; whole multiples and the order of the remainders say it all. Other costs, or remainders
    too close to tell apart, are their own order.
    """
    runs = [(cost, len(list(same))) for cost, same in groupby(costs)]
    unit, most = max(runs, key=lambda run: run[1])
    place = [cost for cost, _ in runs].index(unit)
    if sum(count > 1 for _, count in runs) > 1 or len(runs) > MOST_RUNS or unit <= 0:
        return tuple(costs)
    before, after = ([cost for cost, _ in some] for some in (runs[:place], runs[place + 1 :]))
    inner = [
        sum(some[i:j]) for some in (before, after) for j in range(len(some) + 1) for i in range(j)
    ]
    ends = product(accumulate(before[::-1], initial=0.0), accumulate(after, initial=0.0))
    offsets = np.array([*inner, *(first + last for first, last in ends)]) / unit
    whole = np.floor(offsets)
    rest = offsets - whole
    ranked = np.unique(np.append(rest, 1.0))
    if np.diff(ranked).min(initial=1.0) < CLOSE:
        return tuple(costs)
    return most, place, *whole.tolist(), *np.searchsorted(ranked, rest).tolist()


def _least(sums: Sequence[float], parts: int, largest: float) -> float:
    """The smallest load that no part has to exceed, by halving."""
    low, high = max(largest, sums[-1] / parts), sums[-1]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _packed(sums, parts, middle * (1 + SLACK / 2)):
            high = middle
        else:
            low = middle
    return high


def _packed(sums: Sequence[float], parts: int, load: float) -> bool:
    """Whether every unit finds a place if each part takes as many as `load` allows."""
    first = 0
    for _ in range(parts):
        first = bisect_right(sums, sums[first] + load) - 1
        if first == len(sums) - 1:
            return True
    return False


def _even(sums: Floats, parts: int, load: float) -> list[tuple[int, int]]:
    """The partition within `load` with the least sum of squared numbers of units.

    By dynamic programming: of all places at which a part can end, `best` is the least sum for the
    units before, `last` how many of them the part has.
    """
    windows = _windows(sums, parts, load)
    most = int((np.searchsorted(sums, sums + load, "right") - np.arange(len(sums))).max())
    if sum(min(end - first + 1, most) * (end - first + 1) for first, end in windows) > MOST_TRIED:
        what = f"found {len(sums) - 1:,} unequal layers to be cut into {parts:,} chunks"
        raise InputError("plan.pp", what, "write fewer of either, or more even ones")
    choices = []
    before, best = 0, np.zeros(1)
    for first, end in windows:
        width = end - first + 1
        new, last = np.full(width, np.inf), np.zeros(width, dtype=int)
        least = max(1, first - before - len(best) + 1)
        for number in range(least, min(most, end - before) + 1):
            low, high = max(first, before + number), min(end, before + len(best) - 1 + number) + 1
            fits = sums[low:high] - sums[low - number : high - number] <= load
            came = best[low - number - before : high - number - before] + number**2
            rows = slice(low - first, high - first)
            better = fits & (came < new[rows])
            new[rows][better] = came[better]
            last[rows][better] = number
        before, best = first, new
        choices.append(last)
    ranges, end = [], len(sums) - 1
    for (first, _), last in zip(reversed(windows), reversed(choices), strict=True):
        ranges.append((end - int(last[end - first]), end))
        end = ranges[-1][0]
    return ranges[::-1]


def _windows(sums: Floats, parts: int, load: float) -> list[tuple[int, int]]:
    """Where each part can end at the earliest and at the latest, so that it and those before it
    keep within `load`, and so do those behind it."""
    length = len(sums) - 1
    latest, earliest = [0], [length]
    for _ in range(parts):
        far = int(np.searchsorted(sums, sums[latest[-1]] + load, "right")) - 1
        near = int(np.searchsorted(sums, sums[earliest[-1]] - load, "left"))
        latest.append(far)
        earliest.append(near)
    return [
        (max(part, earliest[parts - part]), min(latest[part], length - parts + part))
        for part in range(1, parts + 1)
    ]
