"""The upper part of the search tree: a shape's configurations, then those whose layers are split
alike, then those whose layers cost the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hwsim.errors import InputError
from hwsim.parallel import memory
from hwsim.parallel.fits import capacity
from hwsim.parallel.plan import Plan
from hwsim.parallel.priced import Seconds
from hwsim.study.search import bounds
from hwsim.study.search.best import Answer, Node
from hwsim.study.search.costs import EASED
from hwsim.study.search.leaves import Cut, Ints, Looked, Some
from hwsim.study.search.space import LIGHT

PRICED = ("recompute", "tensor_overlap")  # what changes the price of layers that are split alike


def roots(looked: Looked) -> Iterator[Node]:
    """Where the search begins: every shape with all of its configurations."""
    rows = np.arange(looked.space.rows)
    for shape in looked.space.shapes:
        yield _Shape(looked, shape, rows)


class _Shape(Some):
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


class _Base(Some):
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
            node = Cut(self.looked, self.shape, self.rows[some])
            plan = node.plan()
            try:
                node.bound = self.cut(plan, self.looked.costs.seconds(plan), plan.schedule)
            except InputError:
                self.looked.tally.counts["impossible"] += node.size
            else:
                yield node
