"""Pieces of physics taken away from a prediction, to see what each of them buys.

A piece (`calibration.pieces`) changes what predictions are made from, each on its way in: the
`case`, its `device`, its `system`, the `calibration`, the `plan`, the `software` and the simulated
`program`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from calibration.measurement import Measurement
from calibration.shapes import Collective
from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError, near
from hwsim.hardware.spec import Device, Launch, System
from hwsim.parallel.plan import Plan
from hwsim.parallel.program import Program, Task
from hwsim.software.spec import Software

FAMILY = "transformer"  # whose entry is the mean of all software
NEVER = 1e-9  # share of its rate at which a tree is never the fastest
ALWAYS = 1e9  # share of the vector peak at which no rows are too badly aligned
T = TypeVar("T")


def _no_launch(device: Device) -> Device:
    """Launches that were fitted are scaled by the device's, so that they are 0 as well."""
    return device.model_copy(update={"launch": Launch(kernel=0.0, dispatch=0.0)})


def _no_issue(calibration: Calibration) -> Calibration:
    host = calibration.host
    return calibration.model_copy(
        update={
            "eager": _each(calibration.eager, launch=0.0),
            "software": _each(calibration.software, issue=0.0, step=0.0),
            "host": None if host is None else host.model_copy(update={"launch": 0.0}),
        }
    )


def _each(entries: Mapping[str, Any], **fields: float) -> dict[str, Any]:
    return {name: entry.model_copy(update=fields) for name, entry in entries.items()}


def _no_tiles(calibration: Calibration) -> Calibration:
    none: dict[str, object] = {"products": {}, "recurrences": {}, "convolutions": {}}
    return calibration.model_copy(update=none)


def _aligned(calibration: Calibration) -> Calibration:
    return calibration.model_copy(update={"unaligned": ALWAYS})


def _plain_attention(calibration: Calibration) -> Calibration:
    codes = {
        name: code.model_copy(update={"attention": code.products, "scores": code.products})
        for name, code in calibration.software.items()
    }
    return calibration.model_copy(update={"software": codes})


def _ideal_links(calibration: Calibration) -> Calibration:
    return calibration.model_copy(update={"links": calibration.links.ideal()})


def _ring(case: Measurement) -> Measurement:
    shape = case.shape
    if not isinstance(shape, Collective) or shape.collective != "all_reduce":
        return case
    return case.model_copy(update={"shape": shape.model_copy(update={"algorithm": "ring"})})


def _no_trees(calibration: Calibration) -> Calibration:
    links = calibration.links.model_copy(update={"tree": NEVER})
    return calibration.model_copy(update={"links": links})


def _no_switches(system: System) -> System:
    node = system.node.model_copy(update={"in_switch_reduction": False})
    return system.model_copy(update={"node": node})


def _apart(program: Program) -> Program:
    streams = {name: partial(_unloaded, tasks) for name, tasks in program.streams.items()}
    return replace(program, streams=streams)


def _unloaded(tasks: Callable[[], Iterator[Task]]) -> Iterator[Task]:
    for task in tasks():
        yield task._replace(work=task.work._replace(loads=(), taken=0.0))


def _in_turn(plan: Plan) -> Plan:
    return plan.model_copy(update={"overlap": False, "tensor_overlap": False})


def _alike(calibration: Calibration) -> Calibration:
    mean = calibration.software.get(FAMILY)
    codes = calibration.software if mean is None else dict.fromkeys(calibration.software, mean)
    return calibration.model_copy(update={"software": codes})


def _unfused(software: Software | None) -> Software | None:
    return None if software is None else software.model_copy(update={"fused": ()})


CHANGES: dict[str, dict[str, Callable[[Any], Any]]] = {
    "launch": {"device": _no_launch, "calibration": _no_issue},
    "tiles": {"calibration": _no_tiles},
    "alignment": {"calibration": _aligned},
    "attention": {"calibration": _plain_attention},
    "links": {"calibration": _ideal_links},
    "algorithm": {"case": _ring, "system": _no_switches, "calibration": _no_trees},
    "contention": {"program": _apart},
    "overlap": {"plan": _in_turn},
    "profiles": {"calibration": _alike},
    "fused": {"software": _unfused},
}


class Without:
    """All but the named pieces. Raises InputError for a name that is not there."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = tuple(names)
        for name in self.names:
            if name not in CHANGES:
                raise InputError("--without", f"found '{name}'", near(name, CHANGES))

    def __call__(self, kind: str, whole: T) -> T:
        """What is left of a `kind` of thing, such as a plan."""
        for name in self.names:
            change = CHANGES[name].get(kind)
            whole = whole if change is None else change(whole)
        return whole
