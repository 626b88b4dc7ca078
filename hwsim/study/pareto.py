"""Pareto fronts: the points that no other point is better than in every objective.

A point dominates another that it is nowhere worse than and somewhere better than; less is better.
Points that are equal in all objectives don't dominate each other: all of them are on the front, or
none.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

MOST_OBJECTIVES = 4
BLOCK = 1024  # points compared with each other at once
PIVOTS = (8, 256)  # points that are good in all objectives, to drop most others at once
EDGES = 1000  # of a rough rank


def front(points: npt.ArrayLike) -> Numbers:
    """The numbers of the points on the front, rising; `points` has a row for each point and a
    column for each of 1 to 4 objectives.

    A point with a NaN is not on it. Exact; n log n for one to three objectives, and for four
    n times the size of the front. Raises InputError for another shape.

    >>> front([[1, 5], [2, 2], [3, 3], [4, 1], [2, 2]]).tolist()
    [0, 1, 3, 4]
    """
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or not 1 <= values.shape[1] <= MOST_OBJECTIVES:
        what = f"found values of the shape {values.shape}"
        raise InputError("pareto", what, f"give 1 to {MOST_OBJECTIVES} objectives of each point")
    known = np.flatnonzero(~np.isnan(values).any(axis=1))
    if not known.size:
        return known
    order = known[np.lexsort(values[known].T[::-1])]
    rows = values[order]
    first = np.ones(len(rows), dtype=np.bool_)  # of rows that are equal
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    kept = _distinct(rows[first])
    found: Numbers = np.sort(order[kept[np.cumsum(first) - 1]])
    return found


def _distinct(rows: Floats) -> Flags:
    """Which of different rows, sorted from the first column on, are on the front.

    A row is dominated by rows before it only.
    """
    count, objectives = rows.shape
    kept = np.zeros(count, dtype=np.bool_)
    if objectives == 1:
        kept[0] = True
        return kept
    if objectives == 2:
        least = np.minimum.accumulate(rows[:, 1])
        kept[0] = True
        kept[1:] = rows[1:, 1] < least[:-1]
        return kept
    left = np.arange(count)
    for pivots in PIVOTS:
        left = left[~_dominated(rows[left], rows[left[_good(rows[left], pivots)]])]
    kept[left[_staircase(rows[left]) if objectives == 3 else _blockwise(rows[left])]] = True
    return kept


def _good(rows: Floats, count: int) -> Numbers:
    """A few rows whose objectives are small by rank: they dominate many."""
    ranks = np.zeros(len(rows), dtype=np.intp)
    for column in rows.T:
        edges = np.sort(column[:: max(len(rows) // EDGES, 1)])
        ranks += np.searchsorted(edges, column)
    return np.argsort(ranks, kind="stable")[:count]


def _staircase(rows: Floats) -> Flags:
    """Three objectives: what came before is a falling line of steps in the other two."""
    kept = np.zeros(len(rows), dtype=np.bool_)
    seconds: list[float] = []
    thirds: list[float] = []
    for number, (y, z) in enumerate(rows[:, 1:].tolist()):
        place = bisect_right(seconds, y)
        if place and thirds[place - 1] <= z:
            continue
        kept[number] = True
        end = place
        while end < len(thirds) and thirds[end] >= z:
            end += 1
        if place and seconds[place - 1] == y:
            place -= 1
        seconds[place:end], thirds[place:end] = [y], [z]
    return kept


def _blockwise(rows: Floats) -> Flags:
    """Any number of objectives: each block against the front so far, then against itself."""
    kept = np.zeros(len(rows), dtype=np.bool_)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        left = np.flatnonzero(~_dominated(block, rows[np.flatnonzero(kept)]))
        left = left[~_dominated(block[left], block[left])]
        kept[start + left] = True
    return kept


def _dominated(rows: Floats, others: Floats) -> Flags:
    """Which rows some other row dominates; a row doesn't dominate its equal."""
    found = np.zeros(len(rows), dtype=np.bool_)
    for start in range(0, len(others), BLOCK):
        left = np.flatnonzero(~found)
        for begin in range(0, len(left), BLOCK):
            some = left[begin : begin + BLOCK]
            found[some] = _any_dominates(others[start : start + BLOCK], rows[some])
    return found


def _any_dominates(others: Floats, rows: Floats) -> Flags:
    worse = np.ones((len(rows), len(others)), dtype=np.bool_)
    equal = worse.copy()
    for other, row in zip(others.T, rows.T, strict=True):
        worse &= other[None, :] <= row[:, None]
        equal &= other[None, :] == row[:, None]
    return np.asarray((worse & ~equal).any(axis=1), dtype=np.bool_)
