"""What is done with a block of points: answered, and written as text. It can be sent elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from hwsim.convergence.counting import Counting
from hwsim.cost.calibration import Calibration, Layer, load_for
from hwsim.errors import DoesNotFit, InputError
from hwsim.estimation import count_of
from hwsim.graph.workload import Workload
from hwsim.parallel.check import scaled
from hwsim.parallel.program import PARTS
from hwsim.spending.many import Run, amounts
from hwsim.spending.spent import IDLES
from hwsim.study.answers import NO_FORM, Answers
from hwsim.study.subject import Subject
from hwsim.study.sweep import many, scalar
from hwsim.study.sweep.axes import Axes, Span
from hwsim.study.sweep.columns import SECONDS, SPENT, TOTALS, Columns, joined
from hwsim.study.sweep.digest import Digest, digest
from hwsim.study.sweep.form import Form
from hwsim.study.sweep.many import Way
from hwsim.study.sweep.paths import COUNTS
from hwsim.study.sweep.scalar import Engine
from hwsim.study.sweep.totals import totals

BLOCK = 65_536  # points that go through one call
GROUPS = 16  # calls whose rows are written together
SLOW = 16  # points of a block that are answered one by one
PATIENCE = 1.0  # seconds, until rows are written although a block isn't done
ALL = Form()
UNSEEN = (*COUNTS, "run", "site")  # what no step hangs on


class _Last(threading.local):
    """The box of steps that this thread answered last."""

    task: Task | None = None
    key: Any = None
    answers: Answers | None = None


_LAST = _Last()


class Counted(Protocol):
    """What counts the steps of a workload."""

    def of(self, workload: Workload) -> float | Counting | None: ...


class Fitted(NamedTuple):
    """What was fitted, laid over what ships for a device (all of them with `borrow`)."""

    layer: Layer | None = None
    borrow: bool = False

    def of(self, subject: Subject) -> Calibration:
        """Raises InputError for a layer that was fitted to another device."""
        device = subject.system.device
        found = load_for(device)
        if self.layer is None:
            return found
        if not self.borrow and self.layer.name not in (device.name, device.architecture.lower()):
            what = f"found one of {self.layer.name}, but the device is {device.name}"
            raise InputError("--calibration", what, "add --borrow to use it all the same")
        return found.over(self.layer)


class Done(NamedTuple):
    """The rows of a block, or of its first points, as text, and what to remember of them."""

    first: int
    end: int
    text: bytes
    digest: Digest


@dataclass
class _Box:
    """Points `first` to `end`, which differ in `inner` alone: their subject, what counts its steps
    and the steps, or `why` there are none; `open` are the places of those without closed form."""

    first: int
    end: int
    spans: list[Span]
    inner: list[Span]
    answered: tuple[Subject, Counted, Answers] | None = None
    why: str = ""
    open: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """A sweep: what it varies about a subject, how points are answered and what is written.

    `counted` makes of the values of swept `COUNTS` what counts the steps. The `best` points are
    remembered, and if `drawn` the times of all.
    """

    subject: Subject
    axes: Axes
    way: Way
    counted: Callable[[Mapping[str, str]], Counted]
    fitted: Fitted
    engine: Engine
    form: Form = ALL
    best: int = 1
    drawn: bool = False

    @property
    def block(self) -> tuple[int, int]:
        """Most points and most groups of a block."""
        return (SLOW, SLOW) if self.way == "scalar" else (BLOCK, GROUPS)

    def run(self, first: int, end: int) -> Done:
        """A block of points; or its first ones, where events take more than `PATIENCE`."""
        boxes: list[list[Span]] = []
        found: list[Columns] = []
        until = time.monotonic() + PATIENCE
        for low, high in self._boxes(first, end):
            if found and time.monotonic() > until:
                end = low
                break
            box = self._box(low, high)
            events, reach = self._events(box, until)
            parts = [box]
            if reach < high:
                parts = [self._box(*ends) for ends in self._boxes(low, reach)]
            boxes += [part.spans for part in parts]
            found += [self._columns(part, events) for part in parts]
            if reach < high:
                end = reach
                break
        whole = joined(found)
        text = self.form.rows(boxes, whole)
        return Done(first, end, text, digest(first, whole, self.best, drawn=self.drawn))

    def _boxes(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        group = self.axes.group
        for begin in range(first // group * group, end, group):
            yield from self.axes.boxes(max(begin, first), min(begin + group, end), BLOCK)

    def _box(self, first: int, end: int) -> _Box:
        """A box with its steps."""
        spans = self.axes.spans(first, end)
        inner = spans[self.axes.inner :]
        found = _Box(first, end, spans, inner)
        outer = {
            path: texts[0]
            for span in spans[: self.axes.inner]
            for path, texts in zip(span.axis.paths, span.texts, strict=True)
        }
        try:
            subject, counted = self._changed(outer)
            subject.run.check()
            found.answered = subject, counted, self._steps(subject, outer, inner)
        except (InputError, DoesNotFit) as error:
            found.why = str(error)
        else:
            if self.engine == "auto" and self.way != "scalar":
                found.open = _open(found.answered[2])
        return found

    def _events(self, box: _Box, until: float) -> tuple[dict[int, Columns], int]:
        """The events of open points by their numbers, one of them at least, and the end of the
        points of which none is open still."""
        found: dict[int, Columns] = {}
        for place in box.open:
            number = box.first + place
            if found and time.monotonic() > until:
                return found, number
            found[number] = self.point(number, "events")
        return found, box.end

    def _columns(self, box: _Box, events: Mapping[int, Columns]) -> Columns:
        """The points of a box, with the `events` of those that are open."""
        found = Columns(box.end - box.first)
        if box.answered is None:
            found.refuse(box.why)
            return found
        subject, counted, answers = box.answered
        _take(found, answers)
        for place in box.open:
            one = events[box.first + place]
            found.why[place], found.fits[place] = one.why[0], one.fits[0]
            for name, column in one.numbers.items():
                found[name][place] = column[0]
        for planned, rows in many.same_count(self.way, subject, box.inner):
            try:
                self._total(found, rows, planned, counted)
                self._spend(found, rows, planned)
            except InputError as error:
                found.refuse(str(error), rows)
        return found

    def _steps(self, subject: Subject, outer: Mapping[str, str], inner: list[Span]) -> Answers:
        """The steps of a box: those of the last one where only what a step doesn't see differs."""
        seen = {path: text for path, text in outer.items() if path.partition(".")[0] not in UNSEEN}
        key = (seen, [(span.first, span.end) for span in inner])
        if _LAST.task is not self or _LAST.key != key or _LAST.answers is None:
            calibration = self.fitted.of(subject)
            if self.way == "scalar":
                found = many.one(scalar.answer(subject, calibration, self.engine))
            else:
                found = many.answers(self.way, subject, inner, calibration)
            _LAST.task, _LAST.key, _LAST.answers = self, key, found
        return _LAST.answers

    def point(self, number: int, engine: Engine) -> Columns:
        """One point by itself, with another engine."""
        found = Columns(1)
        try:
            subject, _ = self._changed(self.axes.settings(number))
            subject.run.check()
            answer = scalar.answer(subject, self.fitted.of(subject), engine)
        except (InputError, DoesNotFit) as error:
            found.refuse(str(error))
        else:
            _take(found, many.one(answer))
        return found

    def _changed(self, settings: dict[str, str]) -> tuple[Subject, Counted]:
        fields = {path: text for path, text in settings.items() if path not in COUNTS}
        counts = {path: text for path, text in settings.items() if path in COUNTS}
        return self.subject.with_settings(fields), self.counted(counts)

    def _total(self, found: Columns, rows: Any, subject: Subject, counted: Counted) -> None:
        """The steps and the whole training, of rows that have the same plan's count."""
        workload = scaled(subject.workload, subject.plan)
        seconds = found["seconds"][rows]
        if not np.isfinite(seconds).any():
            return
        count = count_of(workload, subject.plan, counted.of(workload))
        if count is None:
            return
        found["steps"][rows] = np.where(np.isfinite(seconds), count.value, np.nan)
        ranges = not set(self.form.columns).isdisjoint(TOTALS[1:])
        spread, devices = found["spread"][rows], subject.plan.devices
        whole = totals(seconds, spread, count, subject.run, devices, ranges=ranges)
        for name, column in zip(TOTALS, whole, strict=True):
            found[name][rows] = column

    def _spend(self, found: Columns, rows: Any, subject: Subject) -> None:
        """What steps and trainings take."""
        if set(self.form.columns).isdisjoint(SPENT):
            return
        parts = {part: found[name][rows] for part, name in zip(PARTS, SECONDS, strict=True)}
        devices, steps = subject.plan.devices, found["steps"][rows]
        with np.errstate(invalid="ignore", over="ignore"):
            times = subject.run.parts(steps, found["seconds"][rows], devices)
            whole = Run(found["total_seconds"][rows], sum(times[name] for name in IDLES))
            for kind, run in (("step", None), ("total", whole)):
                spent = amounts(subject.system, subject.site, parts, devices, run=run)
                for name, amount in (("energy", spent.joules), ("cost", spent.dollars)):
                    if amount is not None:
                        found[f"{kind}_{name}"][rows] = amount


def _open(answers: Answers) -> list[int]:
    """Places of points without closed form."""
    why = np.broadcast_to(answers.why, answers.seconds.shape).ravel()
    return [place for place in np.flatnonzero(why != "").tolist() if why[place].startswith(NO_FORM)]


def _take(found: Columns, answers: Answers) -> None:
    """Answers as columns."""
    named = {"seconds": answers.seconds, "low": answers.low, "high": answers.high}
    parts = zip(SECONDS, answers.parts.values(), strict=True)
    named |= {"spread": answers.spread, "memory_bytes": answers.bytes} | dict(parts)
    for name, column in named.items():
        found.numbers[name] = np.array(np.broadcast_to(column, answers.seconds.shape).ravel())
    found.fits[:] = np.broadcast_to(answers.fits, answers.seconds.shape).ravel()
    found.fits[np.isnan(found["memory_bytes"])] = -1
    why = np.broadcast_to(answers.why, answers.seconds.shape).ravel()
    if (why != "").any():
        found.why[:] = why
    lost = ~np.isfinite(found["seconds"]) & (found.why == "")
    found.refuse("step: found a time that is not finite; write smaller figures", lost)
