"""Which points of a sweep are answered together, and by whom."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.study.answers import Answers
from hwsim.study.plans import Plans
from hwsim.study.plans.rows import Column, groups
from hwsim.study.subject import Subject
from hwsim.study.sweep import paths
from hwsim.study.sweep.axes import Axes, Axis, Span
from hwsim.study.vary import annotation_at

Way = Literal["figures", "plans", "scalar"]
KINDS: dict[Way, paths.Kind] = {"figures": "figure", "plans": "plan"}
FEW = 8  # points that are as soon answered one by one
DEGREES = ("dp", "tp", "pp", "cp", "scaling")


def arranged(
    subject: Subject, axes: Sequence[Axis], calibration: Calibration, *, closed: bool = True
) -> tuple[Way, Axes]:
    """Axes whose points are answered together behind all others, and how they are answered.

    Only a `closed` form is answered so. Those are figures of the machine, or fields of the plan,
    whichever make more points.
    """
    best: tuple[int, Way, list[Axis]] = (FEW - 1, "scalar", [])
    for way, kind in KINDS.items() if closed else ():
        inner = [
            axis
            for axis in axes
            if all(paths.kind(path, subject) == kind for path in axis.paths)
            and _takes(way, subject, axis, calibration)
        ]
        size = math.prod(axis.size for axis in inner)
        if size > best[0]:
            best = size, way, inner
    _, way, inner = best
    outer = [axis for axis in axes if axis not in inner]
    return way, Axes((*outer, *inner), len(outer))


def answers(way: Way, subject: Subject, inner: Sequence[Span], calibration: Calibration) -> Answers:
    """The points of a box of figures, or of fields of the plan, each on its own axis."""
    shape = tuple(span.end - span.first for span in inner)
    if way == "figures":
        figures = {
            path: paths.numbers(path, texts, subject).reshape(_alone(place, shape))
            for place, span in enumerate(inner)
            for path, texts in zip(span.axis.paths, span.texts, strict=True)
        }
        found = _figures().answers(subject, figures, calibration)
    else:
        found = _plans(subject, calibration).answers(
            {
                path.removeprefix("plan."): Column(_values(path, column.values, subject), column[1])
                for path, column in _columns(inner).items()
            }
        )
        shape = (math.prod(shape),)
    arrays = (np.broadcast_to(column, shape) for column in found if not isinstance(column, dict))
    seconds, low, high, spread, why, size, fits = arrays
    parts = {name: np.broadcast_to(column, shape) for name, column in found.parts.items()}
    return Answers(seconds, low, high, spread, parts, why, size, fits)


def same_count(way: Way, subject: Subject, inner: Sequence[Span]) -> Iterator[tuple[Subject, Any]]:
    """Rows whose plans have the same degrees, on which the count of steps hangs."""
    columns = _columns(inner) if way == "plans" else {}
    columns = {path: columns[path] for name in DEGREES if (path := f"plan.{name}") in columns}
    if not columns:
        yield subject, slice(None)
        return
    number = math.prod(span.end - span.first for span in inner)
    first, group = groups(number, *(column.codes for column in columns.values()))
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=len(first)))
    for row, rows in zip(first, np.split(order, ends[:-1]), strict=True):
        texts = {path: column.values[column.codes[row]] for path, column in columns.items()}
        yield subject.with_settings(texts), rows


def _alone(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what varies along one axis of a box."""
    return tuple(-1 if axis == place else 1 for axis in range(len(shape)))


def _columns(inner: Sequence[Span]) -> dict[str, Column]:
    """By path, the texts that there are in a box, and which of them each point has."""
    shape = tuple(span.end - span.first for span in inner)
    columns = {}
    for place, span in enumerate(inner):
        for path, texts in zip(span.axis.paths, span.texts, strict=True):
            number = {text: code for code, text in enumerate(dict.fromkeys(texts))}
            codes = np.array([number[text] for text in texts]).reshape(_alone(place, shape))
            columns[path] = Column(tuple(number), np.broadcast_to(codes, shape).ravel())
    return columns


def _values(path: str, texts: Sequence[str], subject: Subject) -> tuple[Any, ...]:
    """What a field of the plan makes of texts, also where one is relative to the value there is."""
    annotation, field = annotation_at(path, subject), path.partition(".")[2]
    found = []
    for text in texts:
        value = paths.value(annotation, text)
        if value is None:
            value = getattr(subject.with_settings({path: text}).plan, field)
        found.append(value)
    return tuple(found)


class _Last(threading.local):
    """The plans that this thread priced last: blocks of one group have the same layers."""

    known: tuple[Subject, Calibration, Plans] | None = None


_LAST = _Last()


def _plans(subject: Subject, calibration: Calibration) -> Plans:
    if _LAST.known is None or _LAST.known[:2] != (subject, calibration):
        _LAST.known = subject, calibration, Plans(subject, calibration)
    return _LAST.known[2]


def _takes(way: Way, subject: Subject, axis: Axis, calibration: Calibration) -> bool:
    """Whether there is an answer to many points along an axis."""
    if way == "figures" and _figures() is None:
        return False
    try:
        answers(way, subject, [Span(axis, 0, 1)], calibration)
    except InputError:
        return False
    return True


def _figures() -> Any:
    try:
        return import_module("hwsim.study.many")
    except ModuleNotFoundError:
        return None


def one(found: Any) -> Answers:
    """A point's answer as arrays of one."""

    def array(value: float) -> npt.NDArray[np.float64]:
        return np.array([value])

    return Answers(
        array(found.seconds),
        array(found.low),
        array(found.high),
        array(found.spread),
        {name: array(value) for name, value in found.parts.items()},
        np.array([found.why]),
        array(found.bytes),
        np.array([found.fits]),
    )
