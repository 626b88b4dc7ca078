"""The lower part of the search tree: configurations with the same stages, and single ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.parallel.fits import capacity, fits
from hwsim.parallel.formula import Found, attempt
from hwsim.parallel.lower import lower
from hwsim.parallel.memory import StageMemory
from hwsim.parallel.plan import Plan
from hwsim.parallel.staged import Staged
from hwsim.simulate.engine import run
from hwsim.simulate.timeline import Timeline
from hwsim.study.search import bounds
from hwsim.study.search.best import Answer, Missed, Node, Tally
from hwsim.study.search.costs import Costs, as_planned
from hwsim.study.search.goal import Goal
from hwsim.study.search.space import LIGHT, Shape, Space

Ints = npt.NDArray[np.intp]


class Made(NamedTuple):
    """A step that was evaluated, and whether by its closed form."""

    timeline: Found | Timeline
    closed: bool


def evaluated(step: Staged) -> Made:
    """The closed form, where there is one, else the event simulation."""
    found = attempt(step)
    if isinstance(found, Found):
        return Made(found, True)
    return Made(simulated(step), False)


def simulated(step: Staged) -> Timeline:
    """The event simulation."""
    return run(lower(step), trace=False)


@dataclass
class Looked:
    """A space under search."""

    space: Space
    costs: Costs
    goal: Goal
    tally: Tally
    seen: dict[str, str] = field(default_factory=dict)

    @cached_property
    def accumulates(self) -> bool:
        """Whether layers' prices depend on the ZeRO stage."""
        software = self.space.subject.software
        return software is not None and software.accumulate > 0

    def missed(self, plan: Plan, size: float) -> None:
        subject = self.space.subject
        self.tally.miss(Missed(plan, subject, size, capacity(subject.system.device)))


class Some:
    """Configurations of one shape."""

    def __init__(self, looked: Looked, shape: Shape, rows: Ints, bound: float = 0.0) -> None:
        self.looked, self.shape, self.rows, self.bound = looked, shape, rows, bound
        self.size = len(rows)

    @property
    def slow(self) -> bool:
        return False

    def plan(self, row: int | None = None) -> Plan:
        return self.looked.space.plan(self.shape, int(self.rows[0] if row is None else row))


class Cut(Some):
    """All with the same layers in the same stages."""

    def opened(self) -> Iterator[Node | Answer]:
        looked, plan = self.looked, self.plan()
        counts = looked.tally.counts
        try:
            step = looked.costs.staged(plan)
            pipeline = bounds.pipeline_seconds(step)
        except InputError:
            counts["impossible"] += self.size
            return
        same = plan.model_copy(update={"balance": "cost"}), step.cuts
        if looked.seen.setdefault(str(same), plan.balance) != plan.balance:
            counts["equal"] += self.size
            return
        least = looked.goal.bound(plan, pipeline.through, pipeline.busy, step.slots)
        node = _Stages(looked, self.shape, self.rows, least)
        node.step, node.pipeline = step, pipeline
        yield node


class _Stages(Some):
    """All with the same stages, which have their seconds."""

    step: Staged
    pipeline: bounds.Pipeline

    def opened(self) -> Iterator[Node | Answer]:
        summed: dict[object, list[float]] = {}
        memory: dict[object, StageMemory] = {}
        for row in self.rows:
            leaf = _Leaf(self.looked, self.shape, np.array([row]), self.bound)
            leaf.step = as_planned(self.step, self.plan(row))
            leaf.pipeline, leaf.summed, leaf.memory = self.pipeline, summed, memory
            yield leaf


class _Leaf(Some):
    """A single one: it is opened to see whether it fits, for its own bound, and to be evaluated."""

    step: Staged
    pipeline: bounds.Pipeline
    summed: dict[object, list[float]]
    memory: dict[object, StageMemory]
    used: StageMemory | None = None

    @property
    def slow(self) -> bool:
        return self.used is not None and not isinstance(attempt(self.step), Found)

    def opened(self) -> Iterator[Node | Answer]:
        counts = self.looked.tally.counts
        try:
            if self.used is not None:
                yield from self._evaluated(self.used)
            elif self._fits():
                self.bound = self._least()
                yield self
        except InputError:
            counts["impossible"] += 1

    def _fits(self) -> bool:
        looked, plan = self.looked, self.step.plan
        key = tuple(getattr(plan, name) for name in LIGHT if name not in ("overlap", "prioritize"))
        if key not in self.memory:
            self.memory[key] = looked.costs.needed(self.step)
        used = self.memory[key]
        if fits(used, plan, looked.space.subject.system):
            self.used = used
            return True
        looked.tally.counts["large"] += 1
        looked.missed(plan, used.bytes)
        return False

    def _least(self) -> float:
        plan = self.step.plan
        key = tuple(getattr(plan, name) for name in LIGHT if name != "offload")
        if key not in self.summed:
            self.summed[key] = bounds.summed_seconds(self.step, self.pipeline)
        seconds = bounds.step_seconds(self.step, self.summed[key])
        return self.looked.goal.bound(plan, seconds, self.pipeline.busy, self.step.slots)

    def _evaluated(self, used: StageMemory) -> Iterator[Answer]:
        looked, plan = self.looked, self.step.plan
        timeline, closed = evaluated(self.step)
        parts = timeline.parts()
        value = looked.goal.value(plan, parts)
        if (beyond := looked.goal.beyond(plan, parts)) is not None:
            looked.tally.counts["limited"] += 1
            looked.tally.limited(beyond)
            return
        subject = looked.space.subject
        number = int(self.rows[0])
        yield Answer(subject, plan, value, timeline.seconds, parts, used.bytes, closed, number)
