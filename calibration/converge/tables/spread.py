"""Predictions with their uncertainty: mixtures of Student's t in log-steps, or draws."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# 80 % and 95 % intervals around the median.
LEVELS = np.array([0.025, 0.1, 0.5, 0.9, 0.975])
KEPT = 1000  # components that stand for all, each with the same weight


@dataclass(frozen=True)
class Prediction:
    """A number of steps with its 80 % and 95 % intervals; infinite where that is never reached."""

    steps: float
    low: float
    high: float
    low95: float
    high95: float


@dataclass(frozen=True)
class Mixture:
    """Components of a distribution of ln(steps): weights that sum to 1, centers, scales."""

    weights: Floats
    centers: Floats
    scales: Floats

    def prediction(self) -> Prediction:
        """The quantiles, by bisection."""
        order = np.argsort(self.centers, kind="stable")
        below = np.cumsum(self.weights[order])
        kept = order[np.searchsorted(below, (np.arange(KEPT) + 0.5) / KEPT * below[-1])]
        centers, scales = self.centers[kept], self.scales[kept]
        low = np.full(len(LEVELS), (centers - 20.0 * scales).min())
        high = np.full(len(LEVELS), (centers + 20.0 * scales).max())
        for _ in range(40):
            middle = 0.5 * (low + high)
            below = student((middle[:, None] - centers) / scales).mean(axis=1)
            low = np.where(below < LEVELS, middle, low)
            high = np.where(below < LEVELS, high, middle)
        return _of(np.exp(0.5 * (low + high)))


def of_draws(logs: Floats) -> Prediction:
    """From draws of ln(steps), of which some may be infinite."""
    order = np.sort(logs)
    with np.errstate(over="ignore"):
        return _of(np.exp(order[np.round(LEVELS * (len(order) - 1)).astype(int)]))


def student(t: Floats) -> Floats:
    """The distribution function of Student's t with 4 degrees of freedom.

    1/2 + 3/4 (u - u^3 / 3), u = t / sqrt(4 + t^2): steps scatter with longer tails than a normal's.

    >>> [round(float(student(np.array(t))), 4) for t in (0.0, 1.5332, 2.7764)]
    [0.5, 0.9, 0.975]
    """
    u = t / np.sqrt(4.0 + t * t)
    return np.asarray(0.5 + 0.75 * (u - u**3 / 3.0))


def _of(values: Floats) -> Prediction:
    low95, low, steps, high, high95 = (float(v) if not math.isnan(v) else math.inf for v in values)
    return Prediction(steps, low, high, low95, high95)
