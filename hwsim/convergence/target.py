"""The step at which a training curve meets its target, read off its evaluations.

The target is the paper's: a validation loss within 1 % of the run's own minimum. Evaluations are
noisy, so the curve is smoothed first (mean of `WINDOW` evaluations), and the crossing is
interpolated in log-steps: the first raw evaluation below the line is late by up to one interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WITHIN = 0.01
WINDOW = 3

Losses = Sequence[float] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Crossing:
    """Where a run met its target; `censored` if it ended before its minimum was passed."""

    steps: float
    minimum: float
    minimum_steps: float
    censored: bool


def smoothed(losses: Losses, window: int = WINDOW) -> npt.NDArray[np.float64]:
    """Centered mean over `window` evaluations; at both ends over those that there are.

    >>> smoothed([3.0, 2.0, 1.0, 3.0]).tolist()
    [2.5, 2.0, 2.0, 2.0]
    """
    values = np.asarray(losses, dtype=float)
    half = window // 2
    total = np.concatenate(([0.0], np.cumsum(values)))
    index = np.arange(len(values))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return np.asarray((total[high] - total[low]) / (high - low))


def crossing(
    steps: Sequence[int], losses: Losses, *, patience: float, within: float = WITHIN
) -> Crossing:
    """First step whose smoothed loss is within `within` of the smoothed minimum.

    The run is censored unless it went on to `patience` times the step of its minimum. It counts up
    to its first loss that is not finite; if that is the first one, it is censored there.

    >>> steps = [100, 200, 400, 600, 800, 1600]
    >>> found = crossing(steps, [4.0, 3.0, 2.0, 2.0, 2.0, 5.0], patience=1.5)
    >>> found.minimum_steps, round(found.steps), found.censored
    (600.0, 586, False)
    """
    finite = np.isfinite(losses)
    end = len(losses) if finite.all() else max(int(finite.argmin()), 1)
    steps, curve = steps[:end], smoothed(losses[:end])
    best = int(curve.argmin())
    line = (1.0 + within) * curve[best]
    first = int(np.argmax(curve <= line))
    where = float(steps[first])
    if first > 0:
        part = (curve[first - 1] - line) / (curve[first - 1] - curve[first])
        where = float(steps[first - 1]) * math.exp(part * math.log(steps[first] / steps[first - 1]))
    return Crossing(
        steps=where,
        minimum=float(curve[best]),
        minimum_steps=float(steps[best]),
        censored=steps[-1] < patience * steps[best],
    )
