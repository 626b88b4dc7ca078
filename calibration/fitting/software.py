"""What software profiles take over what their kernels do on their own, fitted to whole steps.

Every parameter of a step's code is, in logarithms, a profile's plus a device's:

    ln p(profile, device) = a(profile) + d(device)

Profiles are drawn to the one they descend from, devices to none, so that one without steps gets
what its kin have. Steps are simulated; their logarithms are taken as linear in the parameters
around those of the last round (Gauss-Newton).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from calibration.fitting.stack import Floats
from calibration.measurement import Measurement
from calibration.predict.rows import Row
from hwsim.cost.calibration import Calibration, Code
from hwsim.hardware.spec import System
from hwsim.simulate.step import prepared, simulate
from hwsim.software import catalog as profiles
from hwsim.software.spec import Software


class Knob(NamedTuple):
    """A parameter: where it starts, and how far profiles and devices lie apart (standard deviations
    of its logarithm)."""

    start: float
    apart: float
    device: float = 0.0


KNOBS = {
    "products": Knob(1.0, 0.08, 0.25),
    "scores": Knob(1.2, 0.20),
    "attention": Knob(1.2, 0.30, 0.30),
    "streams": Knob(1.2, 0.40, 0.10),
    "update": Knob(0.7, 0.50),
    "exchange": Knob(1.0, 0.20),
    "gradients": Knob(1.0, 0.40),
    "hop": Knob(1.0, 0.50),
    "issue": Knob(30e-6, 0.70),
    "backward": Knob(0.8, 0.30),
    "step": Knob(3e-3, 1.0),
}
FORMATS = {"fp8": Knob(1.0, 0.2), "fp4": Knob(1.0, 0.2)}
FORMAT = "format "
ROOT = 2.0  # profiles that descend from none lie so much farther apart
NUDGE = 0.05  # of a logarithm, to see what a parameter does
NOTHING = 1e-5  # change of a step's logarithm that is none
NOISE = 0.05  # standard deviation of a step's logarithm that every row has
ROBUST = 2.0  # residuals beyond so many standard deviations count less
MOST_OF_A_SOURCE = 40.0  # rows that a source counts for


@dataclass(frozen=True)
class Step:
    """A measured step: its row, and what simulates it under a code."""

    case: Measurement
    row: Row
    system: System
    kernels: Calibration

    @property
    def source(self) -> str:
        return self.case.provenance.source

    @property
    def profile(self) -> str:
        return str(self.row.software)

    @property
    def device(self) -> str:
        return self.system.device.name

    @property
    def measured(self) -> float:
        """The logarithm of its seconds."""
        return math.log(self.case.seconds or math.nan)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters of its code."""
        low = self.row.workload.dtype in FORMATS
        return (*KNOBS, FORMAT + self.row.workload.dtype) if low else tuple(KNOBS)

    @property
    def idle(self) -> frozenset[str]:
        """Those that have nothing to act on under its plan."""
        plan, fused = self.row.plan, self.row.workload.attention == "fused"
        found = {"scores" if fused else "attention"}
        found |= {"exchange"} if plan.tp * plan.cp * plan.ep == 1 else set()
        found |= {"gradients"} if plan.dp * plan.cp == 1 else set()
        return frozenset(found | ({"hop"} if plan.pp == 1 else set()))

    def check(self) -> None:
        """Raises InputError where its plan can't be costed."""
        software = profiles.load(self.profile)
        prepared(self.system, self.row.workload, self.row.plan, self.kernels, software=software)

    def simulated(self, code: Code) -> float:
        """The logarithm of its seconds under a code."""
        under = self.kernels.model_copy(update={"software": {self.profile: code}})
        workload, software = self.row.workload, profiles.load(self.profile)
        made = simulate(self.system, workload, self.row.plan, under, software=software, trace=False)
        return math.log(made.seconds)


class Point(NamedTuple):
    """A step's logarithm at some parameters, and how it changes with each of them."""

    value: float
    slopes: Mapping[str, float]

    def expected(self, here: Mapping[str, float], there: Mapping[str, float]) -> float:
        """The logarithm where parameters have other logarithms than `here`, along straight lines.

        >>> Point(1.0, {"products": 0.5}).expected({"products": 0.0}, {"products": 0.2})
        1.1
        """
        moves = (slope * (there[name] - here[name]) for name, slope in self.slopes.items())
        return self.value + sum(moves)


class Parameters:
    """Logarithms of parameters: those of profiles, their formats included, and those of devices."""

    def __init__(self, profiles: Sequence[str], devices: Sequence[str]) -> None:
        self.profiles, self.devices = tuple(profiles), tuple(devices)
        names = [(one, knob) for one in self.profiles for knob in KNOBS]
        names += [(f"on {one}", knob) for one in self.devices for knob in _of_devices()]
        names += [(one, FORMAT + name) for one in self.profiles for name in FORMATS]
        self.index = {name: number for number, name in enumerate(names)}
        self.values = np.zeros(len(names))
        for (owner, knob), number in self.index.items():
            if owner in self.profiles:
                self.values[number] = math.log(_knob(knob).start)

    def at(self, values: Floats) -> Parameters:
        """The same with these values."""
        made = Parameters(self.profiles, self.devices)
        made.values = values
        return made

    def logs(self, step: Step) -> dict[str, float]:
        """The logarithms of the parameters of a step's code."""
        return {
            name: float(sum(self.values[self.of(step.profile, step.device, name)]))
            for name in step.names
        }

    def of(self, profile: str, device: str | None, knob: str) -> list[int]:
        """Which of the values sum to a parameter of a step."""
        owners = [profile, f"on {device}"]
        return [self.index[owner, knob] for owner in owners if (owner, knob) in self.index]

    def code(self, profile: str, device: str | None, spread: float) -> Code:
        """The code of a profile on a device; None: on one that was not measured."""
        found = {knob: math.exp(sum(self.values[self.of(profile, device, knob)])) for knob in KNOBS}
        formats = {one: math.exp(self.values[self.index[profile, FORMAT + one]]) for one in FORMATS}
        return Code(**found, formats=formats, spread=spread)

    def prior(self) -> tuple[Floats, Floats]:
        """Rows (differences of values, over how far they may lie apart) and what these should be:
        a profile is like its ancestor, all else like its start."""
        rows, wanted = [], []
        for (owner, knob), number in self.index.items():
            row = np.zeros(len(self.values))
            row[number] = 1.0
            target, apart = 0.0, _apart(owner, knob)
            if owner in self.profiles:
                after = self._ancestor(profiles.load(owner))
                if after is not None:
                    row[self.index[after, knob]] = -1.0
                else:
                    target, apart = math.log(_knob(knob).start), ROOT * apart
            rows.append(row / apart)
            wanted.append(target / apart)
        return np.array(rows), np.array(wanted)

    def _ancestor(self, software: Software) -> str | None:
        after = software.after
        while after is not None and after not in self.profiles:
            after = profiles.load(after).after
        return after


def _of_devices() -> list[str]:
    return [name for name, knob in KNOBS.items() if knob.device]


def _knob(name: str) -> Knob:
    return FORMATS[name.removeprefix(FORMAT)] if name.startswith(FORMAT) else KNOBS[name]


def _apart(owner: str, knob: str) -> float:
    return _knob(knob).device if owner.startswith("on ") else _knob(knob).apart


def value(step: Step, at: Mapping[str, float]) -> float:
    """A step's logarithm where the parameters of its code have these logarithms."""
    named = {name: math.exp(at[name]) for name in KNOBS}
    formats = {name: math.exp(at[FORMAT + name]) for name in FORMATS if FORMAT + name in at}
    return step.simulated(Code(**named, formats=formats, spread=NOISE))


def point(step: Step, at: Mapping[str, float]) -> Point:
    """A step's logarithm where parameters have these logarithms, and its slopes by difference."""
    here = value(step, at)
    slopes: dict[str, float] = {}
    for name in step.names:
        if name in step.idle or (name == "backward" and "issue" not in slopes):
            continue
        slope = (value(step, {**at, name: at[name] + NUDGE}) - here) / NUDGE
        if abs(slope) > NOTHING:
            slopes[name] = slope
    return Point(here, slopes)


def solved(
    parameters: Parameters, steps: Sequence[Step], points: Sequence[Point], at: Floats
) -> Floats:
    """The values that suit measured steps best, if their logarithms change as at `at`.

    Least squares with the prior; a residual far out counts as Huber's (weights by iteration).
    """
    design = np.zeros((len(steps), len(at)))
    for row, (step, one) in zip(design, zip(steps, points, strict=True), strict=True):
        for name, slope in one.slopes.items():
            row[parameters.of(step.profile, step.device, name)] += slope
    off = np.array([step.measured - one.value for step, one in zip(steps, points, strict=True)])
    goal = off + design @ at
    weights = _weights(steps) / NOISE
    prior, wanted = parameters.prior()
    robust = np.ones(len(steps))
    values = at
    for _ in range(20):
        w = weights * np.sqrt(robust)
        values = np.linalg.lstsq(
            np.vstack([w[:, None] * design, prior]),
            np.concatenate([w * goal, wanted]),
            rcond=None,
        )[0]
        far = np.abs(goal - design @ values) / NOISE
        robust = np.minimum(1.0, ROBUST / np.maximum(far, 1e-9))
    return np.asarray(values)


def _weights(steps: Iterable[Step]) -> Floats:
    sources = [step.source for step in steps]
    counts = {name: sources.count(name) for name in set(sources)}
    return np.array([math.sqrt(min(1.0, MOST_OF_A_SOURCE / counts[name])) for name in sources])
