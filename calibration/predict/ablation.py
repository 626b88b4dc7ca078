"""Pieces of physics that a prediction can do without, to see what each of them buys.

A piece changes what predictions are made from, each on its way in: the `case`, its `device`, its
`system`, the `calibration`, the `plan`, the `software` and the simulated `program`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from calibration.measurement import Measurement
from calibration.shapes import Collective
from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError, near
from hwsim.hardware.spec import Device, Launch, System
from hwsim.parallel.plan import Plan
from hwsim.parallel.program import Program, Task
from hwsim.software.spec import Software

NEVER = 1e-9  # share of its rate at which a tree is never the fastest
ALWAYS = 1e9  # share of the vector peak at which no rows are too badly aligned
T = TypeVar("T")


class Piece(NamedTuple):
    """What is taken away, in words, and how: a change for each thing that it is in."""

    takes: str
    changes: Mapping[str, Callable[[Any], Any]]


def _no_launch(device: Device) -> Device:
    """Launches that were fitted are scaled by the device's, so that they are 0 as well."""
    return device.model_copy(update={"launch": Launch(kernel=0.0, dispatch=0.0)})


def _no_issue(calibration: Calibration) -> Calibration:
    host = calibration.host
    return calibration.model_copy(
        update={
            "eager": _each(calibration.eager, launch=0.0),
            "software": _each(calibration.software, issue=0.0),
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


def _no_profile(_: Software | None) -> None:
    return None


def _unfused(software: Software | None) -> Software | None:
    return None if software is None else software.model_copy(update={"fused": ()})


PIECES = {
    "launch": Piece(
        "the launch of a kernel and the time in which the host issues it",
        {"device": _no_launch, "calibration": _no_issue},
    ),
    "tiles": Piece(
        "tiles and waves: products, convolutions and recurrences are rooflines at constant shares",
        {"calibration": _no_tiles},
    ),
    "alignment": Piece(
        "the slower products of rows that tensor cores can't load", {"calibration": _aligned}
    ),
    "algorithm": Piece(
        "the choice of a collective's algorithm: all-reduces are one flat ring",
        {"case": _ring, "system": _no_switches, "calibration": _no_trees},
    ),
    "contention": Piece(
        "what transfers take from compute and, on the links that they share, from each other",
        {"program": _apart},
    ),
    "overlap": Piece(
        "sums of gradients beside the backward pass, gathers of ZeRO 1 and 2 beside the forward "
        "pass, exchanges beside their products",
        {"plan": _in_turn},
    ),
    "software": Piece(
        "the software profile: steps are costed with the mean of all", {"software": _no_profile}
    ),
    "fused": Piece(
        "the kernels that a software profile fuses: softmax and chains", {"software": _unfused}
    ),
}


class Without:
    """The named pieces taken away together. Raises InputError for a name that is not there."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        names = tuple(names)
        for name in names:
            if name not in PIECES:
                raise InputError("--without", f"found '{name}'", near(name, PIECES))
        self.names = names

    def __call__(self, kind: str, whole: T) -> T:
        """What is left of a `kind` of thing, such as a plan."""
        for name in self.names:
            change = PIECES[name].changes.get(kind)
            whole = whole if change is None else change(whole)
        return whole

