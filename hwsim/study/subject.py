"""The thing that is studied: a system, a workload, a plan, the software that runs it, what the run
spends besides its steps and what its site charges, each field reachable by its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hwsim import records
from hwsim.errors import InputError
from hwsim.graph import workload as workloads
from hwsim.graph.workload import Workload
from hwsim.hardware import catalog
from hwsim.hardware.spec import System
from hwsim.overheads import Overheads
from hwsim.parallel.plan import Plan
from hwsim.parallel.preset import plan_under, workload_under
from hwsim.site import Site
from hwsim.software import catalog as profiles
from hwsim.software.spec import Software

ROOTS = ("device", "node", "network", "nodes", "workload", "plan", "software", "run", "site")
R = TypeVar("R", Plan, Overheads, Site)
STARTS = "device., node., network.0., nodes, workload., plan., software, software., run., site."


@dataclass(frozen=True)
class Subject:
    """`with_settings({"device.memory.bandwidth": "1.8TB/s", "plan.dp": "8"})` makes another one.

    `2x` is twice the present figure. Workload and plan are those under the software, as
    `hwsim.parallel.preset` has it.
    """

    system: System
    workload: Workload
    plan: Plan = field(default_factory=Plan)
    software: Software | None = None
    run: Overheads = field(default_factory=Overheads)
    site: Site = field(default_factory=Site)

    def with_settings(self, settings: Mapping[str, str]) -> Subject:
        """The subject with fields set from text. Raises InputError for a path or a value."""
        parts: dict[str, dict[str, str]] = {
            name: {} for name in ("system", "software", "workload", "plan", "run", "site")
        }
        for path, text in settings.items():
            root, _, rest = path.partition(".")
            bare = root in ("workload", "plan", "run", "site") and not rest
            if root not in ROOTS or bare or path.endswith("."):
                raise InputError(path, "found no such field", f"begin with one of: {STARTS}")
            key = root if root in parts else "system"
            parts[key][rest if key == root else path] = text
        system, workload, plan = self.system, self.workload, self.plan
        software = _override_software(self.software, parts["software"])
        if parts["system"]:
            system = catalog.override(system, parts["system"])
        if parts["workload"]:
            workload = workloads.override(workload, parts["workload"])
        if parts["plan"]:
            plan = _overridden(plan, parts["plan"], "plan.")
        run = _overridden(self.run, parts["run"], "run.") if parts["run"] else self.run
        site = _overridden(self.site, parts["site"], "site.") if parts["site"] else self.site
        return Subject(
            system,
            workload_under(workload, software),
            plan_under(plan, software),
            software,
            run,
            site,
        )


def _override_software(software: Software | None, settings: dict[str, str]) -> Software | None:
    """The profile that `software=NAME` names, or none, with its fields set."""
    name = settings.pop("", None)
    if name is not None:
        software = None if name in ("none", "null") else profiles.load(name)
    if not settings:
        return software
    if software is None:
        first = next(iter(settings))
        what = "found a field of no software"
        raise InputError(f"software.{first}", what, "write software=NAME beside it")
    return profiles.override(software, settings)


def _overridden(record: R, settings: Mapping[str, str], where: str) -> R:
    kind, present = type(record), record.model_dump(mode="json")
    fields = record.model_dump(mode="json", exclude_unset=True) | {
        name: records.from_text(records.field_at(kind, [name]), text, present.get(name))
        for name, text in settings.items()
    }
    return records.validate(kind, fields, where)
