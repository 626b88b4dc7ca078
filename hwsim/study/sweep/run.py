"""A sweep from its first block to its last: rows go out as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
    """What came of the points from `first` on, and how many seconds that took."""

    first: int
    seconds: float
    digest: Digest


class Gap(NamedTuple):
    """How far the closed form is off the events: |closed / events - 1| of some points."""

    points: int
    median: float
    most: float


def run(
    task: Task, rows: Rows, executor: Executor, told: Callable[[Summary], None] = lambda _: None
) -> Summary:
    """Answers all points that `rows` has not; `told` hears after each block."""
    start, first = time.monotonic(), rows.rows
    found = Summary(first, 0.0, Digest())
    told(found)
    for done in executor.map(task, _left(task, first)):
        rows.write(done.text, done.end - done.first)
        digest = together((found.digest, done.digest), task.best)
        found = Summary(first, time.monotonic() - start, digest)
        told(found)
    return found


def confirm(task: Task, points: int, seed: int = 1) -> Gap:
    """The events of some points, drawn at random from those with a closed form."""
    drawn = np.random.default_rng(seed).integers(task.axes.size, size=TRIES * points)
    off: list[float] = []
    for number in dict.fromkeys(drawn.tolist()):
        closed, events = (task.point(number, engine) for engine in ("closed", "events"))
        if closed.answered.all() and events.answered.all():
            off.append(abs(float(closed["seconds"][0] / events["seconds"][0]) - 1.0))
        if len(off) == points:
            break
    if not off:
        return Gap(0, float("nan"), float("nan"))
    return Gap(len(off), float(np.median(off)), max(off))


def _left(task: Task, first: int) -> Iterator[tuple[int, int]]:
    return ((max(low, first), end) for low, end in task.axes.blocks(*task.block) if end > first)
