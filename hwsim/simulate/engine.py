"""Tasks on streams, run by simpy: each stream does one task at a time, in the order they come."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import simpy

from hwsim.parallel.lower import Task
from hwsim.simulate.timeline import Span, Timeline


def run(tasks: Sequence[Task]) -> Timeline:
    """Simulate tasks numbered by their place; `after` may only name earlier ones.

    >>> from hwsim.parallel.lower import Task
    >>> step = run([
    ...     Task("backward", "compute", 2.0, "compute", ()),
    ...     Task("all-reduce", "link", 3.0, "communication", (0,)),
    ...     Task("update", "compute", 1.0, "update", (0, 1)),
    ... ])
    >>> step.seconds, step.parts()["communication"]
    (6.0, 3.0)
    """
    environment = simpy.Environment()
    streams = {task.stream: simpy.Resource(environment) for task in tasks}
    done = [environment.event() for _ in tasks]
    spans: list[Span] = []

    def process(number: int, task: Task) -> Generator[simpy.Event, Any, None]:
        for earlier in task.after:
            yield done[earlier]
        with streams[task.stream].request() as turn:
            yield turn
            begun = environment.now
            yield environment.timeout(task.seconds)
            spans.append(Span(task, begun, environment.now))
        done[number].succeed()

    for number, task in enumerate(tasks):
        environment.process(process(number, task))
    environment.run()
    return Timeline(tuple(spans))
