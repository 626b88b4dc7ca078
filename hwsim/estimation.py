"""The composition: (system, workload, plan, calibration, steps) -> Estimate.

    total seconds = steps x seconds per step

What else a run spends is added (`hwsim.overheads`). All intervals are 80 %. The step's interval is
the spread of its kernels, the steps' interval comes with their law; the total's is read off the
product of their draws, not off a covariance.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from hwsim import basis
from hwsim.convergence import law as laws
from hwsim.convergence.batch import efficiency
from hwsim.convergence.counting import Counting, Fitted, Given
from hwsim.convergence.law import DRAWS, UNTOLD, Luck, Steps, interval
from hwsim.cost.calibration import Calibration, load_for
from hwsim.errors import InputError
from hwsim.graph.step import StepGraph
from hwsim.graph.workload import Workload
from hwsim.hardware import budget
from hwsim.hardware.spec import System
from hwsim.overheads import Overheads
from hwsim.parallel.check import check, samples, scaled
from hwsim.parallel.fits import capacity, fits
from hwsim.parallel.formula import CLAIM, Found, formula
from hwsim.parallel.lower import lower
from hwsim.parallel.memory import StageMemory
from hwsim.parallel.needs import needed
from hwsim.parallel.plan import Plan
from hwsim.parallel.preset import plan_under, workload_under
from hwsim.parallel.staged import staged
from hwsim.simulate.engine import run
from hwsim.simulate.timeline import Timeline
from hwsim.site import Site
from hwsim.software.spec import Software
from hwsim.spending.record import Cost, Energy
from hwsim.spending.spent import Time, spent

Floats = npt.NDArray[np.float64]

SEED = 1
Engine = Literal["closed", "events"]
QUICK = f"time per step is a closed form, within {CLAIM:.0%} of the event simulation"


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Hardware(Record):
    """The machine: its name, its device, how many of them the plan uses and how they are joined."""

    name: str
    device: str
    devices_per_node: int
    nodes: int
    topology: str
    network: list[str]
    calibration: str


class Work(Record):
    """What one step does over the global batch; FLOPs of matrix products, forward and backward."""

    name: str
    sizes: dict[str, Any]
    parameters: int
    flops_per_step: float
    items_per_step: int
    unit: str


class Interval(Record):
    """Seconds with an 80 % interval."""

    seconds: float
    low: float
    high: float


class Step(Interval):
    """Seconds per step; `parts` sum to it, `bound` is the largest."""

    parts: dict[str, float]
    bound: str


class Total(Interval):
    """Seconds of the whole training; `parts` sum to them."""

    parts: dict[str, float]


class Convergence(Record):
    """Steps to the target with an 80 % interval, and the law that says so.

    Where the law knows the critical batch (in samples), `efficiency` is what a small batch would
    need of the `samples`.
    """

    target: str
    steps: float
    low: float
    high: float
    law: str
    extrapolated: bool
    samples: float
    critical_batch: float | None
    efficiency: float | None


class Memory(Record):
    """Bytes on each device of the fullest pipeline stage, and those that it leaves to its host."""

    bytes: float
    capacity: float
    fits: bool
    parts: dict[str, float]
    stage: int
    host: float


class Estimate(Record):
    """The answer. `convergence` and `total` are None where no law and no count is at hand, `energy`
    where the device states no power limit, `cost` where no price is known.

    `luck` is that of the total, or of a step where there is none; it is no part of the record, and
    empty in one that was read.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    schema_: Literal["hwsim.estimate/1"] = Field("hwsim.estimate/1", alias="schema")
    hardware: Hardware
    workload: Work
    plan: dict[str, Any]
    software: str | None
    run: dict[str, Any]
    site: dict[str, Any]
    step: Step
    convergence: Convergence | None
    total: Total | None
    memory: Memory
    energy: Energy | None
    cost: Cost | None
    assumptions: list[str]
    warnings: list[str]
    sources: list[str]
    luck: Luck = Field(UNTOLD, exclude=True, repr=False)

    def record(self) -> dict[str, Any]:
        """Plain JSON values under the stable keys."""
        return self.model_dump(mode="json", by_alias=True)


def estimate(
    system: System,
    workload: Workload,
    plan: Plan | None = None,
    calibration: Calibration | None = None,
    steps: float | Counting | None = None,
    engine: Engine = "events",
    software: Software | None = None,
    overheads: Overheads | None = None,
    site: Site | None = None,
) -> Estimate:
    """How long `workload` takes to train on `system`.

    Without `plan` one device is used, without `calibration` what was fitted to the device, its
    architecture or any device; `steps` (a number, or a way to count them) replaces the workload's
    law; `engine` simulates the step's events, or takes its closed form; `software` says how a
    framework runs the step, and decides fields of the plan that were not set; `overheads` are what
    the run spends besides its steps, `site` tells what power and machines cost there. A step that
    needs more memory than there is comes back with `memory.fits` False. Raises InputError if the
    plan doesn't suit workload and system, if an overhead lacks the other that it needs, if the
    device has no rate for the data type, if the closed form doesn't hold, or if a time is not
    finite.
    """
    plan = plan_under(plan or Plan(), software)
    workload = workload_under(workload, software)
    calibration = calibration or load_for(system.device)
    overheads, site = overheads or Overheads(), site or Site()
    check(plan, workload, system)
    overheads.check()
    workload = scaled(workload, plan)
    step = staged(workload, system, plan, calibration, software=software)
    timeline = formula(step) if engine == "closed" else run(lower(step), trace=False)
    graph = workload.graph(samples(plan, workload))
    count, warnings = steps_of(workload, graph, steps)
    one, luck_of_step = _step(timeline), step_luck(timeline.spread)
    total, luck = _total(timeline.seconds, count, luck_of_step, overheads, plan.devices)
    times = [Time(one.parts, luck_of_step), *([Time(total.parts, luck)] if total else [])]
    spending = spent(system, site, plan.devices, *times)
    told = basis.assumptions(
        system, workload, graph, plan, calibration, count, overheads, software=software
    )
    known = basis.sources(system, calibration, count, software=software)
    return Estimate(
        hardware=_hardware(system, plan, calibration),
        workload=_work(workload, graph, plan),
        plan={"devices": plan.devices} | plan.model_dump(),
        software=software.name if software else None,
        run=overheads.model_dump(),
        site=site.model_dump(),
        step=one,
        convergence=_convergence(count, workload.batch),
        total=total,
        memory=_memory(system, needed(workload, plan, step.cuts), plan),
        energy=spending.energy,
        cost=spending.cost,
        assumptions=([QUICK] if engine == "closed" else []) + told + spending.assumptions,
        warnings=[*warnings, *budget.warnings(system.device)],
        sources=known + spending.sources,
        luck=Luck(luck),
    )


def count_of(workload: Workload, plan: Plan, steps: float | Counting | None = None) -> Steps | None:
    """Steps of a workload that is already scaled to its plan, as `estimate` counts them; None where
    nothing counts them."""
    return steps_of(workload, workload.graph(samples(plan, workload)), steps)[0]


@lru_cache
def _law(name: str) -> laws.Law | None:
    return laws.load(name)


def steps_of(
    workload: Workload, graph: StepGraph, given: float | Counting | None
) -> tuple[Steps | None, list[str]]:
    """The count of steps of a workload, and what to know of it."""
    counting = Given(given) if isinstance(given, (int, float)) else given
    law = _law(workload.law) if counting is None and workload.law else None
    if law is not None:
        counting = Fitted(law)
    if counting is None:
        what = f"no law of steps was measured for {workload.name}"
        return None, [f"{what}: give --law, --steps, --tokens or --epochs"]
    count = counting.count(workload, graph)
    return count, list(count.warnings)


def _step(timeline: Timeline | Found) -> Step:
    seconds, parts = _finite(timeline.seconds), timeline.parts()
    low, high = interval(step_luck(timeline.spread))
    return Step(
        seconds=seconds,
        low=seconds * low,
        high=_finite(seconds * high),
        parts=parts,
        bound=max(parts, key=lambda part: parts[part]),
    )


def _finite(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise InputError("estimate", "found a time that is not finite", "write smaller figures")
    return seconds


def step_luck(spread: float) -> Floats:
    """Draws of measured / predicted seconds per step, for the spread of its logarithm."""
    random = np.random.default_rng(SEED)
    return np.asarray(np.exp(spread * random.standard_normal(DRAWS)))


def _total(
    step: float, count: Steps | None, luck: Floats, overheads: Overheads, devices: int
) -> tuple[Total | None, Floats]:
    """The whole training where its steps are known, and the luck of it, or of a step."""
    if count is None:
        return None, luck
    found = overheads.parts(count.value, step, devices)
    parts = {name: _finite(float(seconds)) for name, seconds in found.items()}
    seconds = _finite(sum(parts.values()))
    with np.errstate(over="ignore", invalid="ignore"):
        draws = sum(overheads.parts(count.draws, step * luck, devices).values())
        low, high = interval(np.asarray(draws))
    _finite(high)
    total = Total(seconds=seconds, low=min(low, seconds), high=max(high, seconds), parts=parts)
    return total, np.asarray(draws / seconds)


def _convergence(count: Steps | None, batch: int) -> Convergence | None:
    if count is None:
        return None
    return Convergence(
        target=count.target,
        steps=count.value,
        low=count.low,
        high=count.high,
        law=count.law,
        extrapolated=count.extrapolated,
        samples=_finite(count.value * batch),
        critical_batch=count.critical,
        efficiency=float(efficiency(batch, count.critical)) if count.critical else None,
    )


def _memory(system: System, used: StageMemory, plan: Plan) -> Memory:
    return Memory(
        bytes=used.bytes,
        capacity=capacity(system.device),
        fits=fits(used, plan, system),
        parts=used.parts,
        stage=used.stage,
        host=used.host,
    )


def _hardware(system: System, plan: Plan, calibration: Calibration) -> Hardware:
    return Hardware(
        name=system.name,
        device=system.device.name,
        devices_per_node=system.node.devices,
        nodes=-(-plan.devices // system.node.devices),
        topology=system.node.topology,
        network=[tier.kind for tier in system.network],
        calibration=calibration.name,
    )


def _work(workload: Workload, graph: StepGraph, plan: Plan) -> Work:
    return Work(
        name=workload.name,
        sizes=workload.model_dump(mode="json"),
        parameters=graph.parameters,
        flops_per_step=float(graph.matrix_flops * plan.dp),
        items_per_step=graph.tokens * plan.dp,
        unit=workload.unit,
    )
