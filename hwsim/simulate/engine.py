"""A program on simpy: one process per stream, joined by tokens and meetings."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy
from simpy.events import NORMAL

from hwsim.parallel.program import Program, Token
from hwsim.simulate.device import Device
from hwsim.simulate.disturbance import Disturbance
from hwsim.simulate.fluid import Network, spend
from hwsim.simulate.lane import Lane, Timer
from hwsim.simulate.timeline import WIDTH, Spans, Timeline

Story = Generator[simpy.Event, Any, None]
NAMED = 8  # streams that an error names


def run(
    program: Program, *, disturbance: Disturbance | None = None, trace: bool = True
) -> Timeline:
    """Simulate a step; without `trace` no spans are kept, and memory does not grow with the tasks.

    Raises RuntimeError if streams wait for what never comes.

    >>> from hwsim.parallel.program import Program, Stream, Task, Work
    >>> def compute():
    ...     yield Task("backward", Work(2.0, (("compute", 2.0),)), gives=("gradients",))
    ...     yield Task("update", Work(1.0, (("update", 1.0),)), takes=("sum",))
    >>> def dp():
    ...     work = Work(3.0, (("communication", 3.0),))
    ...     yield Task("all-reduce", work, takes=("gradients",), gives=("sum",))
    >>> step = run(Program({Stream(0, "compute"): compute, Stream(0, "dp"): dp}, devices=1))
    >>> step.seconds, step.parts()["communication"]
    (6.0, 3.0)
    """
    return _Simulation(program, disturbance or Disturbance(), trace).run()


class _Simulation:
    """`tokens` holds who waits for a token, or which span has given one that nobody took yet."""

    def __init__(self, program: Program, disturbance: Disturbance, trace: bool) -> None:
        self.environment = simpy.Environment()
        self.disturbance, self.quiet = disturbance, program.quiet
        self.network = Network(self.environment, disturbance.capacity)
        self.tokens: dict[Token, Any] = {}
        self.meetings: dict[Token, list[Lane]] = {}
        self.spans = Spans() if trace else None
        self.devices = {stream.device: Device(self.environment) for stream in program.streams}
        self.lanes: dict[Lane, simpy.Process] = {}
        for stream, tasks in program.streams.items():
            device = self.devices[stream.device]
            lane = Lane(stream, disturbance.tasks(stream, tasks()), device)
            self.lanes[lane] = lane.process = self.environment.process(self._work_off(lane))

    def run(self) -> Timeline:
        self.environment.run()
        self._check()
        # An interrupted timeout still comes, so that the environment's end may be later.
        seconds = max((lane.end for lane in self.lanes), default=0.0)
        busy = sum(lane.busy for lane in self.lanes)
        return Timeline(
            seconds=seconds,
            devices={number: device.total(seconds) for number, device in self.devices.items()},
            streams={lane.stream: lane.busy for lane in self.lanes},
            links={
                link: (self.network.carried.get(link, 0.0) + self.quiet.get(link, 0.0))
                / self.disturbance.capacity(link)
                for link in {**self.network.carried, **self.quiet}
            },
            spread=sum(lane.weighted for lane in self.lanes) / busy if busy > 0 else 0.0,
            spans=self.spans,
        )

    def _work_off(self, lane: Lane) -> Story:  # noqa: PLR0912 (one function, to be fast)
        """The story of a stream: each task waits for its tokens, works and gives its own."""
        environment, tokens, timer, stream = self.environment, self.tokens, lane.timer, lane.stream
        device, parts, computes = lane.device, lane.device.parts, lane.computes
        rows = self.spans.rows if self.spans is not None else None
        schedule = environment.schedule
        now, last, busy, weighted = 0.0, -1, 0.0, 0.0
        for task in lane.tasks:
            name, work, takes, gives, micro, meeting, _ = lane.task = task
            timer.callbacks = []
            missing = 0
            for token in takes:
                if tokens.setdefault(token, lane) is lane:
                    missing += 1
                else:
                    del tokens[token]
            if missing or meeting is not None:
                self._wait(lane, missing, now, last)
            elif computes and device.clear and not work.loads:
                lane.begin, lane.cause = now, last
                schedule(timer, NORMAL, work.seconds)
            else:
                lane.start(now, last)
            try:
                yield timer
            except simpy.Interrupt:
                lane.timer = timer = Timer(environment)  # the old one is still to come
                yield from spend(environment, lane.left(environment.now), device)
            if work.loads:
                yield from self._move(lane)
            now = environment.now
            elapsed = now - lane.begin
            busy += elapsed
            weighted += elapsed * work.spread
            if computes:
                for part, seconds in work.parts:
                    parts[part] += seconds
                if lane.hindered:  # what others stretched it by
                    parts["communication"] += max(elapsed - work.seconds, 0.0)
            elif device.resting or work.taken:
                device.arrive(now, work.taken)
            else:
                device.moving -= 1
            if rows is not None:
                last = len(rows) // WIDTH
                rows.extend((stream, name, micro, lane.begin, now, work, lane.cause))
            for token in gives:
                waiting = tokens.pop(token, None)
                if waiting is None:
                    tokens[token] = last
                else:
                    self._receive(waiting, now, last)
        lane.end, lane.busy, lane.weighted = now, busy, weighted
        if computes:
            device.rest(now)

    def _wait(self, lane: Lane, missing: int, now: float, cause: int) -> None:
        """A lane's task needs tokens that nobody has given yet, or the others of its meeting."""
        if lane.computes:
            lane.device.rest(now)
        lane.missing = missing
        if not missing:
            self._meet(lane, now, cause)

    def _receive(self, lane: Lane, now: float, cause: int) -> None:
        """A lane waited for a token that was given now."""
        lane.missing -= 1
        if not lane.missing:
            if lane.task.meeting is None:
                lane.start(now, cause)
            else:
                self._meet(lane, now, cause)

    def _meet(self, lane: Lane, now: float, cause: int) -> None:
        """A lane has come to its meeting, which begins if it is the last."""
        task = lane.task
        present = self.meetings.setdefault(task.meeting, [])
        present.append(lane)
        if len(present) == task.members:
            del self.meetings[task.meeting]
            ended = self.environment.event()
            lane.uses = tuple(use for member in present for use in member.task.work.loads)
            for member in present:
                member.leads, member.ended = member is lane, ended
                member.start(now, cause)

    def _move(self, lane: Lane) -> Story:
        """Move bytes over links; the last member to come to a meeting does so over those of all."""
        work, meeting = lane.task.work, lane.task.meeting
        if meeting is not None and not lane.leads:
            yield lane.ended
            return
        loads = work.loads if meeting is None else lane.uses
        yield from self.network.carry(loads, work.seconds - work.fixed, work.priority)
        if meeting is not None:
            lane.ended.succeed()

    def _check(self) -> None:
        """Raise RuntimeError if a stream is not at its end."""
        stuck = [lane for lane, process in self.lanes.items() if process.is_alive]
        if stuck:
            named = "; ".join(self._why(lane) for lane in stuck[:NAMED])
            more = f" (and {len(stuck) - NAMED} more)" if len(stuck) > NAMED else ""
            raise RuntimeError(f"deadlock: {named}{more}")

    def _why(self, lane: Lane) -> str:
        stream = f"{lane.stream.kind} of device {lane.stream.device}"
        tokens = [token for token, waiting in self.tokens.items() if waiting is lane]
        if lane.missing:
            return f"{stream} waits for " + ", ".join(map(repr, tokens))
        present = len(self.meetings[lane.task.meeting])
        return (
            f"{stream} meets at {lane.task.meeting!r}: {present} of {lane.task.members} are there"
        )
