"""The search tree: a shape's configurations, those whose layers cost the same, those that are cut
into the same stages, and single ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.parallel import memory
from hwsim.parallel.fits import capacity, fits
from hwsim.parallel.formula import Found, attempt
from hwsim.parallel.lower import lower
from hwsim.parallel.memory import StageMemory
from hwsim.parallel.plan import Plan
from hwsim.parallel.priced import Seconds
from hwsim.parallel.staged import Staged
from hwsim.simulate.engine import run
from hwsim.simulate.timeline import Timeline
from hwsim.study.search import bounds
from hwsim.study.search.best import Answer, Missed, Node, Tally
from hwsim.study.search.costs import EASED, Costs, as_planned
from hwsim.study.search.goal import Goal
from hwsim.study.search.space import LIGHT, Shape, Space

Ints = npt.NDArray[np.intp]
PRICED = ("recompute", "tensor_overlap")  # what changes the price of layers that are split alike


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

    def nodes(self) -> Iterator[Node]:
        """Where the search begins."""
        rows = np.arange(self.space.rows)
        for shape in self.space.shapes:
            yield _Shape(self, shape, rows)

    @cached_property
    def accumulates(self) -> bool:
        """Whether layers' prices depend on the ZeRO stage."""
        software = self.space.subject.software
        return software is not None and software.accumulate > 0

    def missed(self, plan: Plan, size: float) -> None:
        subject = self.space.subject
        self.tally.miss(Missed(plan, subject, size, capacity(subject.system.device)))


class _Some:
    """Configurations of one shape."""

    def __init__(self, looked: Looked, shape: Shape, rows: Ints, bound: float = 0.0) -> None:
        self.looked, self.shape, self.rows, self.bound = looked, shape, rows, bound
        self.size = len(rows)

    def plan(self, row: int | None = None) -> Plan:
        return self.looked.space.plan(self.shape, int(self.rows[0] if row is None else row))


class _Shape(_Some):
    """All with the same degrees."""

    def opened(self) -> Iterator[Node | Answer]:
        looked, space, counts = self.looked, self.looked.space, self.looked.tally.counts
        rows = space.look(self.shape)
        possible, kept = int(rows.possible.sum()), int(rows.kept.sum())
        counts["impossible"] += space.rows - possible
        counts["equal"] += possible - kept
        heavy = [n for n in space.columns if n not in (*LIGHT, *PRICED, "order", "balance")]
        left = np.flatnonzero(rows.kept)
        for some in space.groups(left, heavy):
            base = _Base(looked, self.shape, left[some])
            try:
                base.rows = base.small()
                base.size = len(base.rows)
                if base.size:
                    base.bound = base.least(base.plan().model_copy(update=EASED))
                    yield base
            except InputError:
                counts["impossible"] += base.size


class _Base(_Some):
    """All that share degrees, micro-batch and the split of operators."""

    def small(self) -> Ints:
        """The rows that may fit."""
        looked, space, rows = self.looked, self.looked.space, self.rows
        plan, pp = self.plan(), self.shape.pp
        layers = looked.costs.memories(plan)
        kept = {
            value: sum(memory.kept(layer, value) for layer in layers)
            for value in space.columns["recompute"]
        }
        count = space.share(self.shape) // space.micro[rows]
        many = np.where(space.is_("schedule", "zero-bubble")[rows], np.minimum(count, pp), 1)
        many = np.where(space.is_("schedule", "gpipe")[rows], count, many)
        alive = many * np.array(list(kept.values()))[space.codes["recompute"][rows]]
        if plan.time_chunks > 1:
            alive = np.zeros(len(rows))
        how = memory.how(plan)._replace(
            zero=space.values("zero")[rows],
            master=space.values("master_weights")[rows],
            optimizer_away=space.is_("offload", "optimizer")[rows],
            activations_away=space.is_("offload", "activations")[rows],
        )
        graph = looked.costs.graph(plan.micro_batch or 1)
        needs = bounds.least_bytes(layers, alive, how, graph, pp)
        fitting = needs <= capacity(space.subject.system.device)
        looked.tally.counts["large"] += int((~fitting).sum())
        if not fitting.all():
            least = int(np.argmin(np.where(fitting, np.inf, needs)))
            looked.missed(self.plan(rows[least]), float(needs[least]))
        return rows[fitting]

    def least(self, plan: Plan) -> float:
        """The bound of the cheapest way to compute."""
        busy = self.looked.costs.least_seconds(plan)
        return self.cut(plan.model_copy(update=EASED), busy, "any")

    def cut(self, plan: Plan, busy: Seconds, schedule: str) -> float:
        """A bound by the seconds of all layers, wherever they are cut."""
        looked, space = self.looked, self.looked.space
        if plan.time_chunks > 1:
            return 0.0
        step = looked.costs.whole(plan)
        found = bounds.cut_seconds(busy.total, step.slots, plan.pp, schedule)
        sharded = bool(space.is_("zero", 3)[self.rows].all())
        if sharded and plan.dp * plan.cp > 1:
            mean = step.slots * busy.total / plan.pp
            always = bounds.always_seconds(step, step.chunks, mean, mean, plan.pp)
            found = max(found, always * bounds.SURE)
        return looked.goal.bound(plan, found, busy, step.slots)

    def opened(self) -> Iterator[Node | Answer]:
        names = [*PRICED, *(["zero"] if self.looked.accumulates else [])]
        for some in self.looked.space.groups(self.rows, names):
            node = _Priced(self.looked, self.shape, self.rows[some])
            node.bound = self.least(node.plan())
            yield node


class _Priced(_Base):
    """All whose layers cost the same, but for weights' gradients that are put off."""

    def opened(self) -> Iterator[Node | Answer]:
        for some in self.looked.space.groups(self.rows, ["order", "balance"]):
            node = _Cut(self.looked, self.shape, self.rows[some])
            plan = node.plan()
            try:
                node.bound = self.cut(plan, self.looked.costs.seconds(plan), plan.schedule)
            except InputError:
                self.looked.tally.counts["impossible"] += node.size
            else:
                yield node


class _Cut(_Some):
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


class _Stages(_Some):
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


class _Leaf(_Some):
    """A single one: it is opened to see whether it fits, for its own bound, and to be evaluated."""

    step: Staged
    pipeline: bounds.Pipeline
    summed: dict[object, list[float]]
    memory: dict[object, StageMemory]
    used: StageMemory | None = None

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
