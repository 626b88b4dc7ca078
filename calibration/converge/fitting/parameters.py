"""Fitted parameters with their 95 % intervals, as a law keeps them."""

from __future__ import annotations

import numpy as np

from calibration.converge.fitting.choice import Choice
from calibration.converge.fitting.intervals import profile, tail
from hwsim.convergence.law import Name, Parameter


def parameters(choice: Choice) -> dict[Name, Parameter]:
    """Values with their 95 % intervals: percentiles of the draws, and for k2 and b, on which few
    cells bear, the profile too. A plateau that was not seen is only bounded above."""
    widest, told = choice.widest, choice.best.told
    share = 100.0 * tail(widest)
    low, high = np.percentile(choice.draws, (share, 100.0 - share), axis=0)
    for parameter in range(2, 3 + (widest.shape.form == "power-plateau")):
        ends = profile(widest, parameter, choice.theta)
        least, most = np.exp(ends) if parameter == 3 else ends
        low[parameter], high[parameter] = min(low[parameter], least), max(high[parameter], most)
    low, high = np.minimum(low, told), np.maximum(high, told)
    last: Name = "pole" if widest.shape.form == "pole" else "b"
    if last == "b" and choice.best.shape.form == "power":
        low[3] = 0.0
    table = np.array((told, low, high))
    table[:, 0] = np.exp(table[:, 0])
    names: tuple[Name, ...] = ("a", "k1", "k2", last, "batch_critical")
    return {
        name: Parameter(value=short(value), low=short(least), high=short(most))
        for name, (value, least, most) in zip(names, table.T, strict=False)
    }


def short(value: float) -> float:
    """To five digits: more would be noise in a file."""
    return float(f"{value:.5g}")
