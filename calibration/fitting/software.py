"""What software profiles take over what their kernels do on their own, fitted to whole steps.

Every parameter of a step's code is, in logarithms, a profile's plus a device's:

    ln p(profile, device) = a(profile) + d(device)

Profiles are drawn to the one they descend from, devices to none, so that one without steps gets
what its kin have. Steps are simulated; their logarithms are taken as linear in the parameters
around those of the last round (Gauss-Newton).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.cost.calibration import Code
from hwsim.software.catalog import load
from hwsim.software.spec import Software

Floats = NDArray[np.float64]


class Knob(NamedTuple):
    """A parameter: where it starts, how far profiles and devices lie apart (standard deviations of
    its logarithm), and how far from its start it may go."""

    start: float
    apart: float
    device: float = 0.0
    most: float = 6.0


KNOBS = {
    "products": Knob(1.0, 0.10, 0.10),
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
ROUNDS = 4


@dataclass(frozen=True)
class Step:
    """A measured step: what runs it, and its simulated seconds under a code."""

    key: str
    source: str
    profile: str
    device: str
    dtype: str
    measured: float
    seconds: Callable[[Code], float]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Its parameters."""
        low = (FORMAT + self.dtype,) if self.dtype in FORMATS else ()
        return (*KNOBS, *low)


class Point(NamedTuple):
    """A step's logarithm at some parameters, and how it changes with each of them."""

    value: float
    slopes: Mapping[str, float]


class Parameters:
    """Logarithms of parameters: those of profiles, devices and formats."""

    def __init__(self, profiles: Sequence[str], devices: Sequence[str]) -> None:
        self.profiles, self.devices = tuple(profiles), tuple(devices)
        names = [(one, knob) for one in self.profiles for knob in KNOBS]
        names += [(f"on {one}", knob) for one in self.devices for knob in _of_devices()]
        names += [("format", FORMAT + one) for one in FORMATS]
        self.index = {name: number for number, name in enumerate(names)}
        self.values = np.zeros(len(names))
        for (owner, knob), number in self.index.items():
            if owner in self.profiles:
                self.values[number] = math.log(KNOBS[knob].start)

    def of(self, profile: str, device: str, knob: str) -> list[int]:
        """Which of the values sum to a parameter of a step."""
        if knob.startswith(FORMAT):
            return [self.index["format", knob]]
        owners = [profile, f"on {device}"]
        return [self.index[owner, knob] for owner in owners if (owner, knob) in self.index]

    def code(self, profile: str, device: str, spread: float = NOISE) -> Code:
        """The code of a profile on a device."""
        found = {knob: math.exp(sum(self.values[self.of(profile, device, knob)])) for knob in KNOBS}
        formats = {
            one: math.exp(self.values[self.index["format", FORMAT + one]]) for one in FORMATS
        }
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
                after = self._ancestor(load(owner))
                if after is not None:
                    row[self.index[after, knob]] = -1.0
                else:
                    target, apart = math.log(KNOBS[knob].start), ROOT * apart
            rows.append(row / apart)
            wanted.append(target / apart)
        return np.array(rows), np.array(wanted)

    def _ancestor(self, software: Software) -> str | None:
        after = software.after
        while after is not None and after not in self.profiles:
            after = load(after).after
        return after


def _of_devices() -> list[str]:
    return [name for name, knob in KNOBS.items() if knob.device]


def _apart(owner: str, knob: str) -> float:
    if owner == "format":
        return FORMATS[knob.removeprefix(FORMAT)].apart
    return KNOBS[knob].device if owner.startswith("on ") else KNOBS[knob].apart


def point(step: Step, at: Mapping[str, float]) -> Point:
    """A step's logarithm where parameters have these logarithms, and its slopes by difference."""

    def value(changed: Mapping[str, float]) -> float:
        named = {name: math.exp(changed[name]) for name in KNOBS}
        formats = {
            name: math.exp(changed[FORMAT + name]) for name in FORMATS if FORMAT + name in changed
        }
        return math.log(step.seconds(Code(**named, formats=formats, spread=NOISE)))

    here = value(at)
    slopes = {}
    for name in step.names:
        slope = (value({**at, name: at[name] + NUDGE}) - here) / NUDGE
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
    off = np.array(
        [math.log(step.measured) - one.value for step, one in zip(steps, points, strict=True)]
    )
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
