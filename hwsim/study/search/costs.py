"""Steps of many plans of one workload on one system: what they have in common is priced once."""

from __future__ import annotations

import copy
from dataclasses import replace

from hwsim.cost.calibration import Calibration
from hwsim.graph.step import StepGraph
from hwsim.parallel.check import samples, scaled
from hwsim.parallel.memory import LayerMemory, StageMemory, footprint, fullest
from hwsim.parallel.needs import layer_memories, needed
from hwsim.parallel.placement import group
from hwsim.parallel.plan import Plan
from hwsim.parallel.price import Pricer
from hwsim.parallel.priced import PricedLayer, Seconds, total
from hwsim.parallel.split import split
from hwsim.parallel.staged import Staged, check_experts, cuts_of, staged
from hwsim.study.subject import Subject

# What the price of a layer doesn't depend on, but for what `_key` says.
UNREAD = (
    *("dp", "pp", "placement", "scaling", "micro_batch", "schedule", "virtual", "balance", "zero"),
    *("offload", "bucket", "first_bucket", "overlap", "prioritize", "master_weights"),
    "loss_scaling",
)
# The values with which layers cost least.
EASED = {
    **{"recompute": "none", "tensor_overlap": True, "schedule": "1f1b", "virtual": 1, "zero": 3}
}
READ = tuple(name for name in Plan.model_fields if name not in UNREAD)


class Costs:
    """`staged(plan)` is that of `hwsim.parallel.staged`, `needed` its memory."""

    def __init__(self, subject: Subject, calibration: Calibration) -> None:
        self.subject, self.calibration = subject, calibration
        self._graphs: dict[int, StepGraph] = {}
        self._pricers: dict[int, Pricer] = {}
        self._layers: dict[object, tuple[Pricer, tuple[PricedLayer, ...]]] = {}
        self._memories: dict[object, tuple[LayerMemory, ...]] = {}
        self._sums: dict[int, Seconds] = {}
        self._cuts: dict[object, tuple[tuple[int, int], ...]] = {}

    def share(self, plan: Plan) -> int:
        """Samples of a replica in a step."""
        return samples(plan, scaled(self.subject.workload, plan))

    def graph(self, micro: int) -> StepGraph:
        """One micro-batch."""
        if micro not in self._graphs:
            self._graphs[micro] = self.subject.workload.graph(micro)
        return self._graphs[micro]

    def layers(self, plan: Plan) -> tuple[Pricer, tuple[PricedLayer, ...]]:
        """Priced layers, equal ones unrolled. Raises InputError as `staged` does."""
        share = self.share(plan)
        micro = plan.micro_batch or share
        count = share // micro
        key = self._key(plan, micro, count)
        if key not in self._layers:
            pricer = self._pricer(plan, micro, count)
            self._layers[key] = pricer, tuple(pricer.layers())
        first, layers = self._layers[key]
        return first.beside(first.graph, plan, count), layers

    def seconds(self, plan: Plan) -> Seconds:
        """Of all layers, one micro-batch forward and backward."""
        _, layers = self.layers(plan)
        if id(layers) not in self._sums:
            ways = ("forward", "inputs", "weights")
            found = total(getattr(layer, way) for layer in layers for way in ways)
            self._sums[id(layers)] = found
        return self._sums[id(layers)]

    def whole(self, plan: Plan) -> Staged:
        """All layers as one chunk, wherever they are cut."""
        pricer, layers = self.layers(plan)
        slots = self.share(plan) // (plan.micro_batch or self.share(plan))
        cuts = ((0, len(layers)),)
        return Staged(plan, self.subject.system, pricer.graph, pricer, slots, (layers,), cuts)

    def least_seconds(self, plan: Plan) -> Seconds:
        """No more than `seconds` of any plan that differs in `EASED`, but for full recomputation:
        that adds the forward pass, as far as no host is waited for."""
        eased = plan.model_copy(update=EASED)
        pricer, layers = self.layers(eased)
        again = []
        if plan.recompute == "full" and pricer.code is None:
            again = [layer.forward for layer in layers[:-1]]
        return total([self.seconds(eased), *again])

    def _pricer(self, plan: Plan, micro: int, count: int) -> Pricer:
        if micro not in self._pricers:
            self._pricers[micro] = Pricer(
                self.graph(micro),
                self.subject.system,
                plan,
                self.calibration,
                software=self.subject.software,
                micro_batches=count,
            )
        return self._pricers[micro].beside(self.graph(micro), plan, count)

    def _key(self, plan: Plan, micro: int, count: int) -> object:
        software, system = self.subject.software, self.subject.system
        accumulated = software is not None and software.accumulate and count > 1
        sharded = plan.dp * plan.cp if accumulated and plan.zero >= 2 else 1
        axes = [axis for axis in ("tp", "cp", "ep") if getattr(plan, axis) > 1]
        return (
            micro,
            tuple(getattr(plan, name) for name in READ),
            tuple(group(plan, axis, system) for axis in axes),  # type: ignore[arg-type]
            (plan.schedule == "zero-bubble", plan.pp > 1, bool(accumulated), sharded),
        )

    def staged(self, plan: Plan) -> Staged:
        """The step of a plan that suits workload and system, as `hwsim.parallel.staged` has it."""
        subject = self.subject
        if plan.time_chunks > 1:
            workload = scaled(subject.workload, plan)
            return staged(
                workload, subject.system, plan, self.calibration, software=subject.software
            )
        pricer, layers = self.layers(plan)
        check_experts(subject.workload.name, layers, plan)
        graph, slots = pricer.graph, self.share(plan) // (plan.micro_batch or self.share(plan))
        key = id(layers) if plan.balance == "cost" else plan.balance, plan.pp, plan.virtual
        if key not in self._cuts:
            costs = [layer.seconds for layer in layers]
            self._cuts[key] = cuts_of(subject.workload.name, graph, costs, plan)
        cuts = self._cuts[key]
        parts = tuple(layers[begin:end] for begin, end in cuts)
        return Staged(plan, subject.system, graph, pricer, slots, parts, cuts)

    def memories(self, plan: Plan) -> tuple[LayerMemory, ...]:
        """What a device holds of each layer. Raises InputError where it can't be split."""
        micro = plan.micro_batch or self.share(plan)
        key = (micro, tuple(getattr(plan, name) for name in READ if name != "recompute"))
        if key not in self._memories:
            graph = self.graph(micro)
            layers = [split(layer, plan, "plan") for layer in graph.layers]
            self._memories[key] = layer_memories(layers, graph.dtype)
        return self._memories[key]

    def needed(self, step: Staged) -> StageMemory:
        """The fullest stage's bytes."""
        plan, graph = step.plan, step.graph
        if plan.time_chunks > 1:
            return needed(scaled(self.subject.workload, plan), plan, step.cuts)
        layers = self.memories(plan)
        stages = footprint(layers, step.cuts, plan, graph.dtype, graph.optimizer, step.slots)
        return fullest(stages)


def as_planned(step: Staged, plan: Plan) -> Staged:
    """The same stages under a plan that differs in fields of `space.LIGHT` alone."""
    pricer = copy.copy(step.pricer)
    pricer.plan = plan
    return replace(step, plan=plan, pricer=pricer)
