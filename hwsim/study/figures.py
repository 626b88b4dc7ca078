"""Figures of a machine at many points: a system whose fields hold arrays.

The cost functions take it for one system. It was checked at one of the points; a figure's other
values are checked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from hwsim import records
from hwsim.errors import InputError
from hwsim.hardware.spec import ENGINES, System
from hwsim.study.subject import Subject

Floats = npt.NDArray[np.float64]

ROOTS = ("device", "node", "network")
WHOLE = "device.multiprocessors"
CLOCK = "device.clock.boost"
# Figures that decide what kernels and transfers there are, rather than how fast they run.
BESIDE = ("device.power", "device.price", "device.operations_per_clock", "device.link")


def is_figure(path: str, subject: Subject) -> bool:
    """Whether a path is a figure that may have many values at once."""
    quantity = path.partition(".")[0] in ROOTS and float in records.plain_types(_annotation(path))
    if (not quantity and path != WHOLE) or path.startswith(BESIDE):
        return False
    # Which of two ways a PCIe tree takes is decided by their rates.
    wires = path.startswith(("node.link", "node.host_link"))
    return not wires or subject.system.node.topology != "pcie-tree"


def many_valued(subject: Subject, figures: Mapping[str, Floats]) -> System:
    """The system with arrays for `figures` (path -> SI values, which broadcast together).

    Raises InputError for a path that is no figure, and for a value that it can't have.
    """
    for path, values in figures.items():
        if not is_figure(path, subject):
            raise InputError(path, "found no figure of a machine", "study it in groups")
        _check(path, values)
    first = {path: text_of(path, float(values.flat[0])) for path, values in figures.items()}
    system = subject.with_settings(first).system
    for path, values in figures.items():
        system = _placed(system, path.split("."), values.astype(float))
    for path, peaks in _following(system, figures):
        system = _placed(system, path.split("."), peaks)
    return system


def text_of(path: str, value: float) -> str:
    """A value as `--set` takes it."""
    if path == WHOLE:
        return str(round(value))
    annotation = records.field_at(System, _parts(path))
    return str(TypeAdapter(annotation).dump_python(value, mode="json"))


def _check(path: str, values: Floats) -> None:
    least = 0.0 if _may_be_zero(path) else np.nextafter(0.0, 1.0)
    bad = values[~(np.isfinite(values) & (values >= least))]
    if bad.size:
        what = f"found {bad.flat[0]:g}"
        raise InputError(path, what, "write finite values above zero")
    if path == WHOLE and np.any((values < 1) | (values != np.round(values))):
        raise InputError(path, "found no whole number", "write whole numbers above zero")


def _may_be_zero(path: str) -> bool:
    return path.endswith(".latency") or path.startswith("device.launch.")


def _following(system: System, figures: Mapping[str, Floats]) -> Iterator[tuple[str, Floats]]:
    """Peaks that are made of multiprocessors and clock, where these have many values; the system
    has those of the first ones."""
    device = system.device
    parts = device.operations_per_clock
    if parts is None or not {WHOLE, CLOCK}.intersection(figures):
        return
    ratios = {
        path: figures[path] / figures[path].flat[0] for path in (WHOLE, CLOCK) if path in figures
    }
    for engine in ENGINES:
        operations = getattr(parts, engine)
        if WHOLE not in figures and operations.clock is not None:
            continue
        for dtype in type(getattr(device, engine)).model_fields:
            count = getattr(operations, dtype)
            path = f"device.{engine}.{dtype}"
            if count is None or path in figures:
                continue
            ratio: Any = ratios.get(WHOLE, 1.0)
            if operations.clock is None:
                ratio = ratio * ratios.get(CLOCK, 1.0)
            yield path, np.asarray(getattr(getattr(device, engine), dtype) * ratio)


def _placed(record: Any, parts: list[str], values: Floats) -> Any:
    """A copy of a record with an array in one of its fields, unchecked."""
    name, *rest = parts
    if isinstance(record, tuple):
        changed = list(record)
        changed[int(name)] = _placed(record[int(name)], rest, values)
        return tuple(changed)
    value = _placed(getattr(record, name), rest, values) if rest else values
    return record.model_copy(update={name: value})


def _parts(path: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in path.split(".")]


def _annotation(path: str) -> Any:
    return records.field_at(System, _parts(path))
