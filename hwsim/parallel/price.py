"""Seconds of every operator of a step on one device.

A step's layers, split over the devices that share them, are priced once each: forward, gradients
of the inputs, gradients of the weights, and what is said between devices meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from hwsim.cost.calibration import Calibration, Code
from hwsim.cost.collectives import transfer
from hwsim.cost.groups import Group
from hwsim.cost.offload import host_bandwidth
from hwsim.cost.pick import greater, is_array, lesser
from hwsim.cost.quantized import AHEAD, Launch, Quantization, StepRates, step_rates
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
from hwsim.parallel.launched import Kernels, launched
from hwsim.parallel.placement import group
from hwsim.parallel.plan import Plan
from hwsim.parallel.priced import NOTHING, Pass, PricedLayer, PricedOp, Said, Seconds, total
from hwsim.parallel.program import HERE, Link, Work
from hwsim.parallel.split import Shard, SplitLayer, split
from hwsim.parallel.waits import waited
from hwsim.software import catalog as profiles
from hwsim.software.spec import Software

# What is carried, as the factors of `Code` name it.
Carrying = Literal["exchange", "gradients", "hop"]
ANY, UPDATE = "any", "update.fused"  # families of framework code
# Ends of the names of kernels that compute gradients of weights.
OF_WEIGHTS = ("wgrad", "bgrad", "clear", "scatter")


class Pricer:
    """Prices layers of `graph` on one device of a plan; equal kernels and messages once.

    `software` is the profile of what runs them; `recipe` is how operands are cast where training is
    in fp8 or fp4 (None: as the profile does, else as its format has it).
    """

    def __init__(
        self,
        graph: StepGraph,
        system: System,
        plan: Plan,
        calibration: Calibration,
        software: Software | None = None,
        micro_batches: int = 1,
        recipe: Quantization | None = None,
    ) -> None:
        self.graph, self.system, self.plan, self.calibration = graph, system, plan, calibration
        self.software, self.micro_batches = software, micro_batches
        mixture = any(layer.expert_parameters for layer in graph.layers)
        self.code = code_of(software, calibration, graph.family, mixture=mixture)
        recipe = recipe or recipe_of(software)
        self.rates, self._updating = (
            step_rates(
                system.device, calibration, graph.dtype, family=name, code=code, recipe=recipe
            )
            for name, code in ((family(graph, calibration), self.code), (UPDATE, None))
        )
        self._groups: dict[Axis, Group] = {}
        self._carried: dict[tuple[str, float, Group, Carrying, int], Work] = {}
        self._costs: dict[Kernel, Seconds] = {}
        self._products: dict[Kernel, Seconds] = {}
        self._shared: dict[int, tuple[Layer, SplitLayer, tuple[PricedOp, ...]]] = {}

    def beside(
        self, graph: StepGraph, plan: Plan, micro_batches: int, *, alike: bool = False
    ) -> Pricer:
        """The same for another plan and size of micro-batch of the workload; what both ask for is
        priced once. `alike`: the plans differ in nothing but `recompute` that prices depend on."""
        other = copy(self)
        other.graph, other.plan, other.micro_batches = graph, plan, micro_batches
        if not alike:
            other._groups, other._shared = {}, {}
        return other

    def layers(self) -> Iterator[PricedLayer]:
        """Every layer in order, equal ones unrolled: they are the same object."""
        for layer, repeat in self.different():
            yield from [layer] * repeat

    def different(self) -> Iterator[tuple[PricedLayer, int]]:
        """Every layer of the graph with its number of repeats."""
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
            yield priced, layer.repeat

    def layer(self, layer: Layer, recompute: str = "none") -> PricedLayer:
        """One layer. Raises InputError if the plan can't split it or a link is missing."""
        if id(layer) not in self._shared:
            made = split(layer, self.plan)
            kernels = launched([shard.op for shard in made.shards], self.software)
            pairs = zip(made.shards, kernels, strict=True)
            self._shared[id(layer)] = layer, made, tuple(self._op(*pair) for pair in pairs)
        _, shared, plain = self._shared[id(layer)]
        ops = tuple(
            replace(one, again=one.forward) if _repeated(shard.op, recompute) else one
            for one, shard in zip(plain, shared.shards, strict=True)
        )
        if self.code is not None:
            ops = waited(ops, apart=self.plan.schedule == "zero-bubble")
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
        seconds, spread = computed.total, computed.spread
        if self.code is not None:
            seconds *= self.code.update
        if plan.offload == "optimizer":  # states come and go over the host's link meanwhile
            copy = parameter_bytes(dtype, master=plan.master_weights) - stored_bytes(dtype)
            states = MOMENTS[optimizer] * state_bytes(dtype) + copy
            seconds = greater(seconds, parameters * states / host_bandwidth(self.system))
        if self.code is not None:
            seconds += self.code.step
        return Work(seconds, (("update", seconds),), spread)

    @property
    def gradient_bytes(self) -> float:
        """Bytes of a gradient while it is summed over devices: none narrower than its tensors."""
        if self.software is None:
            return state_bytes(self.graph.dtype)
        return max(stored_bytes(self.graph.dtype), float(self.software.gradients))

    def transfer(
        self, collective: str, size: float, among: Group, what: Carrying, copies: int = 1
    ) -> Work:
        """A collective on `size` bytes as something that one device's links carry."""
        key = (collective, size, among, what, copies)
        if key not in self._carried:
            made = transfer(collective, size, among, self.system, self.calibration, copies=copies)
            slower = 1.0 if self.code is None else float(getattr(self.code, what))
            seconds = slower * made.seconds
            self._carried[key] = Work(
                seconds,
                (("communication", seconds),) if among.devices > 1 else (),
                made.spread,
                slower * made.fixed,
                tuple((Link(HERE, kind), lesser(load / slower, 1.0)) for kind, load in made.loads),
                made.taken,
            )
        return self._carried[key]

    def _op(self, shard: Shard, kernels: Kernels) -> PricedOp:
        op = shard.op
        ahead, backward = kernels
        forward = self._pass(ahead, shard.forward, ahead, back=False)
        own = [kernel for kernel in backward if kernel.name.rpartition(".")[2] in OF_WEIGHTS]
        others = [kernel for kernel in backward if kernel not in own]
        # Weights' gradients that a schedule puts off hide nothing.
        there = others if self.plan.schedule == "zero-bubble" else backward
        return PricedOp(
            op.name,
            forward,
            self._pass(others, shard.backward, there),
            self._pass([*own, *self._accumulated(op)], (), ()),
            None,
            op.parameters - op.expert_parameters + self._copied(op),
            op.expert_parameters,
        )

    def _accumulated(self, op: Op) -> tuple[Kernel, ...]:
        """The sum with the gradients of earlier micro-batches, where it is a kernel of its own: of
        a device's share, where gradients are sharded."""
        moved = 0.0 if self.software is None else self.software.accumulate
        if not moved or not op.parameters or self.micro_batches == 1:
            return ()
        shards = self.plan.dp * self.plan.cp if self.plan.zero >= 2 else 1
        # Of its own experts a device shares the gradients with the fewer that have them too.
        spread = self.plan.ep if self.plan.zero >= 2 else 1
        size = (op.parameters + (spread - 1) * op.expert_parameters) / shards
        return (Kernel(f"{op.name}.accumulate", "vector", size, size, element_bytes=moved),)

    def _copied(self, op: Op) -> float:
        """Parameters that the last stage has as a copy of the first's: both sum and update them."""
        if isinstance(op, Linear) and op.tied and self.plan.pp > 1:
            return op.inputs * op.outputs
        return 0.0

    def _pass(
        self,
        kernels: Sequence[Kernel],
        exchanges: Iterable[Exchange],
        beside: Iterable[Kernel],
        *,
        back: bool = True,
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
        computed = total(self._cost(kernel) for kernel in kernels)
        return Pass(computed, tuple(said), self._issue(kernels, len(said), back=back))

    def _issue(self, kernels: Sequence[Kernel], exchanges: int, *, back: bool) -> float:
        """Seconds in which the host issues kernels and exchanges, where it runs ahead."""
        if self.code is None:
            return 0.0
        slower = self.code.backward if back else 1.0
        launches = (one.kernel for kernel in kernels for one in self.rates.launches(kernel))
        return slower * self.code.issue * (exchanges + sum(kernel.launches for kernel in launches))

    def _cost(self, kernel: Kernel) -> Seconds:
        if kernel not in self._costs:
            unnamed = replace(kernel, name="")
            if unnamed not in self._costs:
                self._costs[unnamed] = self._computed(unnamed, self.rates)
            self._costs[kernel] = self._costs[unnamed]
        return self._costs[kernel]

    def _computed(self, kernel: Kernel, reached: StepRates) -> Seconds:
        return total(_seconds(one) for one in reached.launches(kernel))

    def _product(self, kernel: Kernel) -> Seconds:
        """A kernel without the casts in front of it."""
        if kernel not in self._products:
            *casts, last = self.rates.launches(kernel)
            self._products[kernel] = _seconds(last) if casts else self._cost(kernel)
        return self._products[kernel]

    def _say(self, exchange: Exchange, product: float) -> Said:
        """An exchange beside the seconds of a product that no other one overlaps."""
        size = exchange.element_bytes or stored_bytes(self.graph.dtype)
        among = self._group(exchange.axis)
        moved = exchange.elements * size
        once = self.transfer(exchange.collective, moved, among, "exchange", exchange.copies)
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


def _repeated(op: Op, recompute: str) -> bool:
    """Whether an operator's forward pass is computed again."""
    return recompute == "full" or (recompute == "selective" and op.core)


def _seconds(launch: Launch) -> Seconds:
    cost = kernel_cost(*launch)
    doubt = cost.seconds * spread_of(launch.kernel, launch.rates)
    if is_array(cost.bound):
        least, most = (int(end(cost.bound)) for end in (np.min, np.max))
        if least == most:
            return NOTHING._replace(**{BOUNDS[least]: cost.seconds}, doubt=doubt)
        bounds: Any = range(len(BOUNDS))
        by: Any = (np.where(cost.bound == one, cost.seconds, 0.0) for one in bounds)
        return Seconds(*by)._replace(doubt=doubt)
    return NOTHING._replace(**{BOUNDS[cost.bound]: cost.seconds}, doubt=doubt)


def recipe_of(software: Software | None) -> Quantization | None:
    """How a profile casts operands: casts that are part of the kernel before read nothing."""
    if software is None or software.unfused_quantization:
        return None
    return AHEAD._replace(read=0.0)


def code_of(
    software: Software | None, calibration: Calibration, family: str, *, mixture: bool = False
) -> Code | None:
    """What was fitted to a profile, or to the nearest one that it descends from; else the mean of
    those that run workloads of this family. A `mixture` of experts has a spread of its own."""
    found = calibration.software.get(coded(software, calibration, family) or "")
    if found is not None and software is not None and software.captured:
        found = found.model_copy(update={"issue": 0.0, "step": 0.0})
    if found is None or not mixture or found.mixtures is None:
        return found
    return found.model_copy(update={"spread": found.mixtures})


def coded(software: Software | None, calibration: Calibration, family: str) -> str | None:
    """The profile whose code it is, or the family; None where nothing was fitted."""
    names = (*(profiles.lineage(software) if software is not None else ()), family)
    return next((one for one in names if one in calibration.software), None)


def overlapped(product: Any, said: Any, chunks: int) -> Any:
    """Seconds of an exchange that are seen beside a product when both are cut in chunks.

        t = max(p, x) + min(p, x) / n - p

    The first chunk of the one waits for the first of the other (Wang et al. 2023, ASPLOS,
    "Overlap communication with dependent computation via decomposition").

    >>> overlapped(8.0, 4.0, 4), overlapped(4.0, 8.0, 4), overlapped(8.0, 4.0, 1)
    (1.0, 5.0, 4.0)
    """
    return greater(product, said) + lesser(product, said) / chunks - product


def family(graph: StepGraph, calibration: Calibration) -> str:
    """The family of framework code that issues a graph's kernels: its own, or any other's."""
    return graph.family if graph.family in calibration.eager else ANY
