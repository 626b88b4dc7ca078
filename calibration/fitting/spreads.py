"""How far off predictions are, from the residuals of cases that were not in the fit."""

from __future__ import annotations

import math

import numpy as np

from calibration.fitting.stack import Floats

ENOUGH = 12  # cases to leave some out of
ENOUGH_FOR_TAILS = 40
REACH80 = 1.2815515655446004  # standard deviations to the ends of an 80 % interval
REACH95 = 1.959963984540054  # and to those of a 95 % interval
UNKNOWN = 0.45  # spread where nothing could be left out: that of the default's roofline


def spread_of(residuals: Floats) -> float:
    """The spread that eight in ten of these residuals are within: their 80 % quantile / 1.2816.

    >>> round(spread_of(np.linspace(-1.0, 1.0, 101)), 3)
    0.64
    """
    return _quantile(residuals, 0.8, ENOUGH) / REACH80 or UNKNOWN


def tail_of(residuals: Floats) -> float | None:
    """The same with 95 % and 1.96; None where the residuals are too few to tell.

    >>> round(tail_of(np.linspace(-1.0, 1.0, 101)), 3)
    0.49
    """
    return _quantile(residuals, 0.95, ENOUGH_FOR_TAILS) / REACH95 or None


def _quantile(residuals: Floats, share: float, enough: int) -> float:
    """Of the absolute values, with one more that is larger than all; 0 where they are too few."""
    known = np.sort(np.abs(residuals[np.isfinite(residuals)]))
    if len(known) < enough:
        return 0.0
    return float(known[min(math.ceil((len(known) + 1) * share), len(known)) - 1])


def median_error(residuals: Floats) -> str | None:
    """Median of |predicted / measured - 1| of known residuals, as text; None without any.

    >>> median_error(np.log([1.1, 1.2, 0.7])), median_error(np.array([np.nan]))
    ('20.0%', None)
    """
    known = residuals[np.isfinite(residuals)]
    return f"{np.median(np.abs(np.expm1(known))):.1%}" if len(known) else None
