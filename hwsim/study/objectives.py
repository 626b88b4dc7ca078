"""What is chosen by: figures of an estimate, and the estimates that none beats in all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hwsim.errors import InputError
from hwsim.estimation import Estimate
from hwsim.spending import Amount, Spending
from hwsim.study.pareto import MOST_OBJECTIVES, front

OBJECTIVES = ("step", "steps", "total", "memory", "energy", "cost", "carbon", "devices")
SPENT = ("energy", "cost", "carbon")


def amount(estimate: Estimate, kind: str) -> Amount | None:
    """Joules, dollars or kg CO2e (one of `SPENT`) of the training, or of a step where no steps are
    counted; None where unknown."""
    energy = estimate.energy
    spending: Spending | None = {
        "energy": energy,
        "cost": estimate.cost,
        "carbon": energy.carbon if energy else None,
    }[kind]
    if spending is None:
        return None
    return spending.step if estimate.total is None else spending.total


def figures(estimate: Estimate) -> dict[str, float | None]:
    """What can be an objective: seconds, steps, bytes a device, joules, dollars, kg CO2e, devices.

    Energy, cost and carbon are those of the training, or of a step where no steps are counted.
    """
    spent = {kind: amount(estimate, kind) for kind in SPENT}
    count = estimate.convergence
    return {
        "step": estimate.step.seconds,
        "steps": count.steps if count else None,
        "total": estimate.total.seconds if estimate.total else None,
        "memory": estimate.memory.bytes,
        **{kind: one.value if one else None for kind, one in spent.items()},
        "devices": float(estimate.plan["devices"]),
    }


def chosen(text: str) -> tuple[str, ...]:
    """The objectives of `total,cost`. Raises InputError for others."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(names) <= set(OBJECTIVES) or len(names) > MOST_OBJECTIVES:
        instead = f"write up to {MOST_OBJECTIVES} of {', '.join(OBJECTIVES)}, with commas"
        raise InputError("--pareto", f"found '{text}'", instead)
    return names


def best(estimates: Sequence[Estimate], objectives: Sequence[str]) -> list[int]:
    """The numbers of those that fit and that none beats in all `objectives`.

    Raises InputError for an objective that no estimate knows.
    """
    table = [figures(estimate) for estimate in estimates]
    for name in objectives:
        if all(row[name] is None for row in table):
            instead = "write another, or give what it needs (power, price, a count of steps)"
            raise InputError("--pareto", f"found '{name}', which is not known here", instead)
    rows = [
        [_or_nan(row[name] if one.memory.fits else None) for name in objectives]
        for one, row in zip(estimates, table, strict=True)
    ]
    return [int(number) for number in front(rows)]


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
