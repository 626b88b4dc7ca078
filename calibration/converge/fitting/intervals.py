"""Intervals of fitted parameters: a bootstrap over cells, and profiles of the cost.

Cells are few. The percentiles of the bootstrap are taken further out than 2.5 %, by what Student's
t and the lost degrees of freedom ask for (the expanded percentile interval, Hesterberg 2015, "What
teachers should know about the bootstrap"). The profile of a robust cost is compared with F times
the ratio that makes its drop a chi-squared (Huber and Ronchetti 2009, "Robust Statistics").
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from calibration.converge.fitting.forms import Shape
from calibration.converge.fitting.points import Floats
from calibration.converge.fitting.robust import SEED, Fit, around
from calibration.converge.fitting.solve import solve

RESAMPLES = 500
GRID = 41
TAIL = 0.025


def bootstrap(best: Fit, resamples: int = RESAMPLES) -> Floats:
    """Draws of theta, shape (resamples, parameters), whole cells resampled.

    Each starts from the fit to all runs: a resample's is close to it.
    """
    rows, shape = best.shape.rows, best.shape
    random = np.random.default_rng(SEED)
    cells = rows.cells()
    counts: list[Floats] = []
    while len(counts) < resamples:
        times = np.bincount(random.integers(len(cells), size=len(cells)), minlength=len(cells))
        taken = np.zeros(len(rows))
        for cell, often in zip(cells, times, strict=True):
            taken[cell] = often
        if _enough(shape, taken > 0):
            counts.append(taken)
    starts = around(shape, np.tile(best.theta, (resamples, 1)))
    repeats = len(starts) // resamples
    found = solve(shape, starts, best.robust, counts=np.tile(np.array(counts), (repeats, 1)))
    costs = found.cost.reshape(repeats, resamples)
    theta = found.theta.reshape(repeats, resamples, shape.size)
    return np.asarray(theta[costs.argmin(axis=0), np.arange(resamples)])


def _enough(shape: Shape, taken: npt.NDArray[np.bool_]) -> bool:
    """Whether a resample has as many sizes as its exponents need."""
    rows = shape.rows
    for axis, least in ((rows.model, 3), (rows.data, 2), (rows.batch, 2)):
        sizes = len(np.unique(axis))
        if len(np.unique(axis[taken])) < min(sizes, least):
            return False
    return True


def tail(best: Fit) -> float:
    """The share of the draws to leave out on either side for a 95 % interval."""
    from scipy.stats import norm, t

    cells = len(best.shape.rows.cells())
    free = max(cells - best.shape.size, 1)
    return float(norm.cdf(np.sqrt(cells / free) * t.ppf(TAIL, free)))


def profile(best: Fit, parameter: int, draws: Floats) -> tuple[float, float]:
    """The 95 % interval of one parameter of theta: where the cost of the rest, fitted anew, stays
    below the bound. `draws` says how far out to look."""
    from scipy.stats import f

    shape = best.shape
    low, high = shape.bounds()
    middle = best.theta[parameter]
    reach = 3.0 * max(float(np.abs(draws[:, parameter] - middle).max()), 1e-3)
    grid = np.unique(
        np.clip(
            np.append(np.linspace(middle - reach, middle + reach, GRID), middle),
            low[parameter],
            high[parameter],
        )
    )
    lows, highs = np.tile(low, (len(grid), 1)), np.tile(high, (len(grid), 1))
    lows[:, parameter] = highs[:, parameter] = grid
    starts = np.tile(best.theta, (len(grid), 1))
    costs = solve(shape, starts, best.robust, bounds=(lows, highs)).cost
    met = ~shape.rows.censored
    free = max(int(met.sum()) - shape.size, 1)
    bound = 0.5 * _ratio(best) * float(f.ppf(1.0 - 2.0 * TAIL, 1, free))
    over = costs - min(best.cost, float(costs.min())) - bound
    return _cross(grid, over, middle, -1), _cross(grid, over, middle, 1)


def _ratio(best: Fit) -> float:
    """E psi^2 / E psi' of Cauchy's loss: the variance, where nothing strays."""
    rows = best.shape.rows
    left = best.residuals[~rows.censored]
    z = (left / best.robust.scale) ** 2
    free = max(len(left) - best.shape.size, 1)
    psi = left / (1.0 + z)
    return float(len(left) / free * np.mean(psi**2) / np.mean((1.0 - z) / (1.0 + z) ** 2))


def _cross(grid: Floats, over: Floats, middle: float, side: int) -> float:
    """Where `over` first is above 0, from the middle to one side; the last of the grid if never."""
    index = np.flatnonzero(grid <= middle)[::-1] if side < 0 else np.flatnonzero(grid >= middle)
    for near, far in pairwise(index):
        if over[far] > 0.0:
            part = -over[near] / (over[far] - over[near]) if over[near] < 0.0 else 0.0
            return float(grid[near] + part * (grid[far] - grid[near]))
    return float(grid[index[-1]])
