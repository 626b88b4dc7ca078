"""Which layers each pipeline stage holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.graph.step import Layer

Floats = npt.NDArray[np.float64]
HALVINGS = 60  # of the interval in which the least load lies: down to the last bit
SLACK = 1e-9  # loads that differ by this fraction are equal


def units(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """What a pipeline can be cut into: every layer by itself, equal ones unrolled."""
    return tuple(replace(layer, repeat=1) for layer in layers for _ in range(layer.repeat))


def check(name: str, layers: int, stages: int, virtual: int = 1) -> None:
    """Raises InputError where the workload `name` has fewer layers than the pipeline chunks."""
    if stages * virtual <= layers:
        return
    most = layers // virtual
    chunks = f" of {virtual} chunks" if virtual > 1 else ""
    raise InputError(
        "plan.pp",
        f"found {stages} stages{chunks}, but {name} has {layers} layers",
        f"write at most {most}" if most else f"write virtual {layers} or less",
    )


def partition(costs: Sequence[float], parts: int) -> list[tuple[int, int]]:
    """`parts` ranges (first, behind the last) of neighbors, none empty, the largest sum least.

    Of several such partitions the one with the most even numbers of units (the least sum of their
    squares). Raises InputError for more parts than units.

    >>> partition([0.1, 1, 1, 1, 1, 0.3], 2), partition([0.1, 1, 1, 1, 1, 2.5], 2)
    ([(0, 3), (3, 6)], [(0, 4), (4, 6)])
    """
    check("the workload", len(costs), parts)
    sums = [0.0, *accumulate(costs)]
    return _even(np.array(sums), parts, _least(sums, parts, max(costs)) * (1 + SLACK))


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

    By dynamic programming: `best[i]` is the least sum for the units before i in so many parts,
    `last[i]` how many of them the last part has.
    """
    length = len(sums)
    best = np.where(np.arange(length) == 0, 0.0, np.inf)
    choices = []
    for _ in range(parts):
        new, last = np.full(length, np.inf), np.zeros(length, dtype=int)
        for number in range(1, length):
            fits = sums[number:] - sums[:-number] <= load
            if not fits.any():
                break
            total = np.where(fits, best[:-number] + number**2, np.inf)
            better = total < new[number:]
            new[number:][better] = total[better]
            last[number:][better] = number
        best = new
        choices.append(last)
    ranges, end = [], length - 1
    for last in reversed(choices):
        ranges.append((end - int(last[end]), end))
        end = ranges[-1][0]
    return ranges[::-1]
