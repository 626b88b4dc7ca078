"""A step as its pipeline stages: priced layers on each, and the hops between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.graph.step import StepGraph
from hwsim.graph.workload import Workload
from hwsim.hardware.spec import System
from hwsim.parallel import schedule, stages
from hwsim.parallel.check import samples
from hwsim.parallel.placement import hop
from hwsim.parallel.plan import Plan, Schedule
from hwsim.parallel.price import Pricer
from hwsim.parallel.priced import PricedLayer
from hwsim.parallel.program import Work
from hwsim.parallel.schedule import Slot
from hwsim.software.spec import Software

MOST_LAYERS = 10_000  # every one is priced and placed


@dataclass(frozen=True)
class Staged:
    """`chunks[k]` are the layers of global chunk k, which is on stage k mod pp: those of the graph
    from `cuts[k][0]` to before `cuts[k][1]`, equal ones unrolled.

    `graph` is one micro-batch (or one time chunk of one) on one replica; `slots` of them go
    through each chunk in a step. A recurrence that is cut inside its time step makes a `ring`: its
    time steps are what the chunks of an interleaved pipeline are, all of the same layers.
    """

    plan: Plan
    system: System
    graph: StepGraph
    pricer: Pricer
    slots: int
    chunks: tuple[tuple[PricedLayer, ...], ...]
    cuts: tuple[tuple[int, int], ...]
    ring: bool = False

    @property
    def rounds(self) -> int:
        """Chunks that each stage goes through with a micro-batch."""
        return self.plan.time_chunks if self.ring else self.plan.virtual

    @property
    def kind(self) -> Schedule:
        """In whose order slots come."""
        return "interleaved" if self.ring else self.plan.schedule

    @property
    def times(self) -> int:
        """Slots that a micro-batch makes in a chunk."""
        return 1 if self.ring else self.plan.time_chunks

    def order(self, stage: int) -> Iterator[Slot]:
        """The slots of a stage."""
        micro_batches = self.slots // self.times
        return schedule.order(
            self.kind, self.plan.pp, stage, micro_batches, self.rounds, self.times
        )

    def passes(self, kind: Literal["F", "B", "W"]) -> Iterator[tuple[int, int]]:
        """Chunk and number of every slot of one kind, in the order of every stage."""
        micro_batches = self.slots // self.times
        return schedule.passes(
            kind, self.kind, self.plan.pp, micro_batches, self.rounds, self.times
        )

    def hop(self, chunk: int) -> Work:
        """What carries activations from a global chunk to the next one, and gradients back."""
        return self.hops[chunk % len(self.hops)]

    def on(self, stage: int) -> tuple[tuple[PricedLayer, ...], ...]:
        """The chunks of a stage, its first one first."""
        return self.chunks[stage :: self.plan.pp]

    @cached_property
    def tied(self) -> float:
        """Parameters of the matrix that the first and the last stage share."""
        return max((layer.tied for chunk in self.chunks for layer in chunk), default=0.0)

    @cached_property
    def hops(self) -> tuple[Work, ...]:
        """What chunks send, the first one first; in a ring the last one sends the state, which is
        as large as what the first layer puts out."""
        among = [hop(self.plan, stage, self.system) for stage in range(self.plan.pp)]
        sent = [chunk[-1].sent for chunk in self.chunks]
        sent[-1:] = [self.chunks[0][0].sent] if self.ring else []
        return tuple(
            self.pricer.transfer("send", size, among[number % self.plan.pp], "hop")
            for number, size in enumerate(sent)
        )

    def parameters(self, stage: int) -> tuple[float, float]:
        """Parameters on one device of a stage: those of all, those of its experts."""
        layers = [layer for chunk in self.on(stage) for layer in chunk]
        return (
            sum(layer.gradients for layer in layers),
            sum(layer.expert_gradients for layer in layers),
        )

    def update(self, stage: int) -> Work:
        """The optimizer on what one device of the stage updates."""
        plan = self.plan
        own = updated(*self.parameters(stage), plan.zero > 0, plan.dp * plan.cp, plan.ep)
        return self.pricer.update(own)


def updated(shared: Any, experts: Any, sharded: Any, replicas: Any, ep: Any) -> Any:
    """Parameters that one device updates, of those that it has: its share where state is sharded.

    >>> updated(6.0, 8.0, False, 4, 2), updated(6.0, 8.0, True, 4, 2)
    (14.0, 5.5)
    """
    ways = 1 + sharded * (replicas - 1)
    return shared / ways + experts / (1 + sharded * (replicas / ep - 1))


def staged(
    workload: Workload,
    system: System,
    plan: Plan,
    calibration: Calibration,
    *,
    software: Software | None = None,
) -> Staged:
    """The step of a plan that was checked against workload and system, as `software` runs it.

    Raises InputError if an operator can't be split so, if there are fewer layers than chunks, if a
    ring has no such order, or if the device has no rate for the data type.
    """
    whole = uncut(workload, system, plan, calibration, software=software)
    costs = [layer.seconds for layer in whole.layers]
    return whole.cut(cuts_of(workload.name, whole.graph, costs, plan))


@dataclass(frozen=True)
class Uncut:
    """A step of the workload `name` before its layers are dealt out to stages; fields as those of
    `Staged`."""

    name: str
    plan: Plan
    system: System
    graph: StepGraph
    pricer: Pricer
    slots: int
    layers: tuple[PricedLayer, ...]
    ring: bool

    def cut(self, cuts: tuple[tuple[int, int], ...]) -> Staged:
        """With (first, end) of the layers of each chunk."""
        chunks = tuple(self.layers[begin:end] for begin, end in cuts)
        own = (self.plan, self.system, self.graph, self.pricer, self.slots)
        return Staged(*own, chunks, cuts, self.ring)


def uncut(
    workload: Workload,
    system: System,
    plan: Plan,
    calibration: Calibration,
    *,
    software: Software | None = None,
) -> Uncut:
    """The step of a plan but for its stages. Raises InputError as `staged`."""
    graph = micro_graph(workload, plan)
    micro_batches = samples(plan, workload) // graph.batch
    pricer = Pricer(
        graph, system, plan, calibration, software=software, micro_batches=micro_batches
    )
    layers = tuple(pricer.layers())
    ring = graph.ring and plan.pp > 1
    slots = check_slots(plan, micro_batches, ring=ring)
    stages.check(workload.name, len(layers), plan.pp, plan.virtual)
    check_experts(workload.name, layers, plan)
    return Uncut(workload.name, plan, system, graph, pricer, slots, layers, ring)


def micro_graph(workload: Workload, plan: Plan) -> StepGraph:
    """One micro-batch on one replica, or one time chunk of it. Raises InputError for a sequence
    that can't be cut so, and for too many layers."""
    micro = plan.micro_batch or samples(plan, workload)
    chunked = plan.time_chunks > 1
    # Chunks behind the first have one product more: all are priced so.
    graph = workload.time_chunk(plan.time_chunks, micro, 1) if chunked else workload.graph(micro)
    count = sum(layer.repeat for layer in graph.layers)
    if count > MOST_LAYERS:
        raise InputError(
            "workload",
            f"found {count:,} layers",
            f"write fewer: at most {MOST_LAYERS:,} are simulated",
        )
    return graph


def check_slots(plan: Plan, micro_batches: int, *, ring: bool) -> int:
    """How many slots go through each chunk. Raises InputError where a `ring` has no order."""
    if ring:
        _check_ring(plan, micro_batches)
        return micro_batches
    return micro_batches * plan.time_chunks


def cuts_of(
    name: str, graph: StepGraph, costs: Sequence[float], plan: Plan
) -> tuple[tuple[int, int], ...]:
    """(first, end) of the layers of each chunk, which take `costs`. Raises InputError where the
    workload `name` has fewer layers than chunks."""
    stages.check(name, len(costs), plan.pp, plan.virtual)
    chunks = plan.pp * plan.virtual
    if plan.balance != "cost":
        costs = stages.numbers(graph.layers, chunks)
    return tuple(stages.partition(costs, chunks))


def check_experts(name: str, layers: Iterable[PricedLayer], plan: Plan) -> None:
    """Raises InputError for expert parallelism of a workload `name` without experts."""
    if plan.ep > 1 and not any(layer.expert_gradients for layer in layers):
        what = f"found {plan.ep}, but {name} has no experts"
        raise InputError("plan.ep", what, "write 1")


def _check_ring(plan: Plan, micro_batches: int) -> None:
    """Raises InputError where a recurrence that is cut inside its time step has no order."""
    chosen = {"schedule": plan.schedule, "virtual": plan.virtual}
    for name, value in chosen.items():
        if value != (default := Plan.model_fields[name].default):
            what = f"found {value}, but time_chunks of one item each have an order of their own"
            raise InputError(f"plan.{name}", what, f"write {default}, or fewer time_chunks")
    if micro_batches % plan.pp:
        raise InputError(
            "plan.micro_batch",
            f"found {micro_batches} micro-batches, which time_chunks of one item each can't deal "
            f"out to {plan.pp} stages in turns",
            f"write a size that makes a multiple of {plan.pp} of them, or fewer time_chunks",
        )
