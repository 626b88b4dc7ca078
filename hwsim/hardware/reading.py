"""Text of a file -> a checked record, or every fault of it in words.

A fault says where ("volta.json: node.link.bandwidth"), what was found there and what to write.
"""

from __future__ import annotations

import difflib
import json
import math
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError, WithJsonSchema

from hwsim.errors import InputError

R = TypeVar("R", bound=BaseModel)
TOO_DEEP = "found objects nested too deep"


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys stood there twice."""

    twice: tuple[str, ...] = ()


def read_object(text: str, where: str) -> dict[str, Any]:
    """The JSON object in `text`, without "$schema".

    Raises InputError for text that is empty or not JSON, for another value than an object, and
    for duplicate keys or numbers that are not finite (all of them in `problems`).
    """
    if not text.strip():
        raise InputError(where, "found an empty file", 'write {"kind": "device", ...}')
    try:
        found = json.loads(text, object_pairs_hook=_pairs)
        doubtful = list(_faults_of_json(found, where, ""))
    except json.JSONDecodeError as error:
        place = f"{where}: line {error.lineno}, column {error.colno}"
        raise InputError(place, _json_fault(error, text), "write valid JSON") from None
    except ValueError:
        raise InputError(
            where, "found a number with thousands of digits", "write a shorter one"
        ) from None
    except RecursionError:
        raise InputError(where, TOO_DEEP, "write a flat file") from None
    if not isinstance(found, dict):
        raise InputError(where, f"found {shown(found)}", "write one JSON object, {...}")
    report(doubtful, where)
    return {key: value for key, value in found.items() if key != "$schema"}


def validate(record: type[R], tree: dict[str, Any], where: str) -> R:
    """The record that `tree` (parsed JSON) describes.

    Raises InputError whose `problems` holds every fault.
    """
    try:
        # As JSON text again: only there is a bare number without its unit refused.
        return record.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        # Unknown fields first: a misspelled one explains why another is missing.
        found = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        report([_problem(record, fault, where) for fault in found], where)
        raise  # unreachable: a ValidationError has at least one fault
    except RecursionError:
        raise InputError(where, TOO_DEEP, "write a flat file") from None


def faults(record: type[BaseModel], tree: dict[str, Any], where: str) -> list[InputError]:
    """What `validate` would raise, fault by fault."""
    try:
        validate(record, tree, where)
    except InputError as error:
        return each(error)
    return []


def each(error: InputError) -> list[InputError]:
    """The faults that an error stands for: itself, where it is one."""
    return list(error.problems) or [error]


def report(problems: Sequence[InputError], file: str) -> None:
    """Raise one InputError for all of a file's `problems`; nothing when there is none."""
    if not problems:
        return
    first = problems[0]
    instead = first.instead
    if len(problems) > 1:
        more = f"... and {len(problems) - 1} more: `hwsim hardware check {file}` lists all"
        instead = f"{instead}; {more}" if instead else more
    raise InputError(first.where, first.what, instead, problems)


def record_of(annotation: Any) -> type[BaseModel] | None:
    """The record class in an annotation such as `Link | None` or `tuple[Tier, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        found = record_of(inner)
        if found is not None:
            return found
    return None


def field_at(record: type[BaseModel], path: Sequence[int | str]) -> Any:
    """The annotation of the field at a path of names and list positions; None if there is none.

    The metadata of the field's own `Annotated` counts as part of its annotation.
    """
    annotation: Any = record
    for part in path:
        if isinstance(part, int):
            continue
        if typing.get_origin(annotation) is dict:
            annotation = typing.get_args(annotation)[1]
            continue
        inner = record_of(annotation)
        info = inner.model_fields.get(part) if inner else None
        if info is None:
            return None
        annotation = info.annotation
        for extra in info.metadata:
            annotation = typing.Annotated[annotation, extra]
    return annotation


def wanted(annotation: Any) -> str:
    """What to write in a field of this annotation."""
    bare = _without_none(annotation)
    example = _example(bare)
    if example:
        return f"write for instance '{example}'"
    while typing.get_origin(bare) is typing.Annotated:
        bare = typing.get_args(bare)[0]
    if typing.get_origin(bare) is Literal:
        return "write one of " + ", ".join(f"'{choice}'" for choice in typing.get_args(bare))
    inner = record_of(bare)
    if inner is not None:
        fields = ", ".join(inner.model_fields)
        kind = "a list of objects" if typing.get_origin(bare) is tuple else "an object"
        return f"write {kind} with the fields {fields}"
    if typing.get_origin(bare) is tuple:
        return "write a list of lists such as [[0, 1, 2]]"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return f"write {words.get(bare, 'an object')}"


def is_text(annotation: Any) -> bool:
    """Whether a field takes text as it stands: a quantity, a word, one of some words."""
    bare = _without_none(annotation)
    if _example(bare):
        return True
    while typing.get_origin(bare) is typing.Annotated:
        bare = typing.get_args(bare)[0]
    return bare is str or typing.get_origin(bare) is Literal


def near(name: str, names: Sequence[str]) -> str:
    """The correction of a wrong name: the nearest, or all of them where none is near."""
    close = difflib.get_close_matches(name, names, n=1)
    if not close:
        close = [known for known in names if known in name or name in known][:1]
    return f"did you mean '{close[0]}'?" if close else "write one of " + ", ".join(names)


def shown(value: Any) -> str:
    """A value as JSON, cut short."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."


def at(where: str, path: Sequence[int | str] | str) -> str:
    """`where` with a dotted path behind it."""
    dotted = path if isinstance(path, str) else ".".join(str(part) for part in path)
    return f"{where}: {dotted}" if dotted else where


def _problem(record: type[BaseModel], fault: Any, where: str) -> InputError:
    """One Pydantic fault in our words."""
    path, kind, context = fault["loc"], fault["type"], fault.get("ctx", {})
    if "what" in context:
        own = context.get("field", "")
        return InputError(
            at(where, (*path, own) if own else path), context["what"], context["instead"]
        )
    if kind == "json_invalid":
        deep = "recursion" in str(context.get("error", ""))
        what = TOO_DEEP if deep else "found text that JSON can't carry"
        return InputError(where, what, "write plain text and a flat file")
    if kind == "extra_forbidden":
        holder = record_of(field_at(record, path[:-1]))
        names = list(holder.model_fields) if holder else []
        return InputError(
            at(where, path), "found a field that does not exist", near(path[-1], names)
        )
    annotation = field_at(record, path)
    if kind == "missing":
        return InputError(at(where, path), "found nothing", wanted(annotation))
    what = f"found {shown(fault['input'])}"
    bounds = {"greater_than": "gt", "greater_than_equal": "ge", "less_than_equal": "le"}
    if kind in bounds:
        words = {"gt": "more than", "ge": "at least", "le": "at most"}
        bound = bounds[kind]
        return InputError(at(where, path), what, f"write {words[bound]} {context[bound]:g}")
    return InputError(at(where, path), what, wanted(annotation))


def _faults_of_json(value: Any, where: str, path: str) -> Iterator[InputError]:
    """Duplicate keys and numbers that JSON does not have, everywhere below `value`."""
    if isinstance(value, _Object):
        for key in value.twice:
            place = at(where, f"{path}.{key}".lstrip("."))
            yield InputError(place, "found the key twice in one object", "write it once")
        for key, inner in value.items():
            yield from _faults_of_json(inner, where, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _faults_of_json(inner, where, f"{path}.{number}".lstrip("."))
    elif isinstance(value, float) and not math.isfinite(value):
        yield InputError(at(where, path), f"found {shown(value)}", "write a finite number")


def _pairs(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        found.twice = tuple(key for key in found if keys.count(key) > 1)
    return found


def _json_fault(error: json.JSONDecodeError, text: str) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return "found the end of a file that is cut off"
    return f"found text that is not JSON ({error.msg})"


def _without_none(annotation: Any) -> Any:
    """`X | None` -> `X`."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kept = [a for a in typing.get_args(annotation) if a is not type(None)]
        return kept[0] if len(kept) == 1 else annotation
    return annotation


def _example(annotation: Any) -> str:
    """The example that a quantity's annotation carries; '' for other fields."""
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, WithJsonSchema):
            return str((extra.json_schema or {}).get("examples", [""])[0])
    return ""
