"""Seconds of the whole training of many points, from those of their steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.convergence.law import Steps, interval
from hwsim.estimation import step_luck
from hwsim.overheads import Overheads

Floats = npt.NDArray[np.float64]

NODES = 65  # spreads at which intervals are drawn, where points have more


class Totals(NamedTuple):
    """Seconds of each point with their 80 % interval."""

    seconds: Floats
    low: Floats
    high: Floats


def totals(
    seconds: Floats,
    spread: Floats,
    count: Steps,
    overheads: Overheads,
    devices: int,
    *,
    ranges: bool = True,
) -> Totals:
    """The trainings of points with steps of `seconds` and `spread`; NaN stays NaN.

    The interval is that of the estimate's draws. It depends on a point's spread alone where a run
    spends nothing besides its steps: then it is drawn at the spreads there are, or at `NODES` of
    them, between which its logarithm is a straight line (within 1e-3). Where a run spends more,
    each point is drawn. Without `ranges` the interval is NaN.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        whole = np.asarray(sum(overheads.parts(count.value, seconds, devices).values()))
        low, high = np.full_like(seconds, np.nan), np.full_like(seconds, np.nan)
        known = np.isfinite(seconds)
        if ranges and known.any():
            if overheads == Overheads():
                ends = _ends(count, spread[known])
                low[known], high[known] = (seconds[known] * end for end in ends)
            else:
                for place in np.flatnonzero(known):
                    times = seconds[place] * step_luck(float(spread[place]))
                    parts = overheads.parts(count.draws, times, devices)
                    low[place], high[place] = interval(np.asarray(sum(parts.values())))
            low, high = np.minimum(low, whole), np.maximum(high, whole)
    return Totals(whole, low, high)


def _ends(count: Steps, spread: Floats) -> tuple[Floats, Floats]:
    """Ends of the interval over the seconds of a step."""
    nodes, place = np.unique(spread, return_inverse=True)
    few = len(nodes) <= NODES
    if not few:
        nodes = np.linspace(nodes[0], nodes[-1], NODES)
    with np.errstate(divide="ignore", over="ignore"):  # draws may be 0 or without end
        drawn = np.log([interval(count.draws * step_luck(float(node))) for node in nodes])
    if few:
        found = drawn[place]
    else:
        found = np.stack([np.interp(spread, nodes, column) for column in drawn.T], axis=1)
    return np.exp(found[:, 0]), np.exp(found[:, 1])
