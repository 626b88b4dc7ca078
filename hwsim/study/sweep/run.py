"""A sweep from its first block to its last: rows go out as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from hwsim.study.sweep.digest import Digest, together
from hwsim.study.sweep.executor import Executor
from hwsim.study.sweep.task import Task

TRIES = 4  # points drawn for each that is wanted: some have no closed form


class Rows(Protocol):
    """Where rows go, and how many are there already."""

    rows: int

    def write(self, text: bytes, rows: int) -> None: ...


class Summary(NamedTuple):
    """How many `points` were answered from `first` on, in how many seconds, and what came of them;
    or of the `whole` sweep, where rows that were there told it."""

    first: int
    points: int
    seconds: float
    digest: Digest
    whole: bool = True


class Simulated(NamedTuple):
    """Seconds of the step of a point by its closed form and by its events, NaN where it has none,
    and why it has no events."""

    number: int
    closed: float
    events: float
    why: str

    @property
    def off(self) -> float:
        return abs(self.closed / self.events - 1.0)


class Gap(NamedTuple):
    """How far the closed form is off the events: |closed / events - 1| of those points that have
    both, of `every` that was simulated."""

    points: int
    median: float
    most: float
    every: tuple[Simulated, ...] = ()


def run(
    task: Task,
    rows: Rows,
    executor: Executor,
    told: Callable[[Summary], None] = lambda _: None,
    before: Digest | None = None,
) -> Summary:
    """Answers all points that `rows` has not; `told` hears after each block. `before` is what those
    tell that are there."""
    start, first = time.monotonic(), rows.rows
    whole = not first or before is not None
    found = Summary(first, 0, 0.0, before or Digest(), whole)
    told(found)
    for done in executor.map(task, _left(task, first)):
        rows.write(done.text, done.end - done.first)
        digest = together((found.digest, done.digest), task.best)
        points = found.points + done.end - done.first
        found = Summary(first, points, time.monotonic() - start, digest, whole)
        told(found)
    return found


def at_random(task: Task, points: int, seed: int = 1) -> list[int]:
    """Points of which `points` may have a closed form."""
    drawn = np.random.default_rng(seed).integers(task.axes.size, size=TRIES * points)
    return list(dict.fromkeys(drawn.tolist()))


def confirm(task: Task, numbers: Iterable[int], points: int | None = None) -> Gap:
    """The events of the points of these numbers, beside their closed form; no more than `points`
    that have one, and those alone."""
    every: list[Simulated] = []
    off: list[float] = []
    for number in numbers:
        closed = task.point(number, "closed")
        if points is not None and not closed.answered.all():
            continue
        events = task.point(number, "events")
        told, simulated = (float(one["seconds"][0]) for one in (closed, events))
        every.append(Simulated(number, told, simulated, str(events.why[0])))
        off += [every[-1].off] if closed.answered.all() and events.answered.all() else []
        if len(off) == points:
            break
    if not off:
        return Gap(0, float("nan"), float("nan"), tuple(every))
    return Gap(len(off), float(np.median(off)), max(off), tuple(every))


def _left(task: Task, first: int) -> Iterator[tuple[int, int]]:
    return ((max(low, first), end) for low, end in task.axes.blocks(*task.block) if end > first)
