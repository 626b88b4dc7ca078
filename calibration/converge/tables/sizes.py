"""Batch laws of a family of models: one of another size is predicted from those that were measured.

Along a family both ends of a batch law, ln S_min and ln of the steps at batch 1, are lines in ln N
(Kaplan et al. 2020, Zhang et al. 2024, arXiv 2410.21676, find power laws), of which single models
deviate. All members share the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibration.converge.tables.posterior import FORMS, SCATTER, Posterior
from calibration.converge.tables.priors import Prior
from calibration.converge.tables.spread import Floats, Prediction, of_draws
from hwsim.convergence.batch import excess

LEAST_SIZES = 3
DRAWS = 4000
SEED = 2018
# Assumed: single models deviate from the line by 10 %, as if four more had been seen to.
DEVIATION, WORTH = 0.1, 4.0


@dataclass(frozen=True)
class Family:
    """Draws of the ends of the members' batch laws; `groups` are their keys.

    `logs` are ln N, shape (members,); `forms` (draws,) are rows of FORMS; `ends` are ln S_min and
    ln of the steps at batch 1, shape (draws, members, 2); `scatter` has shape (draws,).
    """

    groups: tuple[Any, ...]
    logs: Floats
    forms: Floats
    ends: Floats
    scatter: Floats
    error: float

    def exponents(self) -> tuple[Floats, Floats]:
        """Draws of the powers of N that S_min and B_crit follow."""
        logs = self.logs - self.logs.mean()
        least, first = np.einsum("k,dke->ed", logs / (logs @ logs), self.ends)
        return least, (first - least) / self.forms[:, 1]

    def predict(self, params: float, log_batch: float) -> Prediction:
        """Steps of a model of `params` parameters."""
        random = np.random.default_rng(SEED)
        center = self.logs.mean()
        design = np.column_stack((np.ones(len(self.logs)), self.logs - center))
        at = np.array([1.0, np.log(params) - center])
        inverse = np.linalg.inv(design.T @ design)
        lines = np.einsum("ij,kj,dke->die", inverse, design, self.ends)
        left = self.ends - np.einsum("ki,die->dke", design, lines)
        freedom = WORTH + len(self.logs) - 2
        scale = (WORTH * DEVIATION**2 + (left**2).sum(axis=1)) / freedom
        luck = random.standard_t(freedom, scale.shape)
        found = np.einsum("i,die->de", at, lines)
        found += luck * np.sqrt(scale * (1.0 + at @ inverse @ at))
        least, first = found.T
        sharpness, exponent = self.forms.T
        critical = (first - least) / exponent
        logs = least + excess(critical - log_batch, sharpness, exponent)
        own = np.sqrt(self.scatter**2 + self.error**2)
        return of_draws(logs + own * random.standard_t(4, DRAWS))


def family(members: Mapping[Any, tuple[float, Posterior]], prior: Prior) -> Family:
    """Of the members' parameter counts, two and more different ones, and posteriors, by group."""
    keys = sorted(members, key=lambda key: (members[key][0], str(key)))
    sizes = [members[key][0] for key in keys]
    random = np.random.default_rng(SEED)
    groups = [members[key][1] for key in keys]
    totals = [group.evidence + prior.on_grid(group) for group in groups]
    shared = sum(_log_sum(total) for total in totals) - (len(groups) - 1) * np.log(prior.forms)
    shares = np.exp(shared - shared.max())
    chosen = random.choice(len(FORMS), DRAWS, p=shares / shares.sum())
    ends = np.empty((DRAWS, len(groups), 2))
    scatter = np.empty((DRAWS, len(groups)))
    for index, (group, total) in enumerate(zip(groups, totals, strict=True)):
        for form in np.unique(chosen):
            where = np.flatnonzero(chosen == form)
            weights = np.exp(total[form] - total[form].max())
            points = random.choice(weights.size, len(where), p=(weights / weights.sum()).ravel())
            c, s = np.unravel_index(points, weights.shape)
            luck = np.sqrt(group.variance[s]) * random.standard_normal(len(where))
            least = group.level[form, c, s] + luck - excess(group.critical[c], *FORMS[form])
            ends[where, index, 0] = least
            ends[where, index, 1] = least + FORMS[form, 1] * (group.critical[c] + group.anchor)
            scatter[where, index] = SCATTER[s]
    error = float(np.median([group.error for group in groups]))
    one = scatter[np.arange(DRAWS), random.integers(len(groups), size=DRAWS)]
    return Family(tuple(keys), np.log(sizes), FORMS[chosen], ends, one, error)


def _log_sum(total: Floats) -> Floats:
    """ln of the sum over all but the first axis."""
    top = total.max()
    return np.asarray(top + np.log(np.exp(total - top).sum(axis=(1, 2))))
