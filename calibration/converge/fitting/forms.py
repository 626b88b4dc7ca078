"""The forms of `hwsim.convergence.forms` in logarithms, with derivatives, for many fits at once.

    theta = (ln a, k1, k2[, ln b or u][, ln B_crit])

The pole is M_least exp(-e^u), so that it always lies below `M_least`, the smallest model that met
the target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.converge.fitting.points import Floats, Points
from hwsim.convergence.forms import NEAREST, Form

Center = tuple[float, float, float]  # model, data, batch
LEAST_PLATEAU = 1e-3  # of the fewest steps: as good as none
EXPONENTS = (0.0, 4.0)
# At one loss for all, more data can save steps; and the exponent at a pole must not vanish.
EXPONENT_OF_DATA = (-4.0, 4.0)
POLE_EXPONENTS = (0.05, 6.0)
GAPS = (np.log(1e-3), np.log(10.0))  # of u: e-folds between the pole and the smallest model
CRITICAL = np.log(1e3)  # the critical batch lies within a factor 1000 of the batches that were run


@dataclass(frozen=True)
class Shape:
    """A form laid over some rows: ln S and its derivatives as functions of theta."""

    form: Form
    rows: Points
    center: Center
    absolute: bool = False

    @property
    def size(self) -> int:
        """The number of parameters."""
        return 3 + (self.form != "power") + self.rows.batches()

    def logs(self, theta: Floats) -> tuple[Floats, Floats]:
        """ln S (K x rows) and its derivatives (K x rows x parameters) at theta (K x parameters)."""
        model = np.log(self.rows.model / self.center[0])
        data = np.log(self.rows.data / self.center[1])
        log_a, k1, k2 = (theta[:, [i]] for i in range(3))
        power = log_a + k1 * data
        one = np.ones_like(power)
        if self.form == "pole":
            # A censored run may be of a model below all that met the target.
            away = np.maximum(model - self._pole(theta[:, [3]]), NEAREST)
            more = 1.0 / np.expm1(k2 * away)
            log_steps = power - np.log(-np.expm1(-k2 * away))
            gap = np.exp(theta[:, [3]])
            parts = [one, data * one, -away * more, -k2 * gap * more]
        else:
            power = power - k2 * model
            log_steps, parts = power, [one, data * one, -model * one]
            if self.form == "power-plateau":
                log_steps = np.logaddexp(power, theta[:, [3]])
                share = np.exp(power - log_steps)
                parts = [part * share for part in parts] + [1.0 - share]
        if self.rows.batches():
            factor, slope = _batch(self.rows.batch, theta[:, [-1]], self.center[2])
            log_steps = log_steps + factor
            parts.append(slope)
        return log_steps, np.stack(parts, axis=-1)

    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest theta; an exponent of what was not varied is 0."""
        rows = self.rows
        least = np.log(rows.steps.min())
        sizes = [len(np.unique(rows.data)) > 1, len(np.unique(rows.model)) > 1]
        data = EXPONENT_OF_DATA if self.absolute else EXPONENTS
        model = POLE_EXPONENTS if self.form == "pole" else EXPONENTS
        pairs = [(-5.0, 30.0)] + [
            pair if varied else (0.0, 0.0)
            for pair, varied in zip((data, model), sizes, strict=True)
        ]
        if self.form == "power-plateau":
            pairs.append((least + np.log(LEAST_PLATEAU), least + 1.0))
        elif self.form == "pole":
            pairs.append(GAPS)
        if rows.batches():
            sizes_of_batch = np.log(rows.batch)
            pairs.append((sizes_of_batch.min() - CRITICAL, sizes_of_batch.max() + CRITICAL))
        low, high = np.array(pairs, dtype=float).T
        return low, high

    def starts(self, count: int, seed: int) -> Floats:
        """Random places to start from, count x parameters."""
        low, high = self.bounds()
        random = np.random.default_rng(seed)
        middle = float(np.median(np.log(self.rows.steps)))
        near = [(middle - 0.5, middle + 0.5), (0.2, 1.2), (0.2, 1.0)]
        if self.form == "power-plateau":
            near.append((high[3] - 4.0, high[3] - 1.0))
        elif self.form == "pole":
            near.append((-2.0, 1.0))
        if self.rows.batches():
            near.append(
                (float(np.log(self.rows.batch.min())), float(np.log(self.rows.batch.max())))
            )
        below, above = np.array(near).T
        return np.clip(random.uniform(below, above, (count, self.size)), low, high)

    def told(self, theta: Floats) -> Floats:
        """Theta as a law keeps it, K x (ln a, k1, k2, b or pole[, B_crit])."""
        columns = [theta[:, 0], theta[:, 1], theta[:, 2]]
        if self.form == "power":
            columns.append(np.zeros(len(theta)))
        elif self.form == "pole":
            columns.append(np.exp(self._pole(theta[:, 3])) * self.center[0])
        else:
            columns.append(np.exp(theta[:, 3]))
        if self.rows.batches():
            columns.append(np.exp(theta[:, -1]))
        return np.stack(columns, axis=-1)

    def _pole(self, gap: Floats) -> Floats:
        met = ~self.rows.censored
        least = float(self.rows.model[met].min()) if met.any() else float(self.rows.model.min())
        return np.asarray(np.log(least / self.center[0]) - np.exp(gap))


def _batch(batch: Floats, log_critical: Floats, center: float) -> tuple[Floats, Floats]:
    """ln((1 + C / B) / (1 + C / B0)) and its derivative by ln C."""
    critical = np.exp(log_critical)
    here, there = critical / batch, critical / center
    return (
        np.asarray(np.log1p(here) - np.log1p(there)),
        np.asarray(here / (1.0 + here) - there / (1.0 + there)),
    )
