"""A step as its pipeline stages: priced layers on each, and the hops between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.graph.step import StepGraph
from hwsim.graph.workload import Workload
from hwsim.hardware.spec import System
from hwsim.parallel import stages
from hwsim.parallel.check import samples
from hwsim.parallel.placement import hop
from hwsim.parallel.plan import Plan
from hwsim.parallel.price import PricedLayer, Pricer
from hwsim.parallel.program import Work

MOST_LAYERS = 100_000  # every one is priced and placed


@dataclass(frozen=True)
class Staged:
    """`chunks[k]` are the layers of global chunk k, which is on stage k mod pp: those of the graph
    from `cuts[k][0]` to before `cuts[k][1]`, equal ones unrolled.

    `graph` is one micro-batch (or one time chunk of one) on one replica; `slots` of them go
    through in a step.
    """

    plan: Plan
    system: System
    graph: StepGraph
    pricer: Pricer
    slots: int
    chunks: tuple[tuple[PricedLayer, ...], ...]
    cuts: tuple[tuple[int, int], ...]

    def on(self, stage: int) -> tuple[tuple[PricedLayer, ...], ...]:
        """The chunks of a stage, its first one first."""
        return self.chunks[stage :: self.plan.pp]

    @cached_property
    def hops(self) -> tuple[Work, ...]:
        """What carries activations from chunk k to chunk k + 1, and gradients back."""
        among = [hop(self.plan, stage, self.system) for stage in range(self.plan.pp)]
        return tuple(
            self.pricer.transfer("send", chunk[-1].sent, among[number % self.plan.pp])
            for number, chunk in enumerate(self.chunks[:-1])
        )

    def parameters(self, stage: int) -> tuple[float, float]:
        """Parameters on one device of a stage: those of all, those of its experts."""
        layers = [layer for chunk in self.on(stage) for layer in chunk]
        return (
            sum(layer.gradients for layer in layers),
            sum(layer.expert_gradients for layer in layers),
        )

    def update(self, stage: int) -> Work:
        """The optimizer on what one device of the stage updates; with sharded state its share."""
        shared, experts = self.parameters(stage)
        if self.plan.zero:
            shared /= self.plan.dp * self.plan.cp
            experts /= self.plan.dp * self.plan.cp / self.plan.ep
        return self.pricer.update(shared + experts)


def staged(workload: Workload, system: System, plan: Plan, calibration: Calibration) -> Staged:
    """The step of a plan that was checked against workload and system.

    Raises InputError if an operator can't be split so, if there are fewer layers than chunks, or
    if the device has no rate for the data type.
    """
    share = samples(plan, workload)
    micro = plan.micro_batch or share
    chunked = plan.time_chunks > 1
    graph = workload.time_chunk(plan.time_chunks, micro) if chunked else workload.graph(micro)
    count = sum(layer.repeat for layer in graph.layers)
    if count > MOST_LAYERS:
        raise InputError(
            "workload",
            f"found {count:,} layers",
            f"write fewer: at most {MOST_LAYERS:,} are simulated",
        )
    pricer = Pricer(graph, system, plan, calibration)
    layers = tuple(pricer.layers())
    stages.check(workload.name, len(layers), plan.pp, plan.virtual)
    cuts = stages.partition(_costs(graph, layers, plan), plan.pp * plan.virtual)
    chunks = tuple(layers[begin:end] for begin, end in cuts)
    if plan.ep > 1 and not any(layer.expert_gradients for layer in layers):
        what = f"found {plan.ep}, but {workload.name} has no experts"
        raise InputError("plan.ep", what, "write 1")
    slots = share // micro * plan.time_chunks
    return Staged(plan, system, graph, pricer, slots, chunks, tuple(cuts))


def _costs(graph: StepGraph, layers: Sequence[PricedLayer], plan: Plan) -> list[float]:
    """What stages are balanced by."""
    if plan.balance == "cost":
        return [layer.seconds for layer in layers]
    most = max(graph.layers, key=lambda layer: layer.repeat).name
    return [float(layer.name == most) for layer in layers]
