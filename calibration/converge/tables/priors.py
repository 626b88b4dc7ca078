"""What groups of a table have in common, learned from those with enough rows (empirical Bayes).

Each source has its own mean of ln(B_crit / B_0) and of ln(scatter) and its own shares of the forms,
all drawn towards those of the whole table, and these towards assumed ones. A group of one row
answers by them, with the interval that they imply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.converge.tables.posterior import FORMS, PLAIN, SCATTER, Posterior
from calibration.converge.tables.spread import Floats

ENOUGH = 3  # rows of a group that others may learn from
ROUNDS = 8

# Assumed, each worth as many groups as WORTH says: B_crit near the batches that people try, give
# or take a factor of 7; scatter of 4 %, give or take a factor of 2; McCandlish's form with 70 %.
ASSUMED_CRITICAL, ASSUMED_SCATTER = (0.5, 2.0), (float(np.log(0.04)), 0.7)
PLAIN_SHARE = 0.7
WORTH = 2.0
WORTH_FORMS = 3.0
LOG_SCATTER = np.log(SCATTER)


@dataclass(frozen=True)
class Prior:
    """Of one source: mean and deviation of ln(B_crit / B_0) and ln(scatter), shares of the forms.

    `within` is the mean variance of ln B inside a group: how far one batch may lie from B_0.
    """

    critical: tuple[float, float]
    scatter: tuple[float, float]
    forms: Floats
    within: float

    def on_grid(self, group: Posterior) -> Floats:
        """ln prior on a group's grid, shape (forms, critical, scatter)."""
        mean, deviation = self.critical
        rows = len(group.logs)
        critical = _normal(group.critical, mean, np.sqrt(deviation**2 + self.within / rows))
        scatter = _normal(LOG_SCATTER, *self.scatter)
        return np.asarray(
            np.log(self.forms)[:, None, None] + critical[None, :, None] + scatter[None, None, :]
        )


def assumed() -> Prior:
    """Where nothing was learned yet."""
    sharpness, exponent = np.log(FORMS[:, 0]), FORMS[:, 1] - 1.0
    shares = np.exp(-0.5 * (sharpness / 0.5) ** 2 - 0.5 * (exponent / 0.07) ** 2)
    shares *= (1.0 - PLAIN_SHARE) / shares.sum()
    shares[PLAIN] += PLAIN_SHARE
    return Prior(ASSUMED_CRITICAL, ASSUMED_SCATTER, shares, 1.0)


@dataclass(frozen=True)
class Sums:
    """Expected counts and moments over groups."""

    groups: float
    forms: Floats
    moments: Floats  # ln(B_crit / B_0), its square, ln(scatter), its square

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.groups + other.groups, self.forms + other.forms, self.moments + other.moments
        )


NONE = Sums(0.0, np.zeros(len(FORMS)), np.zeros(4))


def learned(sources: Iterable[str], groups: Sequence[tuple[str, Posterior]]) -> dict[str, Prior]:
    """The prior of each source, from groups with enough rows, each with its source."""
    names = sorted({*sources})
    found = dict.fromkeys(names, assumed())
    if not groups:
        return found
    within = float(np.mean([group.logs.var() for _, group in groups]))
    for _ in range(ROUNDS):
        sums = dict.fromkeys(names, NONE)
        for source, group in groups:
            weights = group.weights(found[source].on_grid(group))
            sums[source] = sums[source] + _sums(weights, group.critical)
        pooled = sum(sums.values(), start=NONE)
        found = {source: _prior(sums[source], pooled, within) for source in names}
    return found


def _sums(weights: Floats, axis: Floats) -> Sums:
    critical, scatter = weights.sum(axis=(0, 2)), weights.sum(axis=(0, 1))
    moments = (
        *(critical @ axis, critical @ axis**2),
        *(scatter @ LOG_SCATTER, scatter @ LOG_SCATTER**2),
    )
    return Sums(1.0, weights.sum(axis=(1, 2)), np.array(moments))


def _prior(own: Sums, pooled: Sums, within: float) -> Prior:
    start = assumed()
    pairs = []
    for index, (mean, deviation) in ((0, start.critical), (2, start.scatter)):
        first, second = pooled.moments[index : index + 2]
        middle = (first + mean) / (pooled.groups + 1.0)
        spread = second - 2.0 * middle * first + pooled.groups * middle**2 + deviation**2
        shifted = (own.moments[index] + WORTH * middle) / (own.groups + WORTH)
        pairs.append((float(shifted), float(np.sqrt(spread / (pooled.groups + 1.0)))))
    shares = (pooled.forms + WORTH * start.forms) / (pooled.groups + WORTH)
    forms = (own.forms + WORTH_FORMS * shares) / (own.groups + WORTH_FORMS)
    return Prior(pairs[0], pairs[1], forms, within)


def _normal(x: Floats, mean: float, deviation: float) -> Floats:
    """ln of the probability at evenly spaced points."""
    step = x[1] - x[0]
    return np.asarray(-0.5 * ((x - mean) / deviation) ** 2 + np.log(step / deviation))
