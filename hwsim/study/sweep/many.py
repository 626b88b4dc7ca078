"""Which points of a sweep are answered together, and by whom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.study.answers import Answers
from hwsim.study.subject import Subject
from hwsim.study.sweep import paths
from hwsim.study.sweep.axes import Axes, Axis, Span
from hwsim.study.vary import annotation_at

Way = Literal["figures", "plans", "scalar"]
MODULES: dict[Way, str] = {"figures": "hwsim.study.many", "plans": "hwsim.study.plans"}
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
        figures = {}
        for place, span in enumerate(inner):
            own = [1] * len(inner)
            own[place] = -1
            for path, texts in zip(span.axis.paths, span.texts, strict=True):
                figures[path] = paths.numbers(path, texts, subject).reshape(own)
        found = _module(way).answers(subject, figures, calibration)
    else:
        columns = {
            path.removeprefix("plan."): _values(path, texts, subject)
            for path, texts in _columns(inner)
        }
        found = _module(way).answers(subject, columns, calibration)
        shape = (math.prod(shape),)
    arrays = (np.broadcast_to(column, shape) for column in found if not isinstance(column, dict))
    seconds, low, high, spread, why, size, fits = arrays
    parts = {name: np.broadcast_to(column, shape) for name, column in found.parts.items()}
    return Answers(seconds, low, high, spread, parts, why, size, fits)


def same_count(
    way: Way, subject: Subject, inner: Sequence[Span], size: int
) -> Iterator[tuple[Subject, Any]]:
    """Rows whose plans have the same degrees, on which the count of steps hangs."""
    columns = dict(_columns(inner)) if way == "plans" else {}
    columns = {path: columns[path] for name in DEGREES if (path := f"plan.{name}") in columns}
    if not columns:
        yield subject, slice(None)
        return
    rows: dict[tuple[str, ...], list[int]] = {}
    for number, texts in enumerate(zip(*columns.values(), strict=True)):
        rows.setdefault(texts, []).append(number)
    for texts, places in rows.items():
        settings = dict(zip(columns, texts, strict=True))
        mask = np.zeros(size, dtype=bool)
        mask[places] = True
        yield subject.with_settings(settings), mask


def _columns(inner: Sequence[Span]) -> Iterator[tuple[str, Sequence[str]]]:
    """By path, the texts of all points of a box."""
    sizes = [span.end - span.first for span in inner]
    for place, span in enumerate(inner):
        before, behind = math.prod(sizes[:place]), math.prod(sizes[place + 1 :])
        for path, texts in zip(span.axis.paths, span.texts, strict=True):
            yield path, [text for text in texts for _ in range(behind)] * before


def _values(path: str, texts: Sequence[str], subject: Subject) -> list[Any]:
    annotation = annotation_at(path, subject)
    known = {text: paths.value(annotation, text) for text in set(texts)}
    return [known[text] for text in texts]


def _takes(way: Way, subject: Subject, axis: Axis, calibration: Calibration) -> bool:
    """Whether there is an answer to many points along an axis."""
    module = _module(way)
    if module is None:
        return False
    try:
        answers(way, subject, [Span(axis, 0, 1)], calibration)
    except InputError:
        return False
    return True


def _module(way: Way) -> Any:
    try:
        return import_module(MODULES[way])
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
