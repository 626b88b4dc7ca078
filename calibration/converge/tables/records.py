"""The laws of a table as records: parameters with 95 % intervals, for JSON and for a reader."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibration.converge.tables.laws import Key, Laws
from calibration.converge.tables.posterior import FORMS, PLAIN, SCATTER
from calibration.converge.tables.spread import LEVELS, Floats, Mixture
from hwsim.convergence.batch import excess

BATCH, SIZES, SURFACE = "critical-batch", "critical-batch-by-size", "loss-surface"
# A least number of steps is seen when 97.5 % put it above this share of the fewest measured.
PLATEAU_SHARE = 0.05


def records(laws: Laws) -> list[dict[str, Any]]:
    """Of groups (rows that differ in their batch alone, two batches and more), families, surfaces.

    S_min and B_crit are those of McCandlish's form; sharpness and exponent say how far the rows
    prefer another one. A, C and D of a surface are at the geometric means of its sizes and steps.
    """
    groups = [
        _group(laws, key)
        for key, rows in laws.groups.items()
        if len({row.asked.batch for row in rows}) > 1
    ]
    families = [
        {
            **_named(key, "by model size"),
            "form": SIZES,
            "parameters": {
                name: _of_draws(draws)
                for name, draws in zip(("S_min ~ N^", "B_crit ~ N^"), one.exponents(), strict=True)
            },
            "plateau": "seen",
            "runs": sum(len(laws.groups[group]) for group in one.groups),
        }
        for key, one in laws.sizes.items()
    ]
    surfaces = [
        {
            **_named(key, f"by model size and loss at batch {key[-1]}"),
            "form": SURFACE,
            "parameters": {name: _of_draws(draws) for name, draws in one.parameters().items()},
            "plateau": "not seen",
            "runs": len(one.names),
        }
        for key, one in laws.surfaces.items()
    ]
    return groups + families + surfaces


def _named(family: Key, what: str) -> dict[str, str]:
    _, stem, dataset, kind, *_ = family
    return {"workload": stem, "target": f"{kind}{f' on {dataset}' if dataset else ''}, {what}"}


def _group(laws: Laws, key: Key) -> dict[str, Any]:
    rows, group = laws.groups[key], laws.posterior(key)
    weights = group.weights(laws.priors[str(key[0])].on_grid(group))
    plain = weights[PLAIN] / weights[PLAIN].sum()
    least = group.level[PLAIN] - excess(group.critical)[:, None]
    wide = np.broadcast_to(np.sqrt(group.variance), plain.shape)
    found = Mixture(plain.ravel(), least.ravel(), wide.ravel()).prediction()
    forms = weights.sum(axis=(1, 2))
    parameters = {
        "S_min": {"value": found.steps, "low": found.low95, "high": found.high95},
        "B_crit": _quantiles(group.critical + group.anchor, plain.sum(axis=1)),
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
        "form": BATCH,
        "parameters": parameters,
        "plateau": "seen" if parameters["S_min"]["low"] > PLATEAU_SHARE * fewest else "not seen",
        "runs": len(rows),
    }


def _quantiles(logs: Floats, weights: Floats) -> dict[str, float]:
    """Median and 95 % interval of e^logs, between the points of a grid."""
    points, index = np.unique(logs, return_inverse=True)
    shares = np.bincount(index, weights)
    middles = np.cumsum(shares) - 0.5 * shares
    low, value, high = np.exp(np.interp(LEVELS[[0, 2, 4]], middles, points))
    return {"value": float(value), "low": float(low), "high": float(high)}


def _of_draws(draws: Floats) -> dict[str, float]:
    low, value, high = np.quantile(draws, LEVELS[[0, 2, 4]])
    return {"value": float(value), "low": float(low), "high": float(high)}
