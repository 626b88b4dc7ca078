"""What extrapolation costs, by experiment: the largest size is left out, and predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.converge.fitting.forms import Center
from calibration.converge.fitting.points import Floats, Points
from calibration.converge.fitting.robust import fit
from hwsim.convergence.forms import Form
from hwsim.convergence.law import Axis


@dataclass(frozen=True)
class LeftOut:
    """Errors at the largest size of an axis under a fit to the others.

    `error` is the median over runs of |predicted / measured - 1|; `per_fold` the root mean square
    of ln(measured / predicted) per e-fold of the distance that was bridged.
    """

    size: float
    runs: int
    error: float
    per_fold: float


def left_out(
    rows: Points, center: Center, form: Form, axis: Axis, *, absolute: bool = False
) -> LeftOut | None:
    """None where too little is left to fit: two sizes of an exponent, three of a critical batch."""
    values: Floats = getattr(rows, axis)
    sizes = np.unique(values)
    inside = values < sizes[-1]
    near, far = rows.take(inside), rows.take(~inside & ~rows.censored)
    met = near.take(~near.censored)
    for name, least in (("model", 2), ("data", 2), ("batch", 2)):
        varied = len(np.unique(getattr(rows, name))) > 1
        if varied and len(np.unique(getattr(met, name))) < least:
            return None
    if len(sizes) < 2 or not len(far):
        return None
    logs = fit(near, center, form, absolute=absolute).logs(far)
    off = np.log(far.steps) - logs
    bridged = float(np.log(sizes[-1] / sizes[-2]))
    return LeftOut(
        size=float(sizes[-1]),
        runs=len(far),
        error=float(np.median(np.abs(np.expm1(-off)))),
        per_fold=float(np.sqrt(np.mean(off**2))) / bridged,
    )


def seed_noise(rows: Points) -> float | None:
    """The standard deviation of ln S between seeds of one cell, pooled; None without repeats."""
    squares, free = 0.0, 0
    for cell in rows.take(~rows.censored).cells():
        logs = np.log(rows.take(~rows.censored).steps[cell])
        squares += float(((logs - logs.mean()) ** 2).sum())
        free += len(cell) - 1
    return float(np.sqrt(squares / free)) if free else None
