"""A longest path at very many points: what was found at one of them holds wherever the same
passes decide.

The time of a schedule is the greatest of very many sums of a few values (seconds of the different
chunks, of the hops between them). Where each comparison on the way comes out as at a solved point,
the sum is the same one: a linear form, guarded by linear inequalities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PAYS = 100  # points: a region that has fewer is not worth its solution
KEPT = 256  # regions that are remembered
SLICE = 1 << 14  # points whose guards fit in a processor's cache
CLOSE = 1e-13  # of the largest value: what rounding may take from a guard


class Region(NamedTuple):
    """`form` (results, values) holds where no row of `guards` (rows, values) times the values is
    below zero."""

    form: Floats
    guards: Floats

    def holds(self, values: Floats) -> npt.NDArray[np.bool_]:
        """Whether it does, for values (values, points). Guards that no value between the least and
        the greatest of each can break are not looked at."""
        low, high = values.min(axis=1), values.max(axis=1)
        worst = np.maximum(self.guards, 0.0) @ low + np.minimum(self.guards, 0.0) @ high
        slack = CLOSE * high.max()
        guards = self.guards[worst < -slack]
        found = np.ones(values.shape[1], dtype=bool)
        if len(guards):
            for first in range(0, values.shape[1], SLICE):
                some = slice(first, first + SLICE)
                found[some] = (guards @ values[:, some]).min(axis=0) >= -slack
        return found


class Regions:
    """Those that were found so far; `solve` gives the region of one point's values."""

    def __init__(self, solve: Callable[[Floats], Region]) -> None:
        self._solve = solve
        self._found: list[Region] = []

    def at(self, values: Floats, otherwise: Callable[[Floats], Floats]) -> Floats:
        """Results (results, points) for values (values, points); by `otherwise` for points that lie
        in no large region."""
        left = np.arange(values.shape[1])
        parts: list[tuple[Any, Floats]] = []
        for region in list(self._found):
            left = self._take(region, values, left, parts)
            if not len(left):
                break
        taken = PAYS
        while len(left) and taken >= PAYS:
            here, before = len(left) // 2, len(left)
            region = self._solve(values[:, left[here]])
            left = self._take(region, values, left, parts, sure=here)
            taken = before - len(left)
        if len(left):
            parts.append((left, otherwise(values[:, left])))
        if len(parts) == 1:
            return parts[0][1]
        out = np.empty((len(parts[0][1]), values.shape[1]))
        for which, results in parts:
            out[:, which] = results
        return out

    def _take(
        self,
        region: Region,
        values: Floats,
        left: npt.NDArray[np.intp],
        parts: list[tuple[Any, Floats]],
        sure: int | None = None,
    ) -> npt.NDArray[np.intp]:
        """The points that are left when those of a region have their results."""
        some = values if len(left) == values.shape[1] else values[:, left]
        holds = region.holds(some)
        if sure is not None:
            holds[sure] = True
        if holds.any():
            parts.append((left[holds], region.form @ (some if holds.all() else some[:, holds])))
            # What held last is asked first the next time.
            self._found = [region, *(one for one in self._found if one is not region)][:KEPT]
        return left[~holds]


class Trace:
    """`greater` of arrays (..., 1 + values) that hold a number and how often it has each value;
    remembers by how much the greater one was ahead."""

    def __init__(self) -> None:
        self._ahead: list[Floats] = []

    def greater(self, a: Floats, b: Floats) -> Floats:
        """The one whose number is greater."""
        first = a[..., :1] >= b[..., :1]
        self._ahead.append(np.where(first, a - b, b - a)[..., 1:].reshape(-1, a.shape[-1] - 1))
        return np.where(first, a, b)

    @property
    def guards(self) -> Floats:
        """The different ones that not all values keep, (rows, values)."""
        rows = np.unique(np.concatenate(self._ahead), axis=0)
        return np.asarray(rows[(rows < 0).any(axis=1)])
