"""Finding a software profile: a file, or a shipped name.

>>> load("megatron-2022").after
'megatron-2021'
>>> lineage(load("megatron-core-2024"))
('megatron-core-2024', 'megatron-2022', 'megatron-2021')
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hwsim import jsonfile, records
from hwsim.errors import InputError, near
from hwsim.software.spec import FACTS, Software

BY_USER = "set by the user"


@lru_cache
def names() -> tuple[str, ...]:
    """The shipped profiles."""
    found = (entry.name for entry in (files("hwsim.software") / "data").iterdir())
    return tuple(sorted(n.removesuffix(".json") for n in found if n.endswith(".json")))


def load(ref: str) -> Software:
    """The profile at `ref`: an existing file, or a shipped name.

    Raises InputError for whatever can't be found, read or understood, for a file whose `after`
    isn't shipped, and for one that would descend from itself.
    """
    name = ref.removesuffix(".json")
    if os.path.exists(ref) and not (os.path.isdir(ref) and name in names()):
        return parse(jsonfile.file_text(ref, ref), ref)
    if name in names():
        return _shipped(name)
    raise InputError(ref, f"found neither a file nor a software profile '{name}'", _instead(name))


def parse(text: str, where: str) -> Software:
    """The profile that JSON `text` describes; `where` names it in an error. Raises InputError."""
    found = records.validate(Software, jsonfile.read_object(text, where), where)
    _check_lineage(found, f"{where}: after")
    return found


def override(software: Software, values: Mapping[str, str]) -> Software:
    """The profile with fields set as by `--set software.FIELD=VALUE`, `values` by field.

    A changed fact's source becomes "set by the user". Raises InputError.
    """
    form = file_form(software)
    for field, text in values.items():
        where = f"--set software.{field}"
        annotation = records.field_at(Software, [field])
        if field.startswith("plan.") or field in ("plan", "sources"):
            what = "found an object" if field == "sources" else "found a field of the plan"
            instead = "write it in a file" if field == "sources" else "write --set plan.FIELD=VALUE"
            raise InputError(where, what, instead)
        if annotation is None:
            fields = [name for name in Software.model_fields if name not in ("plan", "sources")]
            raise InputError(where, "found a field that does not exist", near(field, fields))
        form[field] = records.from_text(annotation, text, form.get(field))
        if field in FACTS:
            form["sources"][field] = BY_USER
    found = records.validate(Software, form, "--set software.")
    _check_lineage(found, "--set software.after")
    return found


def lineage(software: Software) -> tuple[str, ...]:
    """Its name and those of the profiles that it descends from, nearest first."""
    found = [software.name]
    after = software.after
    while after is not None and after not in found:
        found.append(after)
        after = _shipped(after).after
    return tuple(found)


def file_form(software: Software) -> dict[str, Any]:
    """What a file of this profile holds."""
    return software.model_dump(mode="json", exclude_none=True)


@lru_cache
def _shipped(name: str) -> Software:
    text = (files("hwsim.software") / "data" / f"{name}.json").read_text(encoding="utf-8")
    return records.validate(Software, jsonfile.read_object(text, name), name)


def _check_lineage(software: Software, where: str) -> None:
    """Raises InputError where it descends from no shipped profile, or from itself."""
    if software.after is None:
        return
    if software.after not in names():
        what = f"found no shipped profile '{software.after}'"
        raise InputError(where, what, _instead(software.after))
    last = lineage(software)[-1]
    if last in names() and _shipped(last).after == software.name:
        what = f"found '{software.after}', which descends from '{software.name}' itself"
        raise InputError(where, what, "write another name of this profile, or null")


def _instead(name: str) -> str:
    close = difflib.get_close_matches(name, names(), n=3)
    return f"did you mean {', '.join(close)}?" if close else "`hwsim software list` shows names"
