"""The fit of one form: several starts with a loss of one minimum, then one that ignores strays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.converge.fitting.forms import Center, Shape
from calibration.converge.fitting.points import Floats, Points
from calibration.converge.fitting.solve import Robust, Solution, residuals, solve
from hwsim.convergence.forms import Form

STARTS = 12
SEED = 2018
# Residuals beyond this (in log-steps, about the spread between seeds) count less than squared.
ROBUST_SCALE = 0.1
# Of Cauchy's loss, in standard deviations: 95 % efficient where noise is normal (Holland and Welsch
# 1977). The spread is kept off zero, which few rows and exact data would make it.
TUNING = 2.385
LEAST_SPREAD = 0.005


@dataclass(frozen=True)
class Fit:
    """A fitted form: theta (parameters of `Shape`), its cost under `robust`, and the residuals
    ln(measured / fitted) of all rows."""

    shape: Shape
    theta: Floats
    cost: float
    residuals: Floats
    robust: Robust

    @property
    def told(self) -> Floats:
        """ln a, k1, k2, b or pole[, B_crit]."""
        return np.asarray(self.shape.told(self.theta[None])[0])

    @property
    def scatter(self) -> float:
        """Standard deviation of single runs, in log-steps."""
        return spread(self.residuals[~self.shape.rows.censored])

    def logs(self, rows: Points) -> Floats:
        """ln S of other rows."""
        told = self.told
        log_a, k1, k2, last = told[:4]
        model, data = rows.model / self.shape.center[0], rows.data / self.shape.center[1]
        power = log_a + k1 * np.log(data)
        if self.shape.form == "pole":
            gone = np.minimum((last / self.shape.center[0] / model) ** k2, 1.0 - 1e-3)
            logs = power - np.log1p(-gone)
        else:
            logs = np.log(np.exp(power - k2 * np.log(model)) + last)
        if len(told) > 4:
            factor = np.log1p(told[4] / rows.batch) - np.log1p(told[4] / self.shape.center[2])
            logs = logs + factor
        return np.asarray(logs)


def fit(rows: Points, center: Center, form: Form, *, absolute: bool = False) -> Fit:
    """The best of several starts. `absolute` lets steps fall with data."""
    shape = Shape(form, rows, center, absolute)
    first = solve(shape, shape.starts(STARTS, SEED), Robust("soft_l1", ROBUST_SCALE))
    near = first.theta[[_best(first)]]
    left, _ = residuals(shape, near)
    met = int((~rows.censored).sum())
    free = met - shape.size
    inflated = spread(left[0][~rows.censored]) * np.sqrt(met / free) if free > 0 else ROBUST_SCALE
    robust = Robust("cauchy", TUNING * max(inflated, LEAST_SPREAD))
    last = solve(shape, around(shape, near), robust)
    chosen = _best(last)
    left, _ = residuals(shape, last.theta[[chosen]])
    return Fit(shape, last.theta[chosen], float(last.cost[chosen]), left[0], robust)


def around(shape: Shape, near: Floats) -> Floats:
    """Starts at `near` (K x parameters) and, stacked below, at the same with another plateau.

    The cost may have one dip with a plateau and one without.
    """
    if shape.form != "power-plateau":
        return near
    other = near.copy()
    other[:, 3] = np.log(0.3 * shape.rows.steps.min())
    return np.concatenate((near, other))


def _best(found: Solution) -> int:
    return int(found.cost.argmin())


def spread(residuals: Floats) -> float:
    """Standard deviation, from the median absolute deviation: one stray run doesn't set it."""
    return float(1.4826 * np.median(np.abs(residuals - np.median(residuals))))
