"""What a search found as plain JSON values, and plans in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hwsim.parallel.plan import Plan
from hwsim.study.search.fields import DEGREES
from hwsim.study.search.find import Asked, Result, differing, losses
from hwsim.study.search.space import Space
from hwsim.units import bytes_text, energy_text, money_text, seconds_text

VALUES = {
    "step": ("time per step", seconds_text),
    "total": ("total training time", seconds_text),
    "cost": ("cost", money_text),
    "energy": ("energy", energy_text),
}
"""What is sought, in words, and how its values are told."""
FATES = {
    "impossible": "impossible: they don't divide batch, layers or operators",
    "equal": "equal to another one",
    "large": "need more memory than there is",
    "worse": "pruned: a lower bound is above what was found, or beyond a limit",
    "limited": "beyond a limit",
    "evaluated": "evaluated",
    "open": "left open by the interrupt",
}
"""What becomes of configurations."""


def record(result: Result, asked: Asked, named: Mapping[int, Mapping[str, str]]) -> dict[str, Any]:
    """Plain JSON values under stable keys; `named` are the settings of subjects by their id."""
    found = result.found
    return {
        "schema": "hwsim.search/1",
        "for": asked.aim,
        "limits": asked.limits._asdict(),
        "devices": list(asked.devices),
        "spaces": [_space(one, named[id(one.subject)]) for one in result.spaces],
        "configurations": found.tally.total,
        "counts": {name: found.tally.counts[name] for name in FATES},
        "complete": found.complete,
        "bound": found.bound if found.bound < math.inf else None,
        "certain": found.certain,
        "seconds": found.seconds,
        "reordered": result.reordered,
        "best": [
            {
                "settings": dict(named[id(answer.subject)]),
                "plan": differing(answer.plan, result.spaces),
                "value": answer.value,
                "events": answer.value if event is None and not answer.closed else event,
                "engine": "closed" if answer.closed else "events",
                "step": {"seconds": answer.seconds, "parts": dict(answer.parts)},
                "memory": {"bytes": answer.bytes},
                "loses": losses(answer, found.best[0]),
            }
            for answer, event in zip(found.best, result.events, strict=True)
        ],
    }


def _space(one: Space, settings: Mapping[str, str]) -> dict[str, Any]:
    fields = {name: list(values) for name, values in one.columns.items()}
    return {
        "settings": dict(settings),
        "degrees": len(one.shapes),
        "fields": fields,
        "configurations": one.size,
    }


def rest_text(plan: Mapping[str, Any]) -> str:
    """The fields of a plan that are not what they are by default, but for its degrees."""
    found = []
    for name, value in plan.items():
        default = Plan.model_fields[name].default
        if name not in DEGREES and (value != default or name == "micro_batch"):
            plain = value is True
            found.append(name if plain else f"{name} {value_text(value)}")
    return ", ".join(found)


def plan_text(plan: Plan) -> str:
    """A plan's fields that are not what they are by default."""
    fields = {name: getattr(plan, name) for name in Plan.model_fields}
    degrees = [f"{name} {fields[name]}" for name in DEGREES if fields[name] > 1]
    rest = rest_text({name: value for name, value in fields.items() if name != "placement"})
    return ", ".join([*degrees, *([rest] if rest else [])])


def value_text(value: Any) -> str:
    if isinstance(value, (tuple, list)):  # a schedule and its chunks on each stage
        schedule, virtual = value
        return f"{schedule} x {virtual}" if virtual > 1 else str(schedule)
    if isinstance(value, float):
        return bytes_text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
