"""Effects with 95 % intervals: robust regressions and medians, cells of runs resampled whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from calibration.converge.fitting.robust import ROBUST_SCALE
from calibration.reproduce.campaigns import Run

Floats = npt.NDArray[np.float64]
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

RESAMPLES = 300
SEED = 2018
LEVEL = (2.5, 97.5)


@dataclass(frozen=True)
class Effect:
    """A number with its 95 % interval.

    Both ends are None where it is computed, not sampled, infinite where nothing is known of them.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """As it is printed.

        >>> print(Effect(0.5, 1.7e-21, 0.75), Effect(2.0), Effect(2.0, -math.inf, math.inf))
        0.5 [0, 0.75] 2 2 [unknown: one seed]
        """
        if self.low is None or self.high is None:
            return _number(self.value)
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return f"{_number(self.value)} [unknown: one seed]"
        return f"{_number(self.value)} [{_number(self.low)}, {_number(self.high)}]"


def _number(value: float) -> str:
    return f"{value if abs(value) > 1e-9 else 0.0:.3g}"


@dataclass(frozen=True)
class Rows:
    """Observations `y` (`bounds`: those that are lower bounds alone), each of a group and a cell.

    Groups have a level of their own each; cells are what is resampled.
    """

    y: Floats
    groups: Sequence[Hashable]
    cells: Sequence[Hashable]
    bounds: npt.NDArray[np.bool_]


def slopes(rows: Rows, columns: Mapping[str, Floats]) -> dict[str, Effect]:
    """Coefficients of `columns` in y = level of its group + columns, by name.

    Squared residuals count less beyond 10 %, as in the law's fit; what lies above a lower bound
    costs nothing. Empty where the columns can't be told apart within groups.
    """
    names = sorted(set(rows.groups), key=str)
    levels = np.array([[group == name for name in names] for group in rows.groups], dtype=float)
    table = np.column_stack([*columns.values(), levels])
    count = len(columns)
    if not _told_apart(table[~rows.bounds], count):
        return {}
    best = _coefficients(table, rows.y, rows.bounds)[:count]
    draws = []
    for index in _resamples(rows.cells):
        met = index[~rows.bounds[index]]
        if _told_apart(table[met], count):
            draws.append(_coefficients(table[index], rows.y[index], rows.bounds[index])[:count])
    if not draws:
        return {}
    low, high = np.percentile(draws, LEVEL, axis=0)
    return {
        name: Effect(float(value), float(min(least, value)), float(max(most, value)))
        for name, value, least, most in zip(columns, best, low, high, strict=True)
    }


def resampled(cells: Sequence[Sequence[T]], statistic: Callable[[list[T]], float]) -> Effect:
    """A statistic of what is in all cells, its interval from cells drawn whole."""
    value = statistic([one for cell in cells for one in cell])
    random = np.random.default_rng(SEED)
    draws = [
        statistic([one for i in random.integers(len(cells), size=len(cells)) for one in cells[i]])
        for _ in range(RESAMPLES)
    ]
    return _between(value, draws)


def seeded(
    cells: Mapping[K, Sequence[float]], statistic: Callable[[dict[K, float]], float]
) -> Effect:
    """A statistic of the cells' geometric means over seeds, its interval from the luck of seeds.

    What seeds differ by (in logs, sqrt(n / (n - 1)) wide for n of a cell) is pooled over cells and
    drawn anew. Without a cell of two seeds nothing is known of it: the interval is infinite.
    """
    logs = {key: np.log(values) for key, values in cells.items()}
    value = statistic(means(cells))
    repeated = [one for one in logs.values() if len(one) > 1]
    if not repeated:
        return Effect(value, -math.inf, math.inf)
    luck = np.concatenate(
        [(one - one.mean()) * math.sqrt(len(one) / (len(one) - 1)) for one in repeated]
    )
    random = np.random.default_rng(SEED)
    draws = [
        statistic(
            {
                key: float(np.exp(one.mean() + random.choice(luck, len(one)).mean()))
                for key, one in logs.items()
            }
        )
        for _ in range(RESAMPLES)
    ]
    return _between(value, draws)


def means(cells: Mapping[K, Sequence[float]]) -> dict[K, float]:
    """Geometric means over seeds."""
    return {key: float(np.exp(np.mean(np.log(values)))) for key, values in cells.items()}


def _between(value: float, draws: Sequence[float]) -> Effect:
    low, high = np.percentile(draws, LEVEL)
    return Effect(value, float(min(low, value)), float(max(high, value)))


def by(runs: Sequence[Run], key: Callable[[Run], K]) -> dict[K, list[Run]]:
    """Runs by a key, in the key's order."""
    found: dict[K, list[Run]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return dict(sorted(found.items()))


def _told_apart(table: Floats, count: int) -> bool:
    """Whether the first columns are independent of each other and of the groups' levels."""
    if len(table) == 0:
        return False
    levels = table[:, count:]
    shares = levels / np.maximum(levels.sum(0), 1.0)
    within = table[:, :count] - levels @ (shares.T @ table[:, :count])
    return bool(np.linalg.matrix_rank(within, tol=1e-6) == count)


def _coefficients(table: Floats, y: Floats, bounds: npt.NDArray[np.bool_]) -> Floats:
    from scipy.optimize import least_squares

    def residuals(theta: Floats) -> Floats:
        left = y - table @ theta
        return np.where(bounds, np.maximum(left, 0.0), left)

    def jacobian(theta: Floats) -> Floats:
        slack = bounds & (y < table @ theta)
        return np.where(slack[:, None], 0.0, -table)

    start = np.linalg.lstsq(table, y, rcond=None)[0]
    found = least_squares(residuals, start, jacobian, loss="soft_l1", f_scale=ROBUST_SCALE)
    return np.asarray(found.x)


def _resamples(cells: Sequence[Hashable]) -> list[npt.NDArray[np.intp]]:
    """Row numbers of each resample: as many cells as there are, drawn with repetition."""
    places: dict[Hashable, list[int]] = {}
    for number, cell in enumerate(cells):
        places.setdefault(cell, []).append(number)
    members = list(places.values())
    random = np.random.default_rng(SEED)
    return [
        np.concatenate([members[i] for i in random.integers(len(members), size=len(members))])
        for _ in range(RESAMPLES)
    ]
