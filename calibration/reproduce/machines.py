"""Time per step and time to the minimum on simulated machines of the paper's day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from calibration.reproduce.campaigns import WORKLOADS, Campaign, Run
from hwsim.estimation import estimate
from hwsim.graph.workload import Workload
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from workloads.charlm import CharLM
from workloads.wordlm import WordLM

# Eight Titan X (Maxwell) on PCIe: the machine of DeepBench, from the paper's laboratory.
MACHINE = "maxwell"
DEVICES = 8


@dataclass(frozen=True)
class Point:
    """A model's time per step, its 80 % interval, and whether the model fits in memory."""

    parameters: int
    seconds: float
    low: float
    high: float
    fits: bool


@dataclass(frozen=True)
class Series:
    """Time per step against model size under one plan."""

    axis: str
    devices: int
    points: tuple[Point, ...]

    @property
    def label(self) -> str:
        return self.axis if self.devices == 1 else f"{self.axis} x {self.devices}"

    @property
    def exponent(self) -> float:
        """Of time per step in parameters, between the smallest and the largest model."""
        return _exponent(self.points[0], self.points[-1])

    @property
    def at_the_end(self) -> float:
        """The exponent between the two largest models."""
        return _exponent(self.points[-2], self.points[-1])


def _exponent(first: Point, last: Point) -> float:
    return math.log(last.seconds / first.seconds) / math.log(last.parameters / first.parameters)


# A pipeline of recurrent layers works as a wavefront in time: the char LM, a single deep layer, is
# cut inside its time step, in as many chunks as steps; the word LM has two layers and the output.
SETTINGS: dict[str, tuple[type[Workload], dict[str, Plan]]] = {
    "character LM": (
        CharLM,
        {
            "one device": Plan(),
            "data": Plan(dp=DEVICES),
            "pipeline": Plan(pp=DEVICES, time_chunks=150, micro_batch=16),
            "tensor": Plan(tp=DEVICES),
        },
    ),
    "word LM": (
        WordLM,
        {
            "one device": Plan(),
            "data": Plan(dp=DEVICES),
            "pipeline": Plan(pp=4, time_chunks=8, micro_batch=32),
            "tensor": Plan(tp=DEVICES),
        },
    ),
}
HIDDEN = (512, 1024, 2048, 4096, 8192)


@lru_cache
def series(domain: str) -> tuple[Series, ...]:
    """Time per step of the paper's model, each plan over the widths `HIDDEN`."""
    kind, plans = SETTINGS[domain]
    found = []
    for axis, plan in plans.items():
        points = [_point(kind.model_validate({"hidden": hidden}), plan) for hidden in HIDDEN]
        found.append(Series(axis, plan.devices, tuple(points)))
    return tuple(found)


def _point(workload: Workload, plan: Plan) -> Point:
    answer = estimate(catalog.load(MACHINE), workload, plan, steps=1)
    step = answer.step
    return Point(answer.workload.parameters, step.seconds, step.low, step.high, answer.memory.fits)


def seconds_per_step(campaign: Campaign, run: Run) -> float:
    """Simulated on one device of the machine, for the model and batch of a run."""
    fields = tuple(sorted(campaign.workload(run).model_dump().items()))
    return _alone(campaign.header.workload, fields)


@lru_cache
def _alone(name: str, fields: tuple[tuple[str, Any], ...]) -> float:
    return _point(WORKLOADS[name].model_validate(dict(fields)), Plan()).seconds
