"""The laws of a table as records: parameters with 95 % intervals, for JSON and for a reader."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibration.converge.tables.laws import Key, Laws
from calibration.converge.tables.posterior import FORMS, PLAIN, SCATTER
from calibration.converge.tables.spread import LEVELS, Floats, Mixture
from hwsim.convergence.batch import excess

FORM = "critical-batch"
# A least number of steps is seen when 97.5 % put it above this share of the fewest measured.
PLATEAU_SHARE = 0.05


def records(laws: Laws) -> list[dict[str, Any]]:
    """One for each group of rows that differ in their batch alone, of two batches or more."""
    return [_record(laws, key) for key, one in laws.posteriors.items() if len({*one.logs}) > 1]


def _record(laws: Laws, key: Key) -> dict[str, Any]:
    rows, group = laws.groups[key], laws.posteriors[key]
    weights = group.weights(laws.priors[str(key[0])].on_grid(group))
    plain = weights[PLAIN] / weights[PLAIN].sum()
    critical = np.broadcast_to((group.critical + group.anchor)[:, None], plain.shape)
    least = group.level[PLAIN] - excess(group.critical)[:, None]
    forms = weights.sum(axis=(1, 2))
    parameters = {
        "S_min": _quantiles(least, plain, group.variance),
        "B_crit": _quantiles(critical, plain),
        "sharpness": _quantiles(np.log(FORMS[:, 0]), forms),
        "exponent": _quantiles(np.log(FORMS[:, 1]), forms),
        "scatter": _quantiles(np.log(SCATTER), weights.sum(axis=(0, 1))),
    }
    fewest = min(row.steps or 1.0 for row in rows)
    asked = rows[0].asked
    return {
        "workload": asked.workload,
        "target": f"{asked.kind} {'unknown' if asked.target is None else format(asked.target, 'g')}"
        + (f" on {asked.dataset}" if asked.dataset else ""),
        "form": FORM,
        "parameters": parameters,
        "plateau": "seen" if parameters["S_min"]["low"] > PLATEAU_SHARE * fewest else "not seen",
        "runs": len(rows),
    }


def _quantiles(logs: Floats, weights: Floats, variance: Floats | None = None) -> dict[str, float]:
    """Median and 95 % interval of e^logs; `variance` of each adds to it, if given."""
    if variance is not None:
        wide = np.broadcast_to(np.sqrt(variance), logs.shape)
        found = Mixture(weights.ravel(), logs.ravel(), wide.ravel()).prediction()
        return {"value": found.steps, "low": found.low95, "high": found.high95}
    order = np.argsort(logs.ravel())
    below = np.cumsum(weights.ravel()[order])
    low, _, middle, _, high = np.interp(LEVELS, below - below[0] / 2, logs.ravel()[order])
    return {name: float(np.exp(x)) for name, x in (("value", middle), ("low", low), ("high", high))}
