"""`--set PATH=VALUE` on the file form of a system."""

from __future__ import annotations

import copy
import math
import typing
from collections.abc import Callable
from typing import Any

from hwsim import records
from hwsim.errors import InputError, near
from hwsim.hardware import scale
from hwsim.hardware.figures import source_of
from hwsim.hardware.spec import ENGINES, FROM_PARTS, System
from hwsim.units import FREQUENCY

BY_USER = "set by the user"


def applied(form: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """A copy of a system's file form with `values` (dotted path -> text) set, rules of scale first.

    Raises InputError for a path that does not exist, for a clock or multiprocessors that some
    stated peak can't follow, and for a device's links where the node's decide; whether a value
    fits its field is for validation.
    """
    form = copy.deepcopy(form)
    for path, text in values.items():
        if scale.is_rule(path):
            scale.apply(form, path, text)
    values = {path: text for path, text in values.items() if not scale.is_rule(path)}
    before = copy.deepcopy(form["device"])
    for path, text in values.items():
        if path != "device":
            _set(form, path, text)
            _say_whose(form, path)
    device = form["device"]
    for path in values:
        if path.startswith(("device.vector.", "device.matrix.")):
            engine, dtype = path.split(".")[1:3]
            device.get("operations_per_clock", {}).get(engine, {}).pop(dtype, None)
    for path in values:
        _follow(device, path, _ratio(before, device, path))
    if "device.memory.capacity" in values and "device.memory.reported" not in values:
        device["memory"].pop("reported", None)
        device["sources"].pop("memory.reported", None)
    if "device.link.bandwidth" in values and "node.link.bandwidth" not in values:
        _refuse_beside_a_link(form["node"], values["device.link.bandwidth"])
    if "node.devices" in values and "node.pairs" not in values:
        _drop_pairs(form["node"])
    return form


def _set(form: dict[str, Any], path: str, text: str) -> None:
    """Put a value at a dotted path, making the objects on the way."""
    parts = path.split(".")
    annotation: Any = System
    holder: Any = form
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(holder, list):
            holder = _entry(holder, part, path)
            if last:
                _refuse_object(annotation, path)
            continue
        if not isinstance(holder, dict):
            raise InputError(f"--set {path}", f"found '{part}' below a plain value", "cut it off")
        annotation = _field(annotation, part, path)
        if last:
            _put(holder, part, _value(annotation, text, path, holder.get(part)))
        else:
            empty: Any = [] if typing.get_origin(annotation) is tuple else {}
            holder = holder.setdefault(part, empty)


def _entry(entries: list[Any], number: str, path: str) -> Any:
    """One object of a list. Raises InputError with the numbers there are."""
    if number.isdecimal() and int(number) < len(entries):
        return entries[int(number)]
    have = f"0 to {len(entries) - 1}" if entries else "none"
    raise InputError(f"--set {path}", f"found no number '{number}' in the list", f"it has {have}")


def _field(annotation: Any, part: str, path: str) -> Any:
    """The annotation of a field one step down. Raises InputError with the fields there are."""
    if typing.get_origin(annotation) is dict:
        return str
    record = records.record_of(annotation)
    if record is None:
        raise InputError(f"--set {path}", f"found '{part}' below a plain value", "cut it off")
    found = records.field_at(record, [part])
    if found is None:
        names = list(record.model_fields)
        hint = near(part, names)
        fields = "" if hint.startswith("write") else f" (fields here: {', '.join(names)})"
        raise InputError(f"--set {path}", f"found no field '{part}'", hint + fields)
    return found


def _put(holder: dict[str, Any], field: str, value: Any) -> None:
    if value is None:
        holder.pop(field, None)
    else:
        holder[field] = value


def _value(annotation: Any, text: str, path: str, present: Any) -> Any:
    """`text` as the field takes it: a quantity and a word as they stand, others as JSON, `2x` as
    twice what is present."""
    if text.strip() == "null":
        return None
    _refuse_object(annotation, path)
    return records.from_text(annotation, text, present)


def _refuse_object(annotation: Any, path: str) -> None:
    """Raise InputError for a field that holds fields of its own."""
    record = records.record_of(annotation)
    if record is not None or typing.get_origin(annotation) is dict:
        what = f"one of its fields {', '.join(record.model_fields)}" if record else "it in a file"
        raise InputError(f"--set {path}", "found an object, not a plain value", f"set {what}")


def _say_whose(form: dict[str, Any], path: str) -> None:
    """Make the user the source of a figure and of all below it."""
    owner, _, field = path.partition(".")
    holder = form["device"] if owner == "device" else form
    field = field if owner == "device" else path
    sources = holder.get("sources", {})
    if not field or field.split(".")[0] in ("sources", "name", "description", "notes"):
        return
    kept = {key: text for key, text in sources.items() if not key.startswith(f"{field}.")}
    holder["sources"] = {**kept, field: BY_USER}


def _ratio(before: dict[str, Any], device: dict[str, Any], path: str) -> float | None:
    """By what `path` multiplied all that is made of it; None where that can't be said."""
    read: dict[str, Callable[[dict[str, Any]], float]] = {
        "device.multiprocessors": lambda one: float(one["multiprocessors"]),
        "device.clock.boost": lambda one: FREQUENCY.parse(one["clock"]["boost"]),
    }
    if path not in read:
        return None
    try:
        first, now = (read[path](one) for one in (before, device))
    except (InputError, KeyError, TypeError, ValueError):  # unknown, or for validation to refuse
        return None
    return now / first if first > 0 and 0 < now < math.inf else None


def _follow(device: dict[str, Any], path: str, ratio: float | None) -> None:
    """Multiply each stated peak that is made of what `path` set by a ratio; without one drop it, so
    that it's made again."""
    stuck = []
    for engine, dtype in _made_of(device, path):
        field = f"{engine}.{dtype}"
        sources = device.get("sources", {})
        if dtype in device.get("operations_per_clock", {}).get(engine, {}):
            if ratio is None:
                device[engine].pop(dtype, None)
                device["sources"] = {**sources, field: FROM_PARTS}
            elif ratio != 1.0:
                device[engine][dtype] = records.multiplied(device[engine][dtype], ratio)
                whose = f"{ratio:g} x ({path}): {source_of(sources, field)}"
                device["sources"] = {**sources, field: whose}
        elif device.get("sources", {}).get(field) != BY_USER:
            stuck.append(field)
    if stuck:
        raise InputError(
            f"--set {path}",
            f"found peaks of {device.get('name')} that can't follow it: {', '.join(stuck)}",
            f"set them too, for instance --set device.{stuck[0]}='100 TFLOPS'",
        )


def _made_of(device: dict[str, Any], path: str) -> list[tuple[str, str]]:
    """(engine, dtype) of the stated peaks that depend on a path."""
    stated = [(engine, dtype) for engine in ENGINES for dtype in device.get(engine, {})]
    parts = device.get("operations_per_clock", {})
    if path == "device.multiprocessors":
        return stated
    if path == "device.clock.boost":
        return [(e, d) for e, d in stated if "clock" not in parts.get(e, {})]
    if path.startswith("device.operations_per_clock."):
        engine, _, field = path.removeprefix("device.operations_per_clock.").partition(".")
        known = parts.get(engine, {})
        return [
            (e, d) for e, d in stated if e == engine and (field == "clock" or field == d in known)
        ]
    return []


def _refuse_beside_a_link(node: dict[str, Any], text: str) -> None:
    """Costs read the node's link: the device's alone would be set without any effect."""
    if node.get("link"):
        raise InputError(
            "--set device.link.bandwidth",
            "found the link of a device, where the node's decides",
            f"write node.link.bandwidth='{text}'",
        )


def _drop_pairs(node: dict[str, Any]) -> None:
    """A node that is made smaller keeps the links among the devices that are left."""
    devices = node.get("devices")
    if isinstance(devices, int) and "pairs" in node:
        node["pairs"] = [pair for pair in node["pairs"] if max(pair[:2]) < devices]
