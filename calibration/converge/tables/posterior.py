"""What the rows of one group say about its batch law, on a grid.

    ln S(B) = level + f(B_crit / B) - f(B_crit / B_0) + scatter,   f = `batch.excess`

B_0 is the geometric mean of the group's batches. The grid spans the form (sharpness, exponent),
ln(B_crit / B_0) and the scatter; the level, which enters linearly, is integrated exactly. Nothing
is fitted: a prediction is a mean over the grid, so groups of one or two rows need no other method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from calibration.converge.tables.rows import Row
from calibration.converge.tables.spread import Floats, Mixture
from hwsim.convergence.batch import excess

SHARPNESS = np.array([0.7, 1.0, 1.4, 2.0, 3.0])
EXPONENT = np.array([0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2])
# (sharpness, exponent), shape (forms, 2); PLAIN is McCandlish's, S_min (1 + B_crit / B).
FORMS = np.array([(p, q) for p in SHARPNESS for q in EXPONENT])
PLAIN = int(np.flatnonzero((FORMS == 1.0).all(axis=1))[0])
CRITICAL = np.linspace(-7.0, 9.0, 49)  # ln(B_crit / B_0), looked at first
FINE = 97  # points over the part of it that the rows leave open
UNLIKELY = 9.0  # below the greatest evidence, in logs: what they don't
SCATTER = np.geomspace(0.006, 1.0, 15)
# A published deviation is over runs alone, rounded to evaluations, and of a mean without the
# extremes: more than this it doesn't take from a row's weight.
MOST_ERROR = 0.04


@dataclass(frozen=True)
class Posterior:
    """A group's evidence, ln p(rows | form, B_crit, scatter), and the level's mean and variance.

    `evidence` and `level` have the shape (forms, critical, scatter), `variance` (scatter,);
    `critical` is this group's part of the axis, evenly spaced. `anchor` is ln B_0, `error` the
    rows' median standard error, `logs` ln B of the rows.
    """

    critical: Floats
    anchor: float
    logs: Floats
    error: float
    evidence: Floats
    level: Floats
    variance: Floats

    def weights(self, prior: Floats) -> Floats:
        """Of each point of the grid, given the logarithm of a prior on it."""
        total = self.evidence + prior
        weights = np.exp(total - total.max())
        return np.asarray(weights / weights.sum())

    def curve(self, log_batch: float) -> Floats:
        """Mean ln S at ln B, on the grid."""
        x = self.critical + self.anchor - log_batch
        return np.asarray(self.level + (_excess(x) - _excess(self.critical))[:, :, None])

    def mixture(self, log_batch: float, prior: Floats) -> Mixture:
        """ln S of a further row at ln B."""
        centers = self.curve(log_batch)
        scales = np.sqrt(self.variance + SCATTER**2 + self.error**2)
        return Mixture(
            self.weights(prior).ravel(),
            centers.ravel(),
            np.broadcast_to(scales, centers.shape).ravel(),
        )


@lru_cache(maxsize=64)  # refits that leave rows out find the other groups here
def posterior(rows: tuple[Row, ...]) -> Posterior:
    """Of at least one measured row."""
    first = _on(CRITICAL, rows)
    likely = first.evidence.max(axis=(0, 2))
    left = CRITICAL[likely > likely.max() - UNLIKELY]
    step = CRITICAL[1] - CRITICAL[0]
    return _on(np.linspace(left[0] - step, left[-1] + step, FINE), rows)


def _on(critical: Floats, rows: Sequence[Row]) -> Posterior:
    logs = np.log([float(row.asked.batch) for row in rows])
    y = np.log([row.steps or 1.0 for row in rows])
    errors = np.minimum([row.error for row in rows], MOST_ERROR)
    anchor = float(logs.mean())
    x = critical[:, None] + anchor - logs
    offsets = _excess(x.ravel()).reshape(len(FORMS), *x.shape) - _excess(critical)[:, :, None]
    weights = 1.0 / (SCATTER[:, None] ** 2 + errors**2)
    total = weights.sum(axis=1)
    # The rows' mean first, so that the difference of squares keeps its digits.
    levels = y - y.mean() - offsets
    level = np.einsum("fcn,sn->fcs", levels, weights) / total
    squares = np.einsum("fcn,sn->fcs", levels**2, weights) - level**2 * total
    evidence = 0.5 * (np.log(weights).sum(axis=1) - np.log(total) - squares)
    error = float(np.median(errors))
    return Posterior(critical, anchor, logs, error, evidence, level + y.mean(), 1.0 / total)


def _excess(x: Floats) -> Floats:
    """`batch.excess` of every form, shape (forms, len(x))."""
    return np.asarray(excess(x, FORMS[:, :1], FORMS[:, 1:]))
