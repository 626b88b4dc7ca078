"""A stream on its way through its tasks."""

from __future__ import annotations

from collections.abc import Iterator

import simpy
from simpy.events import NORMAL

from hwsim.parallel.program import COMPUTE, Link, Stream, Task, Work
from hwsim.simulate.device import Device


class Timer(simpy.Event):
    """A timeout for one task after the other, scheduled by whoever lets the task begin.

    So it takes one event to wait for a token and then for the task's own time.
    """

    def __init__(self, environment: simpy.Environment) -> None:
        super().__init__(environment)
        self._ok, self._value = True, None


class Lane:
    """A stream, and how it fares with the task that it is at.

    `missing` counts the tokens that were not given yet, `begin` is when the work began and `cause`
    the span that let it. Of a meeting, one member `leads` and `uses` the links of all: when it has
    `ended`, all have.

    A compute stream's own work goes on at the `rate` that transfers leave; what it does with others
    or moves itself keeps its pace.
    """

    __slots__ = (
        "begin",
        "busy",
        "cause",
        "computes",
        "device",
        "end",
        "ended",
        "hindered",
        "leads",
        "missing",
        "process",
        "rate",
        "schedule",
        "stream",
        "task",
        "tasks",
        "timer",
        "uses",
        "weighted",
    )

    def __init__(self, stream: Stream, tasks: Iterator[Task], device: Device) -> None:
        self.stream, self.tasks, self.device = stream, tasks, device
        self.computes = stream.kind == COMPUTE
        self.process: simpy.Process | None = None
        self.timer = Timer(device.environment)
        self.schedule = device.environment.schedule
        self.task = Task("", Work(0.0, ()))
        self.missing, self.cause = 0, -1
        self.leads, self.ended = True, device.environment.event()
        self.uses: tuple[tuple[Link, float], ...] = ()
        self.begin = self.end = 0.0
        self.busy = self.weighted = 0.0  # seconds, and seconds times their spread
        self.rate, self.hindered = 1.0, False

    def start(self, now: float, cause: int) -> None:
        """Begin the task's work."""
        self.begin, self.cause = now, cause
        work, device = self.task.work, self.device
        if not self.computes:
            if device.resting or work.taken:
                device.depart(now, work.taken)
            else:
                device.moving += 1
        else:
            if device.resting:
                device.resume(now)
            if self.task.meeting is None and not work.loads:
                device.process = self.process
                self.rate = rate = device.rate
                self.hindered = rate < 1.0
                device.clear = not self.hindered
                self.schedule(self.timer, NORMAL, work.seconds / rate)
                return
            device.process, device.clear, self.hindered = None, False, bool(work.loads)
        self.schedule(self.timer, NORMAL, work.fixed if work.loads else work.seconds)

    def left(self, now: float) -> float:
        """Seconds of work that an interrupt left undone."""
        self.hindered = True
        return max(self.task.work.seconds - self.rate * (now - self.begin), 0.0)
