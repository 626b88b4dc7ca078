"""What a software profile decides where the user doesn't: fields of the plan, and attention.

A field that a profile decided still counts as not set, so that another profile decides it anew.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from hwsim import records
from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from hwsim.parallel.plan import Plan
from hwsim.software.spec import Software

DEGREES = ("dp", "tp", "pp", "cp", "ep")
W = TypeVar("W", bound=Workload)


def plan_under(plan: Plan, software: Software | None) -> Plan:
    """The plan with what the profile says of fields that were not set.

    Raises InputError for a profile that names no field of a plan, or one of its degrees, or a value
    that it can't have.

    >>> fsdp = Software(name="mine", attention="fused", accumulate=0, gradients=2, plan={"zero": 3})
    >>> plan_under(Plan(dp=8), fsdp).zero, plan_under(Plan(dp=8, zero=1), fsdp).zero
    (3, 1)
    """
    chosen = {name: getattr(plan, name) for name in plan.model_fields_set}
    told = defaults(software) if software else {}
    return Plan.model_construct(set(chosen), **told | chosen)


def defaults(software: Software) -> dict[str, Any]:
    """Fields of a plan as the profile runs it. Raises InputError as `plan_under` does."""
    for name in DEGREES:
        if name in software.plan:
            what = f"found {software.plan[name]}: how many devices there are is the user's to say"
            raise InputError(f"software {software.name}: plan.{name}", what, "leave it out")
    found = records.validate(Plan, software.plan, f"software {software.name}: plan.")
    return {name: getattr(found, name) for name in found.model_fields_set}


def workload_under(workload: W, software: Software | None) -> W:
    """The workload with the profile's attention, where it has one that was not set."""
    field = type(workload).model_fields.get("attention")
    if field is None or "attention" in workload.model_fields_set:
        return workload
    chosen = software.attention if software else field.default
    fields: dict[str, Any] = dict(workload) | {"attention": chosen}
    chosen_before = set(workload.model_fields_set)
    return cast("W", type(workload).model_construct(chosen_before, **fields))
