"""Which form describes some runs: the one that predicts the largest model best when it is left out.

A form with a plateau must also show it: 97.5 % of the resamples put it above a share of the fewest
steps. Akaike's criterion stands beside, and doesn't decide: it judges inside the range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.converge.fitting.forms import Center
from calibration.converge.fitting.held_out import LeftOut, left_out
from calibration.converge.fitting.intervals import bootstrap
from calibration.converge.fitting.points import Floats, Points
from calibration.converge.fitting.robust import Fit, fit
from calibration.converge.fitting.solve import Robust
from hwsim.convergence.forms import Form
from hwsim.convergence.law import Axis

PLATEAU_SHARE = 0.05
Errors = dict[Form, dict[Axis, LeftOut | None]]


@dataclass(frozen=True)
class Choice:
    """The chosen form's fit, and the fit that the intervals are from: that of the richest form that
    was not refuted, since a plateau that wasn't seen may be there all the same.

    `draws` are rows of (ln a, k1, k2, b or pole[, B_crit]) of the latter, `theta` its own draws.
    """

    best: Fit
    widest: Fit
    theta: Floats
    draws: Floats
    errors: Errors
    aicc: dict[Form, float | None]


def choose(rows: Points, center: Center, *, absolute: bool = False) -> Choice:
    """Fit every form that may describe the rows, and choose. `absolute` adds the pole."""
    fits = {form: fit(rows, center, form, absolute=absolute) for form in _forms(rows, absolute)}
    errors: Errors = {
        form: {axis: left_out(rows, center, form, axis, absolute=absolute) for axis in axes(rows)}
        for form in fits
    }
    ranked = sorted(fits, key=lambda form: _rank(errors[form]["model"]))
    chosen = ranked[0]
    widest = fits[chosen if chosen == "pole" else list(fits)[min(1, len(fits) - 1)]]
    theta = bootstrap(widest)
    draws = widest.shape.told(theta)
    if chosen == "power-plateau":
        seen = np.percentile(draws[:, 3], 2.5) > PLATEAU_SHARE * rows.steps.min()
        chosen = "power-plateau" if seen else "power"
    return Choice(fits[chosen], widest, theta, draws, errors, _aicc(fits))


def axes(rows: Points) -> tuple[Axis, ...]:
    """The axes of a law: batch only where it varies."""
    return ("model", "data", "batch") if rows.batches() else ("model", "data")


def _forms(rows: Points, absolute: bool) -> tuple[Form, ...]:
    """Three model sizes tell a slope from a bend; fewer do not."""
    if len(np.unique(rows.model[~rows.censored])) < 3:
        return ("power",)
    return ("power", "power-plateau", "pole") if absolute else ("power", "power-plateau")


def _rank(error: LeftOut | None) -> float:
    return error.per_fold if error else np.inf


def _aicc(fits: dict[Form, Fit]) -> dict[Form, float | None]:
    """Akaike's criterion for few rows, up to a constant: 2 cost / spread^2 + 2 k n / (n - k - 1).

    Cost and spread by the narrowest of the fits, for all alike. None if n <= k + 1.
    """
    robust = min((one.robust for one in fits.values()), key=_scale)
    spread = min(one.scatter for one in fits.values()) or 1.0
    found: dict[Form, float | None] = {}
    for form, one in fits.items():
        rows, size = int((~one.shape.rows.censored).sum()), one.shape.size
        cost = float(robust.cost(one.residuals).sum())
        free = rows - size - 1
        found[form] = 2.0 * cost / spread**2 + 2.0 * size * rows / free if free > 0 else None
    return found


def _scale(robust: Robust) -> float:
    return robust.scale
