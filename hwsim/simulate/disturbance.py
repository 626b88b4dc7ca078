"""What real machines add to a plan: jitter, stragglers and slow links."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from hwsim.errors import InputError
from hwsim.parallel.program import COMPUTE, Link, Stream, Task, Work

DRAWN = 1024  # at a time


@dataclass(frozen=True)
class Disturbance:
    """`jitter` is the standard deviation of the logarithm of each compute task's time, around a
    median of one; `stragglers` are devices whose computation takes a factor longer (mixed devices
    are told so too), `slow_links` those that keep a share of their capacity. Communication on a
    compute stream is neither.

    Draws depend on the seed and the stream alone, not on the order in which streams run.
    Raises InputError for a jitter below 0, and a factor or share that is not above 0.
    """

    jitter: float = 0.0
    stragglers: Mapping[int, float] = field(default_factory=dict)
    slow_links: Mapping[Link, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.jitter < math.inf:
            raise InputError("jitter", f"found {self.jitter}", "write a number from 0, like 0.03")
        if self.seed < 0:
            raise InputError("seed", f"found {self.seed}", "write a whole number from 0")
        figures = {f"straggler {device}": figure for device, figure in self.stragglers.items()}
        figures |= {
            f"slow link {kind} of device {device}": figure
            for (device, kind), figure in self.slow_links.items()
        }
        for where, figure in figures.items():
            if not 0 < figure < math.inf:
                raise InputError(where, f"found {figure}", "write a number above 0")

    def tasks(self, stream: Stream, tasks: Iterator[Task]) -> Iterator[Task]:
        """A stream's tasks with their disturbed work; a meeting is left alone."""
        slowed = self.stragglers.get(stream.device, 1.0)
        if stream.kind != COMPUTE or (self.jitter == 0 and slowed == 1):
            return tasks
        return (
            task._replace(work=stretched(task.work, factor)) if task.meeting is None else task
            for task, factor in zip(tasks, self._factors(stream, slowed), strict=False)
        )

    def _factors(self, stream: Stream, slowed: float) -> Iterator[float]:
        random = np.random.default_rng((self.seed, stream.device, zlib.crc32(stream.kind.encode())))
        while True:
            yield from (slowed * np.exp(self.jitter * random.standard_normal(DRAWN))).tolist()

    def capacity(self, link: Link) -> float:
        """The share of its capacity that a link has."""
        return self.slow_links.get(link, 1.0)


def stretched(work: Work, factor: float) -> Work:
    """`work` with all but its communication `factor` times as long."""
    parts = tuple(
        (part, seconds if part == "communication" else seconds * factor)
        for part, seconds in work.parts
    )
    return work._replace(seconds=sum(seconds for _, seconds in parts), parts=parts)
