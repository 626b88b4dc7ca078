"""Seconds of every operator of a step on one device: what the lowering and the closed forms share.

A step's layers, split over the devices that share them, are priced once each: forward, gradients
of the inputs, gradients of the weights, and what is said between devices meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from hwsim.cost.calibration import Calibration
from hwsim.cost.collectives import transfer
from hwsim.cost.groups import Group
from hwsim.cost.offload import host_bandwidth
from hwsim.cost.quantized import Launch, Quantization, StepRates, step_rates
from hwsim.cost.roofline import BOUNDS, kernel_cost, spread_of
from hwsim.graph.dtypes import stored_bytes
from hwsim.graph.ops import Kernel, Linear, Op
from hwsim.graph.step import (
    MOMENTS,
    Layer,
    StepGraph,
    parameter_bytes,
    state_bytes,
    unscale_kernel,
    update_kernel,
)
from hwsim.hardware.spec import System
from hwsim.parallel.exchange import Axis, Exchange
from hwsim.parallel.placement import group
from hwsim.parallel.plan import Plan
from hwsim.parallel.program import HERE, Link, Work
from hwsim.parallel.split import Shard, split

ANY, UPDATE = "any", "update.fused"  # families of framework code
# Ends of the names of kernels that compute gradients of weights.
OF_WEIGHTS = ("wgrad", "bgrad", "clear", "scatter")


class Seconds(NamedTuple):
    """Time by what bounds it; `doubt` is the sum of seconds times their spread."""

    compute: float = 0.0
    memory: float = 0.0
    launch: float = 0.0
    communication: float = 0.0
    doubt: float = 0.0

    @property
    def total(self) -> float:
        return self.compute + self.memory + self.launch + self.communication

    def work(self) -> Work:
        """The same as what the simulation runs."""
        total = self.total
        parts = tuple(
            (name, seconds)
            for name, seconds in zip((*BOUNDS, "communication"), self, strict=False)
            if seconds
        )
        return Work(total, parts, spread=self.doubt / total if total else 0.0)


NOTHING = Seconds()


def total(found: Iterable[Seconds]) -> Seconds:
    """The sum of several.

    >>> total([Seconds(compute=1.0), Seconds(memory=2.0, doubt=0.5)]).total
    3.0
    """
    compute = memory = launch = communication = doubt = 0.0
    for one in found:
        compute += one[0]
        memory += one[1]
        launch += one[2]
        communication += one[3]
        doubt += one[4]
    return Seconds(compute, memory, launch, communication, doubt)


class Said(NamedTuple):
    """An exchange and what it takes: `work` alone, `seen` the seconds that computing waits."""

    exchange: Exchange
    work: Work
    seen: Seconds


@dataclass(frozen=True)
class Pass:
    """One way of an operator: what it computes, then what it says."""

    computed: Seconds = NOTHING
    said: tuple[Said, ...] = ()

    @cached_property
    def seconds(self) -> Seconds:
        return total([self.computed, *(one.seen for one in self.said)])

    @cached_property
    def work(self) -> Work:
        """What it computes, as a task of its own."""
        return self.computed.work()


@dataclass(frozen=True)
class PricedOp:
    """`inputs` and `weights` are the halves of the backward pass; `again` is what recomputation
    adds in front of it. `gradients`, `expert_gradients`: parameters whose gradients are summed."""

    name: str
    forward: Pass
    inputs: Pass
    weights: Pass
    again: Pass | None
    gradients: float
    expert_gradients: float


@dataclass(frozen=True)
class PricedLayer:
    """One layer on one device. `sent` bytes go on to the next stage; `saved` bytes stay for the
    backward pass; `replicated` of the parameters are whole on every tensor neighbor, `tied` are
    those of a matrix that an earlier layer owns."""

    name: str
    ops: tuple[PricedOp, ...]
    sent: float
    saved: float
    replicated: float
    tied: float

    @cached_property
    def forward(self) -> Seconds:
        return total(op.forward.seconds for op in self.ops)

    @cached_property
    def inputs(self) -> Seconds:
        """Backward without the weights' gradients, what is recomputed included."""
        again = [op.again.seconds for op in self.ops if op.again is not None]
        return total([*again, *(op.inputs.seconds for op in self.ops)])

    @cached_property
    def weights(self) -> Seconds:
        return total(op.weights.seconds for op in self.ops)

    @cached_property
    def seconds(self) -> float:
        return self.forward.total + self.inputs.total + self.weights.total

    @cached_property
    def gradients(self) -> float:
        """Parameters of this device but the experts'."""
        return sum(op.gradients for op in self.ops)

    @cached_property
    def expert_gradients(self) -> float:
        return sum(op.expert_gradients for op in self.ops)


class Pricer:
    """Prices layers of `graph` on one device of a plan; equal kernels and messages once.

    `recipe` is how operands are cast where training is in fp8 or fp4; None: as its format has it.
    """

    def __init__(
        self,
        graph: StepGraph,
        system: System,
        plan: Plan,
        calibration: Calibration,
        recipe: Quantization | None = None,
    ) -> None:
        self.graph, self.system, self.plan, self.calibration = graph, system, plan, calibration
        self.rates, self._updating = (
            step_rates(system.device, calibration, graph.dtype, family=name, recipe=recipe)
            for name in (family(graph, calibration), UPDATE)
        )
        self._groups: dict[Axis, Group] = {}
        self._carried: dict[tuple[str, float, Group, int], Work] = {}
        self._costs: dict[Kernel, Seconds] = {}

    def layers(self) -> Iterator[PricedLayer]:
        """Every layer in order, equal ones unrolled: they are the same object."""
        last = len(self.graph.layers) - 1
        received = 0.0
        for number, layer in enumerate(self.graph.layers):
            # Behind the last layer's forward pass its backward pass follows at once.
            recompute = "none" if number == last else self.plan.recompute
            priced = self.layer(layer, recompute)
            if recompute == "full":
                kept = min(priced.saved, received if layer.repeat == 1 else priced.sent)
                priced = replace(priced, saved=kept)
            received = priced.sent
            yield from [priced] * layer.repeat

    def layer(self, layer: Layer, recompute: str = "none") -> PricedLayer:
        """One layer. Raises InputError if the plan can't split it or a link is missing."""
        shared = split(layer, self.plan)
        ops = tuple(self._op(shard, recompute) for shard in shared.shards)
        size = stored_bytes(self.graph.dtype)
        one = replace(shared, repeat=1)
        dropped = sum(
            shard.op.recomputable * size + shard.op.masks
            for shard in shared.shards
            if recompute == "selective" and shard.op.core
        )
        tied = sum(
            shard.op.inputs * shard.op.outputs
            for shard in shared.shards
            if isinstance(shard.op, Linear) and shard.op.tied
        )
        return PricedLayer(
            layer.name,
            ops,
            sent=shared.output * size,
            saved=one.saved_bytes(self.graph.dtype) - dropped,
            replicated=one.replicated_parameters,
            tied=tied,
        )

    @property
    def hides(self) -> bool:
        """Whether transfers hide behind computing: not on a CPU, whose threads do both."""
        return self.rates.plain.host is None

    def update(self, parameters: float) -> Work:
        """The optimizer over so many parameters, with what the plan adds to it."""
        dtype, plan = self.graph.dtype, self.plan
        optimizer, master = self.graph.optimizer, plan.master_weights
        kernels = [update_kernel(optimizer, dtype, parameters, master=master)]
        if plan.loss_scaling:
            kernels.insert(0, unscale_kernel(dtype, parameters))
        computed = total(self._computed(kernel, self._updating) for kernel in kernels)
        seconds, spread = computed.total, computed.work().spread
        if plan.offload == "optimizer":  # states come and go over the host's link meanwhile
            copy = parameter_bytes(dtype, master=plan.master_weights) - stored_bytes(dtype)
            states = MOMENTS[optimizer] * state_bytes(dtype) + copy
            seconds = max(seconds, parameters * states / host_bandwidth(self.system))
        return Work(seconds, (("update", seconds),), spread)

    def transfer(self, collective: str, size: float, among: Group, copies: int = 1) -> Work:
        """A collective on `size` bytes as something that one device's links carry."""
        key = (collective, size, among, copies)
        if key not in self._carried:
            made = transfer(collective, size, among, self.system, self.calibration, copies=copies)
            self._carried[key] = Work(
                made.seconds,
                (("communication", made.seconds),) if made.seconds else (),
                made.spread,
                made.fixed,
                tuple((Link(HERE, kind), load) for kind, load in made.loads),
                made.taken,
            )
        return self._carried[key]

    def _op(self, shard: Shard, recompute: str) -> PricedOp:
        op = shard.op
        ahead, backward = op.forward(), op.backward()
        forward = self._pass(ahead, shard.forward, ahead)
        own = [kernel for kernel in backward if kernel.name.rpartition(".")[2] in OF_WEIGHTS]
        others = [kernel for kernel in backward if kernel not in own]
        # Weights' gradients that a schedule puts off hide nothing.
        there = others if self.plan.schedule == "zero-bubble" else backward
        repeated = recompute == "full" or (recompute == "selective" and op.core)
        return PricedOp(
            op.name,
            forward,
            self._pass(others, shard.backward, there),
            self._pass(own, (), ()),
            forward if repeated else None,
            op.parameters - op.expert_parameters + self._copied(op),
            op.expert_parameters,
        )

    def _copied(self, op: Op) -> float:
        """Parameters that the last stage has as a copy of the first's: both sum and update them."""
        if isinstance(op, Linear) and op.tied and self.plan.pp > 1:
            return op.inputs * op.outputs
        return 0.0

    def _pass(
        self, kernels: Iterable[Kernel], exchanges: Iterable[Exchange], beside: Iterable[Kernel]
    ) -> Pass:
        """Kernels and exchanges, which may overlap one of those `beside` them."""
        said = []
        left: dict[str, float] = {}
        for exchange in exchanges:
            left = left or {kernel.name: self._product(kernel).total for kernel in beside}
            name = exchange.beside or ""
            one = self._say(exchange, left.get(name, 0.0))
            left[name] = left.get(name, 0.0) - (one.work.seconds - one.seen.total)
            said.append(one)
        return Pass(total(self._cost(kernel) for kernel in kernels), tuple(said))

    def _cost(self, kernel: Kernel) -> Seconds:
        if kernel not in self._costs:
            self._costs[kernel] = self._computed(kernel, self.rates)
        return self._costs[kernel]

    def _computed(self, kernel: Kernel, reached: StepRates) -> Seconds:
        return total(_seconds(one) for one in reached.launches(kernel))

    def _product(self, kernel: Kernel) -> Seconds:
        """A kernel without the casts in front of it."""
        *_, last = self.rates.launches(kernel)
        return _seconds(last)

    def _say(self, exchange: Exchange, product: float) -> Said:
        """An exchange beside the seconds of a product that no other one overlaps."""
        size = exchange.element_bytes or stored_bytes(self.graph.dtype)
        among = self._group(exchange.axis)
        bytes_sent = exchange.elements * size
        once = self.transfer(exchange.collective, bytes_sent, among, exchange.copies)
        n = exchange.repeat
        work = once._replace(
            seconds=n * once.seconds,
            parts=tuple((part, n * seconds) for part, seconds in once.parts),
            fixed=n * once.fixed,
        )
        seen = work.seconds
        if self.plan.tensor_overlap:
            seen = overlapped(product, seen, getattr(self.plan, exchange.axis))
        return Said(exchange, work, Seconds(communication=seen, doubt=seen * work.spread))

    def _group(self, axis: Axis) -> Group:
        if axis not in self._groups:
            self._groups[axis] = group(self.plan, axis, self.system)
        return self._groups[axis]


def _seconds(launch: Launch) -> Seconds:
    cost = kernel_cost(*launch)
    doubt = cost.seconds * spread_of(launch.kernel, launch.rates)
    return NOTHING._replace(**{BOUNDS[cost.bound]: cost.seconds}, doubt=doubt)


def overlapped(product: float, said: float, chunks: int) -> float:
    """Seconds of an exchange that are seen beside a product when both are cut in chunks.

        t = max(p, x) + min(p, x) / n - p

    The first chunk of the one waits for the first of the other (Wang et al. 2023, ASPLOS,
    "Overlap communication with dependent computation via decomposition").

    >>> overlapped(8.0, 4.0, 4), overlapped(4.0, 8.0, 4), overlapped(8.0, 4.0, 1)
    (1.0, 5.0, 4.0)
    """
    return max(product, said) + min(product, said) / chunks - product


def family(graph: StepGraph, calibration: Calibration) -> str:
    """The family of framework code that issues a graph's kernels: its own, or any other's."""
    return graph.family if graph.family in calibration.eager else ANY
