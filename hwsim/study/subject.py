"""The thing that is studied: a system, a workload and a plan, each field reachable by its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwsim import records
from hwsim.errors import InputError
from hwsim.graph import workload as workloads
from hwsim.graph.workload import Workload
from hwsim.hardware import catalog
from hwsim.hardware.spec import System
from hwsim.parallel.plan import Plan

ROOTS = ("device", "node", "network", "nodes", "workload", "plan")


@dataclass(frozen=True)
class Subject:
    """`with_settings({"device.memory.bandwidth": "1.8TB/s", "plan.dp": "8"})` makes another one."""

    system: System
    workload: Workload
    plan: Plan = field(default_factory=Plan)

    def with_settings(self, settings: Mapping[str, str]) -> Subject:
        """The subject with fields set from text. Raises InputError for a path or a value."""
        parts: dict[str, dict[str, str]] = {"workload": {}, "plan": {}, "system": {}}
        for path, text in settings.items():
            root, _, rest = path.partition(".")
            if root not in ROOTS or (root in ("workload", "plan") and not rest):
                raise InputError(
                    path,
                    "found no such field",
                    "begin with one of: device., node., network.0., nodes, workload., plan.",
                )
            key = root if root in parts else "system"
            parts[key][rest if key == root else path] = text
        system, workload, plan = self.system, self.workload, self.plan
        if parts["system"]:
            system = catalog.override(system, parts["system"])
        if parts["workload"]:
            workload = workloads.override(workload, parts["workload"])
        if parts["plan"]:
            plan = _override_plan(plan, parts["plan"])
        return Subject(system, workload, plan)


def _override_plan(plan: Plan, settings: Mapping[str, str]) -> Plan:
    fields = plan.model_dump(mode="json") | {
        name: records.from_text(records.field_at(Plan, [name]), text)
        for name, text in settings.items()
    }
    return records.validate(Plan, fields, "plan.")
