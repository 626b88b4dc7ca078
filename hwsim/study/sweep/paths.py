"""What can be varied: fields of a subject, and what counts the steps."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from hwsim import records
from hwsim.convergence.counting import load as load_law
from hwsim.convergence.published import LAWS
from hwsim.errors import InputError
from hwsim.study.figures import WHOLE, is_figure
from hwsim.study.subject import Subject
from hwsim.study.vary import annotation_at

COUNTS = ("steps", "tokens", "epochs", "law", "target_loss", "critical_batch")
RELATIVE = "x"  # behind a factor of the figure that there is
_NUMBER = re.compile(r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)(.*)$")
Kind = Literal["figure", "plan", "other"]


def kind(path: str, subject: Subject) -> Kind:
    """Whether a path is a figure of the machine, a field of the plan, or anything else."""
    root = path.partition(".")[0]
    if root == "plan":
        return "plan"
    return "figure" if is_figure(path, subject) else "other"


def check(path: str, texts: Sequence[str], subject: Subject, where: str) -> None:
    """Raises InputError if there is no such field, or if a text can never be its value."""
    if path in COUNTS:
        for text in texts:
            if path == "law":
                load_law(text, 1.0 if text in LAWS else None)
            else:
                count(path, text)
        return
    annotation = annotation_at(path, subject)
    for text in texts:
        if "\n" in text or "\r" in text:
            raise InputError(f"{where} {path}", "found a line break", "write one line")
        if annotation is None or value(annotation, text) is None:
            try:
                subject.with_settings({path: text})
            except InputError as error:
                raise error.inside(where) from None


def count(path: str, text: str) -> float:
    """The number that `steps` and its like are set to. Raises InputError if it is none."""
    try:
        return float(text)
    except ValueError:
        raise InputError(path, f"found '{text}'", "write a number") from None


def numbers(path: str, texts: Sequence[str], subject: Subject) -> npt.NDArray[np.float64]:
    """The figures that texts stand for, in the units of the record (SI)."""
    unit = parted(texts[0])[1]
    cut = -len(unit) or None
    try:
        plain = np.array([float(text[:cut]) for text in texts if text.endswith(unit)])
        found = plain * _number(path, f"1{unit}", subject)
    except (ValueError, InputError):
        found = np.empty(0)
    if len(found) < len(texts):
        return np.array([_number(path, text, subject) for text in texts])
    return np.rint(found) if path == WHOLE else found


def parted(text: str) -> tuple[float, str]:
    """The number that a text begins with, and the unit behind it as it stands.

    >>> parted("1.5 TB/s"), parted("2x")
    ((1.5, ' TB/s'), (2.0, 'x'))
    """
    match = _NUMBER.match(text)
    return (float(match[1]), match[2]) if match else (float("nan"), text)


def _number(path: str, text: str, subject: Subject) -> float:
    """One figure, also where its text is relative to the figure that there is."""
    found: Any = value(annotation_at(path, subject), text)
    if found is None:
        found = subject.with_settings({path: text}).system
        for part in path.split("."):
            found = found[int(part)] if part.isdecimal() else getattr(found, part)
    return float(found)


def value(annotation: Any, text: str) -> Any:
    """What a field of this annotation makes of a text by itself; None if it takes it not."""
    try:
        return _adapter(annotation).validate_json(json.dumps(records.from_text(annotation, text)))
    except ValidationError:
        return None


@lru_cache(maxsize=64)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)
