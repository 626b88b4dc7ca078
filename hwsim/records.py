"""Parsed JSON -> a checked Pydantic record, or every fault of it in words.

A fault says where ("volta.json: node.link.bandwidth"), what was found there and what to write.
"""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError, WithJsonSchema

from hwsim.errors import InputError, at, near, several, shown
from hwsim.jsonfile import TOO_DEEP

R = TypeVar("R", bound=BaseModel)
# A text of a file that is printed is one line, lest others be taken for lines of ours.
ONE_LINE = BeforeValidator(
    lambda text: " ".join(text.splitlines()) if isinstance(text, str) else text
)
Line = Annotated[str, ONE_LINE]
LONGEST = 400  # characters of a factor
_FACTOR = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*x\s*$")


def validate(record: type[R], tree: dict[str, Any], where: str, hint: str = "") -> R:
    """The record that `tree` (parsed JSON) describes.

    Raises InputError whose `problems` holds every fault.
    """
    try:
        # As JSON text again: only there is a bare number without its unit refused.
        return record.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise explained(record, error, where, hint) from None
    except RecursionError:
        raise InputError(where, TOO_DEEP, "write a flat file") from None


def explained(
    record: type[BaseModel], error: ValidationError, where: str, hint: str = ""
) -> InputError:
    """What Pydantic found, in our words; unknown fields first: they explain missing ones."""
    found = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    return several([_problem(record, fault, where) for fault in found], hint)


def faults(record: type[BaseModel], tree: dict[str, Any], where: str) -> list[InputError]:
    """What `validate` would raise, fault by fault."""
    try:
        validate(record, tree, where)
    except InputError as error:
        return list(error.each)
    return []


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


def plain_types(annotation: Any) -> set[type]:
    """The classes in an annotation: those of `Bytes | None` are float (a quantity) and NoneType.

    >>> from hwsim.units import Bytes
    >>> sorted(kind.__name__ for kind in plain_types(Bytes | None))
    ['NoneType', 'float']
    """
    if isinstance(annotation, type):
        return {annotation}
    return {kind for inner in typing.get_args(annotation) for kind in plain_types(inner)}


def wanted(annotation: Any) -> str:
    """What to write in a field of this annotation."""
    bare = _without_none(annotation)
    example = _example(bare)
    if example:
        return f"write for instance '{example}'"
    while typing.get_origin(bare) is typing.Annotated:
        bare = typing.get_args(bare)[0]
    if typing.get_origin(bare) is Literal:
        return "write one of " + ", ".join(_choice(choice) for choice in typing.get_args(bare))
    inner = record_of(bare)
    if inner is not None:
        fields = ", ".join(inner.model_fields)
        kind = "a list of objects" if typing.get_origin(bare) is tuple else "an object"
        return f"write {kind} with the fields {fields}"
    if words_of(bare):
        return f"write some of {', '.join(words_of(bare))}, with commas between them"
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
    if typing.get_origin(bare) is Literal:
        return all(isinstance(choice, str) for choice in typing.get_args(bare))
    return bare is str


def words_of(annotation: Any) -> tuple[str, ...]:
    """The words that a list of words may have; none for a field of another kind.

    >>> words_of(tuple[Literal["near", "far"], ...])
    ('near', 'far')
    """
    inner = typing.get_args(annotation)[:1] if typing.get_origin(annotation) is tuple else ()
    chosen = inner and typing.get_origin(inner[0]) is Literal
    return typing.get_args(inner[0]) if chosen else ()


def from_text(annotation: Any, text: str, present: Any = None) -> Any:
    """The text of a `--set` as a field of this annotation takes it: others than text as JSON, a
    list of words with commas between them, none or null where a field can be empty, and `2x` as
    twice the figure that is `present` (as in a file), whole numbers rounded.

    >>> from_text(tuple[Literal["tp", "dp"], ...], "tp, dp"), from_text(int | None, "none")
    (['tp', 'dp'], None)
    >>> from_text(int, "1.5x", 3), from_text(float, "0.5x", 3.0), from_text(str, "2x", "name")
    (4, 1.5, '2x')
    """
    factor = factor_of(text)
    if factor is not None and _is_figure(annotation, present):
        return multiplied(present, factor)
    if _without_none(annotation) is not annotation and text.strip() in ("none", "null"):
        return None
    if is_text(annotation):
        return text
    if words_of(annotation) and not text.startswith("["):
        return [word.strip() for word in text.split(",")]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def factor_of(text: str) -> float | None:
    """What `2x` multiplies by; None for other text.

    >>> factor_of("1.5x"), factor_of("2 x"), factor_of("2"), factor_of("0x10")
    (1.5, 2.0, None, None)
    """
    match = _FACTOR.match(text) if len(text) <= LONGEST else None
    return float(match.group(1)) if match else None


def multiplied(present: float | str, factor: float) -> float | str:
    """A figure as a file has it, number or quantity, times a factor; whole numbers are rounded.

    >>> multiplied("900 GB/s", 2.0), multiplied(3, 1.5), multiplied(3.0, 1.5)
    ('1800 GB/s', 4, 4.5)
    """
    if isinstance(present, str):
        number, space, unit = present.partition(" ")
        return f"{float(number) * factor:.15g}{space}{unit}"
    found = present * factor
    return round(found) if isinstance(present, int) and math.isfinite(found) else found


def _is_figure(annotation: Any, present: Any) -> bool:
    """Whether there is a figure that a factor could multiply."""
    if isinstance(present, str):
        return bool(_example(_without_none(annotation)))
    return isinstance(present, (int, float)) and not isinstance(present, bool)


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
    if kind == "string_too_long":
        return InputError(
            at(where, path), what, f"write at most {context['max_length']} characters"
        )
    bounds = {"greater_than": "gt", "greater_than_equal": "ge", "less_than_equal": "le"}
    if kind in bounds:
        words = {"gt": "more than", "ge": "at least", "le": "at most"}
        bound = bounds[kind]
        return InputError(at(where, path), what, f"write {words[bound]} {context[bound]}")
    return InputError(at(where, path), what, wanted(annotation))


def _choice(choice: Any) -> str:
    return f"'{choice}'" if isinstance(choice, str) else json.dumps(choice)


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
