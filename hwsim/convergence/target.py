"""The step at which a training curve meets its target, read off its evaluations.

The target is the paper's, a validation loss within 1 % of the run's own minimum, or an absolute
loss, the same for all runs. Evaluations are noisy, so the curve is smoothed first (mean of `WINDOW`
evaluations), and the crossing is interpolated in log-steps: the first raw evaluation below the line
is late by up to one interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

WITHIN = 0.01
WINDOW = 3
# A loss that creeps on downwards by less than this share of `within` has met its minimum: it moves
# the line of the target by as little.
SETTLED = 0.02

Kind = Literal["within_pct_of_min", "absolute_loss"]
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

    The run is censored unless it went on to `patience` times the step of its minimum, or of where
    it was as low but for a share `SETTLED` of `within`. It counts up to its first loss that is not
    finite; if that is the first one, it is censored there.

    >>> steps = [100, 200, 400, 600, 800, 1600]
    >>> found = crossing(steps, [4.0, 3.0, 2.0, 2.0, 2.0, 5.0], patience=1.5)
    >>> found.minimum_steps, round(found.steps), found.censored
    (600.0, 586, False)
    """
    steps, curve = _smooth(steps, losses)
    best = int(curve.argmin())
    low = _first(steps, curve, (1.0 + SETTLED * within) * curve[best])
    return Crossing(
        steps=_first(steps, curve, (1.0 + within) * curve[best]),
        minimum=float(curve[best]),
        minimum_steps=float(steps[best]),
        censored=not steps[-1] >= patience * low,
    )


def crossing_of_loss(steps: Sequence[int], losses: Losses, loss: float) -> float | None:
    """First step whose smoothed loss is at most `loss`; None if the run never gets there.

    It counts up to its first loss that is not finite.

    >>> round(crossing_of_loss([100, 200, 400, 800], [4.0, 3.0, 2.0, 1.0], 2.5), 1)
    282.8
    """
    steps, curve = _smooth(steps, losses)
    return _first(steps, curve, loss) if curve.min() <= loss else None


def _smooth(steps: Sequence[int], losses: Losses) -> tuple[Sequence[int], npt.NDArray[np.float64]]:
    finite = np.isfinite(losses)
    end = len(losses) if finite.all() else max(int(finite.argmin()), 1)
    return steps[:end], smoothed(losses[:end])


def _first(steps: Sequence[int], curve: npt.NDArray[np.float64], line: float) -> float:
    """Where the curve, which gets there, first is at the line."""
    first = int(np.argmax(curve <= line))
    if first == 0:
        return float(steps[0])
    part = (curve[first - 1] - line) / (curve[first - 1] - curve[first])
    return float(steps[first - 1]) * math.exp(part * math.log(steps[first] / steps[first - 1]))


@dataclass(frozen=True)
class Target:
    """What a run is trained to: percent above its own minimum, or a loss (nats per item)."""

    kind: Kind = "within_pct_of_min"
    value: float = 100.0 * WITHIN

    def __str__(self) -> str:
        """In words.

        >>> print(Target(), Target("absolute_loss", 1.9), sep="; ")
        validation loss within 1% of the run's own minimum; validation loss of 1.9
        """
        if self.kind == "absolute_loss":
            return f"validation loss of {self.value:g}"
        return f"validation loss within {self.value:g}% of the run's own minimum"

    def met(self, steps: Sequence[int], losses: Losses, patience: float) -> Met:
        """Steps to the target, or how long the run went without meeting it."""
        own = crossing(
            steps,
            losses,
            patience=patience,
            within=self.value / 100.0 if self.kind == "within_pct_of_min" else WITHIN,
        )
        if self.kind == "within_pct_of_min":
            return Met(own.steps, "censored" if own.censored else "met")
        where = crossing_of_loss(steps, losses, self.value)
        if where is not None:
            return Met(where, "met")
        last = float(_smooth(steps, losses)[0][-1])
        return Met(last, "censored" if own.censored else "never")


@dataclass(frozen=True)
class Met:
    """Steps to a target; a lower bound if `censored`; `never` for a run that passed its minimum
    above the loss."""

    steps: float
    how: Literal["met", "censored", "never"]
