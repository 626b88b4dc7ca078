"""Finding a device or a system: a file, standard input, or a shipped name.

>>> load("volta").node.devices
8
>>> faster = override(load("v100-pcie-16gb"), {"device.memory.bandwidth": "1.8 TB/s"})
>>> faster.device.memory.bandwidth, faster.device.sources["memory.bandwidth"]
(1800000000000.0, 'set by the user')
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from pydantic import BaseModel

from hwsim import jsonfile, records, userdata
from hwsim.errors import InputError, near, several, shown
from hwsim.hardware import settings
from hwsim.hardware.spec import Alias, Device, Node, System

RECORDS: dict[str, type[BaseModel]] = {"device": Device, "system": System, "alias": Alias}
_FOLDERS = ("systems", "devices")


class Shipped(NamedTuple):
    """One entry of the catalog."""

    name: str
    kind: str
    description: str


def load(ref: str, *, stdin: TextIO | None = None) -> System:
    """The system at `ref`: an existing file, "-" for standard input, `local`, or a shipped name.

    A device comes back as a system of one node of one device. Raises InputError for whatever
    can't be found, read or understood.
    """
    text, where = _text_of(ref, stdin)
    spec = parse(text, where)
    return spec if isinstance(spec, System) else single(spec)


def single(device: Device) -> System:
    """A device alone: a system of one node of one device."""
    return System(
        name=device.name,
        description=device.description,
        device=device,
        node=Node(devices=1, topology="single"),
        nodes=1,
    )


def shipped() -> list[Shipped]:
    """Every shipped device and system, with its kind and one line about it; not validated."""
    found = []
    for name, entry in sorted(_entries().items()):
        tree = json.loads(entry.read_text(encoding="utf-8"))
        kind = "system" if tree["kind"] == "alias" else tree["kind"]
        found.append(Shipped(name, kind, tree.get("description", "")))
    return found


@lru_cache
def shipped_device(name: str) -> Device | None:
    """The shipped device of a name; None if there is none."""
    entry = _entries().get(name)
    found = parse(entry.read_text(encoding="utf-8"), name) if entry else None
    return found if isinstance(found, Device) else None


def parse(text: str, where: str) -> Device | System:
    """The device or system that JSON `text` describes; `where` names it in an error.

    References in it (the device of a system, the target of an alias) are shipped names, or paths
    relative to the file `where`. Raises InputError whose `problems` holds every fault.
    """
    tree = jsonfile.read_object(text, where)
    kind = tree.get("kind")
    if kind == "device":
        return records.validate(Device, tree, where, _lists_all(where))
    if kind == "system":
        return _system(tree, where)
    if kind == "alias":
        return _target(records.validate(Alias, tree, where, _lists_all(where)), where)
    what = "found nothing" if "kind" not in tree else f"found {shown(kind)}"
    raise InputError(f"{where}: kind", what, 'write "kind": "device" or "kind": "system"')


def check(text: str, where: str) -> list[InputError]:
    """Every problem of a file's text at once; empty when there is none."""
    try:
        parse(text, where)
    except InputError as error:
        return list(error.each)
    return []


def problems(ref: str, *, stdin: TextIO | None = None) -> list[InputError]:
    """As `check`, for anything that `load` takes: also that it can't be found or read."""
    try:
        text, where = _text_of(ref, stdin)
    except InputError as error:
        return [error]
    return check(text, where)


def override(system: System, values: dict[str, str]) -> System:
    """The system with fields set as by `--set PATH=VALUE`.

    A path is dotted ("device.memory.bandwidth", "network.0.latency"), a value the text that a
    file would have, "null" to remove an optional field. A peak that is set loses its parts; when
    multiprocessors or a clock is set, the peaks that have parts follow. A changed figure's
    source becomes "set by the user". Raises InputError.
    """
    if "device" in values:
        device = load(values["device"]).device
        system = system.model_copy(update={"device": device})
    form = settings.applied(file_form(system), values)
    return records.validate(System, form, "--set ")


def file_form(spec: Device | System) -> dict[str, Any]:
    """What a file of this spec holds: unit text, the device expanded, unknown fields left out."""
    return spec.model_dump(mode="json", exclude_none=True)


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a device, system or alias file. Raises InputError for another kind."""
    if kind not in RECORDS:
        raise InputError("schema", f"found the kind '{kind}'", near(kind, list(RECORDS)))
    found = RECORDS[kind].model_json_schema()
    fields = found["properties"]
    fields["$schema"] = {"type": "string"}
    found["required"] = ["kind", *found["required"]]
    if "device" in fields:
        name = {"type": "string", "description": "a shipped name, or a path beside this file"}
        fields["device"] = {"anyOf": [name, fields["device"]]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _system(tree: dict[str, Any], where: str) -> System:
    """A system whose device may be a reference."""
    if not isinstance(tree.get("device"), str):
        return records.validate(System, tree, where, _lists_all(where))
    field = f"{where}: device"
    try:
        device = _referred(tree["device"], where, field, ("device",))
    except InputError as error:
        bare = {name: value for name, value in tree.items() if name != "device"}
        others = records.faults(System, bare, where)
        rest = [other for other in others if other.where != field]
        raise several([*error.each, *rest], _lists_all(where)) from None
    return records.validate(System, {**tree, "device": file_form(device)}, where, _lists_all(where))


def _lists_all(where: str) -> str:
    return f"`hwsim hardware check {where}` lists all"


def _target(alias: Alias, where: str) -> System:
    """What an alias stands for, under the alias's name."""
    found = _referred(alias.of, where, f"{where}: of", ("device", "system"))
    system = found if isinstance(found, System) else single(found)
    description = alias.description or system.description
    return system.model_copy(update={"name": alias.name, "description": description})


def _referred(ref: str, where: str, field: str, kinds: Sequence[str]) -> Device | System:
    """What a file refers to in `field`, of one of `kinds`: so no reference leads back."""
    if ref.endswith(".json") or "/" in ref or os.sep in ref:
        ref = str(Path(where).parent / ref)
        text = jsonfile.file_text(ref, field)
    else:
        text = _shipped_text(ref, field)
    kind = jsonfile.read_object(text, ref).get("kind")
    if kind in RECORDS and kind not in kinds:
        instead = f"write the name of a {' or '.join(kinds)}"
        raise InputError(field, f"found '{ref}', which is of the kind '{kind}'", instead)
    return parse(text, ref)


def _text_of(ref: str, stdin: TextIO | None) -> tuple[str, str]:
    """The text at `ref`, and its name in messages."""
    names = _entries()
    name = ref.removesuffix(".json")
    if os.path.exists(ref) and not (os.path.isdir(ref) and name in names):
        return jsonfile.file_text(ref, ref), ref
    if ref == "-":
        return jsonfile.stream_text(stdin), jsonfile.STDIN
    if ref == userdata.LOCAL:
        return json.dumps(userdata.read("system")), f"{userdata.path()}: system"
    return _shipped_text(name, ref), name


def _shipped_text(name: str, where: str) -> str:
    entries = _entries()
    if name in entries:
        return entries[name].read_text(encoding="utf-8")
    close = difflib.get_close_matches(name, list(entries), n=3)
    instead = f"did you mean {', '.join(close)}?" if close else "`hwsim hardware list` shows names"
    raise InputError(where, f"found neither a file nor a shipped name '{name}'", instead)


def _entries() -> dict[str, Traversable]:
    """Shipped name -> its file; nothing is read."""
    data = files("hwsim.hardware") / "data"
    return {
        entry.name.removesuffix(".json"): entry
        for folder in _FOLDERS
        for entry in (data / folder).iterdir()
        if entry.name.endswith(".json")
    }
