"""Robust nonlinear least squares for many problems at once: resamples, starts, profiles.

Levenberg-Marquardt steps on iteratively reweighted residuals r = ln(measured / form), with bounds.
All problems share the rows and the form; they differ in start, in the weights of the rows and in
bounds. A censored row counts only where the form lies below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from calibration.converge.fitting.forms import Shape
from calibration.converge.fitting.points import Floats

ITERATIONS = 80
DONE = 1e-9  # relative change of the cost in one step

Loss = Literal["soft_l1", "cauchy"]


@dataclass(frozen=True)
class Solution:
    """Of K problems: theta (K x parameters) and the cost (K)."""

    theta: Floats
    cost: Floats


@dataclass(frozen=True)
class Robust:
    """A loss that is r^2 / 2 for small residuals and grows slower beyond `scale` (log-steps).

    soft_l1 has one minimum but lets far rows pull; cauchy all but ignores them, from a
    start nearby.
    """

    loss: Loss
    scale: float

    def cost(self, residuals: Floats) -> Floats:
        """The loss of each residual.

        >>> Robust("soft_l1", 1.0).cost(np.array([0.0, 3.0**0.5]))
        array([0., 1.])
        """
        z = (residuals / self.scale) ** 2
        rho = np.sqrt(1.0 + z) - 1.0 if self.loss == "soft_l1" else 0.5 * np.log1p(z)
        return np.asarray(self.scale**2 * rho)

    def weights(self, residuals: Floats) -> Floats:
        """The derivative of the loss over the residual."""
        z = 1.0 + (residuals / self.scale) ** 2
        return np.asarray(1.0 / np.sqrt(z) if self.loss == "soft_l1" else 1.0 / z)


def residuals(shape: Shape, theta: Floats) -> tuple[Floats, Floats]:
    """ln(measured / form) of every row, 0 where a lower bound is kept, and derivatives of ln S."""
    logs, slopes = shape.logs(theta)
    difference = np.log(shape.rows.steps) - logs
    return np.where(shape.rows.censored, np.maximum(difference, 0.0), difference), slopes


def solve(
    shape: Shape,
    starts: Floats,
    robust: Robust,
    *,
    counts: Floats | None = None,
    bounds: tuple[Floats, Floats] | None = None,
) -> Solution:
    """The minimum near each of K starts (K x parameters).

    `counts` (K x rows, or rows) is how often each row is taken; `bounds` lowest and highest theta
    (K x parameters, or parameters). A parameter whose bounds are equal stays there.
    """
    low, high = bounds or shape.bounds()
    taken = np.ones(len(shape.rows)) if counts is None else counts
    taken = np.broadcast_to(taken, (len(starts), len(shape.rows)))
    theta = np.clip(starts, low, high)
    low, high = np.broadcast_to(low, theta.shape), np.broadcast_to(high, theta.shape)
    left, slopes = residuals(shape, theta)
    cost = (taken * robust.cost(left)).sum(axis=1)
    damping = np.full(len(theta), 1e-3)
    active = np.arange(len(theta))
    for _ in range(ITERATIONS):
        weights = taken[active] * robust.weights(left[active])
        step = _step(
            slopes[active],
            left[active],
            weights,
            damping[active],
            (theta[active], low[active], high[active]),
        )
        trial = np.clip(theta[active] + step, low[active], high[active])
        trial_left, trial_slopes = residuals(shape, trial)
        trial_cost = (taken[active] * robust.cost(trial_left)).sum(axis=1)
        better = trial_cost < cost[active]
        gained = np.where(better, cost[active] - trial_cost, 0.0)
        won = active[better]
        theta[won], cost[won] = trial[better], trial_cost[better]
        left[won], slopes[won] = trial_left[better], trial_slopes[better]
        going = np.where(better, gained > DONE * (cost[active] + DONE), damping[active] < 1e6)
        damping[active] *= np.where(better, 0.2, 8.0)
        active = active[going]
        if not len(active):
            break
    return Solution(theta, cost)


def _step(
    slopes: Floats,
    left: Floats,
    weights: Floats,
    damping: Floats,
    at: tuple[Floats, Floats, Floats],
) -> Floats:
    """The damped Gauss-Newton step, within the parameters that are not held at a bound."""
    theta, low, high = at
    weighted = slopes * weights[..., None]
    downhill = np.einsum("kni,kn->ki", weighted, left)
    free = ~(((theta <= low) & (downhill <= 0.0)) | ((theta >= high) & (downhill >= 0.0)))
    matrix = np.swapaxes(weighted, 1, 2) @ slopes * (free[:, :, None] & free[:, None, :])
    diagonal = np.einsum("kii->ki", matrix).copy()
    size = np.arange(theta.shape[1])
    matrix[:, size, size] = np.where(free, diagonal * (1.0 + damping[:, None]) + 1e-12, 1.0)
    return np.asarray(np.linalg.solve(matrix, (free * downhill)[..., None])[..., 0])
