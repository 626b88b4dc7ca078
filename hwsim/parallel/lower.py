"""A step graph and a plan become tasks with dependencies: what the event simulation runs.

The devices of a data-parallel plan run equal programs, so one of them stands for all: its compute
stream, and the link through which the group sums its gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from hwsim.cost.calibration import Calibration
from hwsim.cost.collectives import all_reduce
from hwsim.cost.rates import Rates, rates
from hwsim.cost.roofline import BOUNDS, kernel_cost, spread_of
from hwsim.errors import InputError
from hwsim.graph.ops import Kernel
from hwsim.graph.step import StepGraph, state_bytes
from hwsim.hardware.spec import System
from hwsim.parallel.plan import Plan

Stream = Literal["compute", "link"]
MOST_OPERATORS = 100_000  # every one is simulated
ANY, UPDATE = "any", "update.fused"  # families of framework code


@dataclass(frozen=True, slots=True)
class Task:
    """`seconds` of a stream, once the tasks numbered in `after` are done.

    `part` is where its time is booked: compute, memory, launch, communication or update; `spread`
    is the standard deviation of the logarithm of its time.
    """

    name: str
    stream: Stream
    seconds: float
    part: str
    after: tuple[int, ...]
    spread: float = 0.0


@dataclass
class _Builder:
    """Tasks in program order; each compute task waits for the one before it."""

    rates: Rates
    graph: StepGraph
    tasks: list[Task] = field(default_factory=list)
    last: tuple[int, ...] = ()

    def compute(self, kernels: tuple[Kernel, ...], part: str | None = None) -> None:
        """Kernels in order, booked to `part`, or each to what bounds it."""
        for kernel in kernels:
            cost = kernel_cost(kernel, self.rates, self.graph.dtype)
            booked = part or BOUNDS[cost.bound]
            spread = spread_of(kernel, self.rates)
            task = Task(kernel.name, "compute", cost.seconds, booked, self.last, spread)
            self.tasks.append(task)
            self.last = (len(self.tasks) - 1,)

    def reduce(self, seconds: float, size: float, spread: float) -> int:
        """Sum a bucket once the backward pass has come this far; the task's number."""
        name = f"all-reduce {size / 2**20:.3g} MiB"
        self.tasks.append(Task(name, "link", seconds, "communication", self.last, spread))
        return len(self.tasks) - 1


def lower(graph: StepGraph, system: System, plan: Plan, calibration: Calibration) -> list[Task]:
    """Tasks of one step of one device: forward, backward with gradient sums, update.

    `graph` is the share of one device. Raises InputError if the device has no rate for the
    graph's data type, the system no link between the plan's devices, or a step too many operators.
    """
    operators = sum(layer.repeat * len(layer.ops) for layer in graph.layers)
    if operators > MOST_OPERATORS:
        raise InputError(
            "workload",
            f"found {operators:,} operators in one step",
            f"write fewer layers: at most {MOST_OPERATORS:,} operators are simulated",
        )
    reach = rates(system.device, calibration, graph.dtype, family=family(graph, calibration))
    # A CPU sums gradients in the threads that compute: nothing of it is hidden.
    overlap = plan.overlap and reach.host is None
    build = _Builder(reach, graph)
    for layer in graph.layers:
        for _ in range(layer.repeat):
            for op in layer.ops:
                build.compute(op.forward())
    sums: list[int] = []
    filled, bucket = 0.0, plan.first_bucket
    gradient = state_bytes(graph.dtype)

    def flush() -> None:
        nonlocal filled, bucket
        seconds = all_reduce(filled, plan.dp, system, calibration)
        sums.append(build.reduce(seconds, filled, calibration.links.spread_of(filled)))
        filled, bucket = 0.0, plan.bucket

    for parameters, kernels in _backward(graph):
        build.compute(kernels)
        filled += parameters * gradient
        if plan.dp > 1 and overlap and filled >= bucket:
            flush()
    if plan.dp > 1 and filled:
        flush()
    build.last = (*build.last, *sums)
    build.rates = rates(system.device, calibration, graph.dtype, family=UPDATE)
    build.compute(graph.update(), "update")
    return build.tasks


def family(graph: StepGraph, calibration: Calibration) -> str:
    """The family of framework code that issues a graph's kernels: its own, or any other's."""
    return graph.family if graph.family in calibration.eager else ANY


def _backward(graph: StepGraph) -> Iterator[tuple[int, tuple[Kernel, ...]]]:
    """Operators from the last to the first: whose gradients are ready when their kernels are."""
    for layer in reversed(graph.layers):
        for _ in range(layer.repeat):
            for op in reversed(layer.ops):
                yield op.parameters, op.backward()
