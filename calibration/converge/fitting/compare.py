"""Two campaigns set against each other, cell by cell: optimizers, depths, anything else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.converge.fitting.forms import Center
from calibration.converge.fitting.points import Floats, Points, geometric_mean
from calibration.converge.fitting.robust import SEED, fit

RESAMPLES = 400
ENDS = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Of the second campaign against the first, on the cells that both have.

    `ratio` is steps of the second over steps of the first, the geometric mean over cells; `sign`
    is -1 where the second needs fewer, 1 where more, 0 where the interval of the ratio holds 1.
    `first` and `second` are the slopes k2 of the power law (S ~ M^-k2) on those cells,
    `difference` that of the second less that of the first; None with fewer than 3 model sizes.
    Cells whose runs are all censored on either side are `left_out`.
    """

    cells: int
    left_out: int
    ratio: Estimate
    sign: int
    first: Estimate | None
    second: Estimate | None
    difference: Estimate | None


def compare(first: Points, second: Points, resamples: int = RESAMPLES) -> Comparison | None:
    """None without a cell (width, data, batch) in which both have a run that met the target.

    Intervals are percentiles of a bootstrap: cells are drawn alike for both, and then the seeds
    within each cell apart.
    """
    ours, theirs = _by_cell(first), _by_cell(second)
    common = sorted(ours.keys() & theirs.keys())
    kept = [key for key in common if _met(first, ours[key]) and _met(second, theirs[key])]
    if not kept:
        return None
    random = np.random.default_rng(SEED)
    pairs = [(ours[key], theirs[key]) for key in kept]
    sides = (first, second)
    logs, slopes = [], []
    sloped = all(len(np.unique(side.model[_all(pairs, i)])) >= 3 for i, side in enumerate(sides))
    for _ in range(resamples):
        drawn = [pairs[i] for i in random.integers(len(pairs), size=len(pairs))]
        again = [(_redrawn(random, a), _redrawn(random, b)) for a, b in drawn]
        logs.append(_log_ratio(first, second, again))
        if sloped and _sizes(first, again) >= 2:
            slopes.append([_slope(side, _all(again, i)) for i, side in enumerate(sides)])
    ratio = _estimate(_log_ratio(first, second, pairs), np.array(logs), exp=True)
    k2 = [_slope(side, _all(pairs, i)) for i, side in enumerate(sides)] if sloped else None
    table = np.array(slopes)
    return Comparison(
        cells=len(kept),
        left_out=len(common) - len(kept),
        ratio=ratio,
        sign=1 if ratio.low > 1.0 else -1 if ratio.high < 1.0 else 0,
        first=_estimate(k2[0], table[:, 0]) if k2 else None,
        second=_estimate(k2[1], table[:, 1]) if k2 else None,
        difference=_estimate(k2[1] - k2[0], table[:, 1] - table[:, 0]) if k2 else None,
    )


Rows = npt.NDArray[np.intp]
Pair = tuple[Rows, Rows]


def _by_cell(rows: Points) -> dict[tuple[float, float, float], Rows]:
    keys = rows.keys()
    return {keys[cell[0]]: cell for cell in rows.cells()}


def _met(rows: Points, cell: Rows) -> bool:
    return not rows.censored[cell].all()


def _redrawn(random: np.random.Generator, cell: Rows) -> Rows:
    return cell[random.integers(len(cell), size=len(cell))]


def _all(pairs: list[Pair], side: int) -> Rows:
    return np.concatenate([pair[side] for pair in pairs])


def _sizes(rows: Points, pairs: list[Pair]) -> int:
    return len(np.unique(rows.model[_all(pairs, 0)]))


def _log_ratio(first: Points, second: Points, pairs: list[Pair]) -> float:
    """The mean over cells of the difference of mean log-steps; a bound counts as it stands."""
    return float(
        np.mean([np.log(second.steps[b]).mean() - np.log(first.steps[a]).mean() for a, b in pairs])
    )


def _slope(rows: Points, index: Rows) -> float:
    taken = rows.take(index)
    center: Center = (geometric_mean(taken.model), geometric_mean(taken.data), 1.0)
    one_batch = Points(
        taken.model,
        taken.data,
        np.ones(len(taken)),
        taken.steps,
        taken.censored,
        taken.width,
    )
    return float(fit(one_batch, center, "power").theta[2])


def _estimate(value: float, draws: Floats, *, exp: bool = False) -> Estimate:
    low, high = np.percentile(draws, ENDS)
    table = np.array((value, min(low, value), max(high, value)))
    return Estimate(*map(float, np.exp(table) if exp else table))
