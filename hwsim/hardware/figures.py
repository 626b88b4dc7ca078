"""Every figure of a spec beside its source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from hwsim.hardware.spec import Device, Record, System

NOT_STATED = "not stated"


class Figure(NamedTuple):
    """One quantity of a spec: its dotted path, its text and where it is from."""

    path: str
    text: str
    source: str


def figures(spec: Device | System) -> list[Figure]:
    """Every quantity of a device or a system, with its source or "not stated".

    A source belongs to a field when its key is the field's path or the longest prefix of it.
    """
    own = [
        Figure(path, text, source_of(spec.sources, path))
        for path, text in _quantities(spec.model_dump(exclude={"device", "year"}), spec)
    ]
    if isinstance(spec, Device):
        return own
    return [f._replace(path=f"device.{f.path}") for f in figures(spec.device)] + own


def source_of(sources: dict[str, str], path: str) -> str:
    """The source of a dotted path: that of the longest prefix that has one.

    >>> source_of({"memory": "datasheet", "memory.bandwidth": "measured"}, "memory.bandwidth")
    'measured'
    >>> source_of({"memory": "datasheet"}, "memory.capacity"), source_of({}, "memory")
    ('datasheet', 'not stated')
    """
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        found = sources.get(".".join(parts[:length]))
        if found is not None:
            return found
    return NOT_STATED


def _quantities(dumped: dict[str, Any], spec: Record) -> Iterator[tuple[str, str]]:
    """(path, text) of every number of `dumped`, with the text of the JSON form."""
    texts = dict(leaves(spec.model_dump(mode="json")))
    for path, value in leaves(dumped):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield path, f"{texts[path]:g}" if isinstance(texts[path], float) else str(texts[path])


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted path and value of every leaf; a list of records counts, other lists don't."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            if isinstance(inner, dict):
                yield from leaves(inner, f"{path}.{number}")
    else:
        yield path, value
