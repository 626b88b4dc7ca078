"""Steps to a target as a function of model size and data size, with what it was measured in.

The paper's law (Ardalani, Hestness, Diamos 2018, section 3.1), centered so that `a` is a number of
steps inside the measured range:

    S(M, D) = a (D / D0)^k1 / (M / M0)^k2 + b

A law is a measurement: it knows its setting (depth, sequence, batch, optimizer, corpus), the range
of M and D, and carries joint bootstrap draws of its parameters. Asked outside of these it answers
all the same, says so, and widens its interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from hwsim import jsonfile, records

Axis = Literal["model", "data"]
Form = Literal["power", "power-plateau"]
Floats = npt.NDArray[np.float64]
Size = Annotated[float, Field(gt=0)]
Deviation = Annotated[float, Field(ge=0)]

# 80 % intervals: a tenth of the draws on either side.
LOW, HIGH = 0.1, 0.9
DRAWS = 2000
GIVEN = "given"  # in place of a law's name: the count is the user's
SEED = 2018

# Assumed, one standard deviation in log-steps: a setting of another kind (corpus, optimizer) moves
# steps by a factor of about 1.65; a numeric one (batch, depth, sequence) by half its own factor,
# which lies between "no effect" and "in proportion".
OTHER_KIND = 0.5
PER_LOG_UNIT = 0.5


class Parameter(BaseModel):
    """A fitted value with its 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    value: float
    low: float
    high: float


class Law(BaseModel):
    """A fitted law as it is stored. Draws are rows of (ln a, k1, k2, b)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )
    schema_: Literal["hwsim.law/1"] = Field("hwsim.law/1", alias="schema")
    name: str
    workload: str
    target: str
    form: Literal["power-plateau"] = "power-plateau"
    parameters: dict[Literal["a", "k1", "k2", "b"], Parameter] = Field(min_length=4)
    plateau: Literal["seen", "not seen"]
    center: dict[Axis, Size] = Field(min_length=2)
    range: dict[Axis, tuple[Size, Size]] = Field(min_length=2)
    scatter: Deviation  # standard deviation of ln(measured / fitted) of single runs
    held_out: dict[Form, Deviation]  # of the largest model when left out, per e-fold
    beyond: dict[Axis, Deviation] = Field(min_length=2)  # the same per e-fold outside the range
    setting: dict[str, Any]
    runs: int
    censored: int
    draws: tuple[tuple[float, float, float, float], ...] = Field(min_length=1)
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Steps:
    """A predicted count: the value, its 80 % interval, the draws behind it, what it stretches.

    `critical` is the batch, in samples, at which twice the least samples are needed.
    """

    value: float
    low: float
    high: float
    draws: Floats
    law: str
    target: str
    source: str = ""
    extrapolated: bool = False
    warnings: tuple[str, ...] = ()
    critical: float | None = None


def power_plateau(
    model: Floats | float, data: Floats | float, a: float, k1: float, k2: float, b: float
) -> Floats | float:
    """a D^k1 / M^k2 + b, with M and D already divided by their centers.

    >>> power_plateau(4.0, 1.0, a=1000.0, k1=0.7, k2=0.5, b=100.0)
    600.0
    """
    return a * data**k1 / model**k2 + b


def predict(law: Law, model: float, data: float, setting: dict[str, Any]) -> Steps:
    """Steps of a model of `model` parameters on `data` items, in `setting`.

    The interval joins the parameters' draws, the scatter of single runs and one widening for every
    stretch; each stretch is a warning.
    """
    warnings, variance = [], law.scatter**2
    sizes: dict[Axis, tuple[float, str]] = {"model": (model, "parameters"), "data": (data, "items")}
    for axis, (value, unit) in sizes.items():
        low, high = law.range[axis]
        distance = outside(value, (low, high))
        if distance:
            warnings.append(
                f"steps: extrapolated beyond the measured {axis} sizes "
                f"({low:,.0f} to {high:,.0f} {unit})"
            )
            variance += (law.beyond[axis] * distance) ** 2
    for name, asked in setting.items():
        measured = law.setting.get(name)
        if asked != measured:
            told = f"measured with {name} {measured}" if measured else f"measured with no {name}"
            warnings.append(f"steps: {told}, asked for {asked}")
            variance += _mismatch(measured, asked) ** 2
    p = law.parameters
    m, d = model / law.center["model"], data / law.center["data"]
    value = float(power_plateau(m, d, p["a"].value, p["k1"].value, p["k2"].value, p["b"].value))
    draws = _draws(law, m, d, math.sqrt(variance))
    low, high = interval(draws)
    return Steps(
        value=value,
        low=min(low, value),
        high=max(high, value),
        draws=draws,
        law=law.name,
        target=law.target,
        source=_source(law),
        extrapolated=bool(warnings),
        warnings=tuple(warnings),
    )


def interval(draws: Floats) -> tuple[float, float]:
    """The 80 % interval of draws, interpolated between the nearest two.

    >>> interval(np.arange(11.0))
    (1.0, 9.0)
    """
    # np.percentile would do the same, and import twice as much of numpy at the start.
    low, high = np.interp((LOW, HIGH), np.linspace(0.0, 1.0, len(draws)), np.sort(draws))
    return float(low), float(high)


def given(steps: float) -> Steps:
    """The user's own count: taken as exact."""
    return Steps(steps, steps, steps, np.full(DRAWS, steps), GIVEN, "as many steps as given")


def load(workload: str) -> Law | None:
    """The shipped law of a workload; None if none was measured.

    Raises InputError if the file is not a law.
    """
    for entry in (resources.files("hwsim") / "data" / "laws").iterdir():
        if entry.name == f"{workload}.json":
            return parse(entry.read_text(encoding="utf-8"), entry.name)
    return None


def parse(text: str, where: str) -> Law:
    """A law from JSON text. Raises InputError with every fault."""
    return records.validate(Law, jsonfile.read_object(text, where), where)


def _source(law: Law) -> str:
    made = law.provenance
    return f"law '{law.name}', {law.runs} runs, `{made.get('command')}`, {made.get('date')}"


def outside(value: float, bounds: tuple[float, float]) -> float:
    """How many e-folds `value` lies outside of `bounds`; 0 inside.

    >>> outside(50.0, (10.0, 100.0)), round(outside(271.8, (10.0, 100.0)), 2)
    (0.0, 1.0)
    """
    low, high = bounds
    return max(math.log(low / value), math.log(value / high), 0.0)


def _mismatch(measured: object, asked: object) -> float:
    if (
        isinstance(measured, (int, float))
        and isinstance(asked, (int, float))
        and measured > 0
        and asked > 0
    ):
        return PER_LOG_UNIT * abs(math.log(asked / measured))
    return OTHER_KIND


def _draws(law: Law, m: float, d: float, sigma: float) -> Floats:
    # One seed for all: the same draw index means the same parameters and the same luck, so that
    # differences between two estimates are paired.
    random = np.random.default_rng(SEED)
    table = np.asarray(law.draws)
    rows = table[random.integers(len(table), size=DRAWS)]
    luck = random.standard_normal(DRAWS)
    log_a, k1, k2, b = rows.T
    steps = np.exp(log_a) * d**k1 / m**k2 + b
    return np.asarray(steps * np.exp(sigma * luck))
