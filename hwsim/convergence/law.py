"""Steps to a target as a function of model size and data size, with what it was measured in.

The paper's law (Ardalani, Hestness, Diamos 2018, section 3.1), centered so that `a` is a number of
steps inside the measured range:

    S(M, D) = a (D / D0)^k1 / (M / M0)^k2 + b

or that with a pole (`hwsim.convergence.forms`), times a batch factor where batches were varied.

A law is a measurement: it knows its target, its setting (depth, sequence, batch, optimizer,
corpus), the range of M, D and batch, and carries joint bootstrap draws of its parameters. Asked
outside of these it answers all the same, says so, and widens its interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from hwsim import jsonfile, records
from hwsim.convergence.forms import Floats, Form, batch_factor, pole_form, power_plateau
from hwsim.convergence.target import WITHIN, Kind
from hwsim.errors import InputError
from hwsim.records import Line

Axis = Literal["model", "data", "batch"]
Name = Literal["a", "k1", "k2", "b", "pole", "batch_critical"]
Size = Annotated[float, Field(gt=0)]
Deviation = Annotated[float, Field(ge=0)]

# 80 % intervals: a tenth of the draws on either side.
LOW, HIGH = 0.1, 0.9
DRAWS = 2000
GIVEN = "given"  # in place of a law's name: the count is the user's
SEED = 2018
UNITS: dict[Axis, str] = {"model": "parameters", "data": "items", "batch": "samples"}

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


class Goal(BaseModel):
    """The kind of a law's target and its value: percent above the minimum, or a loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Kind = "within_pct_of_min"
    value: Size = 100.0 * WITHIN


class Law(BaseModel):
    """A fitted law as it is stored.

    Draws are rows of ln a, k1, k2, the plateau b (steps) or the pole (parameters), and the critical
    batch (samples) if batches were varied.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )
    schema_: Literal["hwsim.law/1"] = Field("hwsim.law/1", alias="schema")
    name: Line
    workload: str
    target: str
    goal: Goal = Goal()
    form: Literal["power-plateau", "pole"] = "power-plateau"
    parameters: dict[Name, Parameter]
    plateau: Literal["seen", "not seen"]
    center: dict[Axis, Size]
    range: dict[Axis, tuple[Size, Size]]
    scatter: Deviation  # standard deviation of ln(measured / fitted) of single runs
    held_out: dict[Form, Deviation]  # of the largest model when left out, per e-fold
    beyond: dict[Axis, Deviation]  # the same of each axis for the chosen form; widens predictions
    left_out: dict[Form, dict[Axis, Deviation]] = {}  # median |error| at the largest size, a share
    aicc: dict[Form, float | None] = {}
    seed_noise: Deviation | None = None  # standard deviation of ln S between seeds of a cell
    setting: dict[str, Any]
    runs: int
    censored: int
    never: int = 0  # runs left out: they passed their minimum above the loss
    other_settings: int = 0  # runs left out: they vary another field than M, D and batch
    draws: tuple[tuple[float, ...], ...] = Field(min_length=1)
    provenance: dict[str, Any]

    @property
    def critical(self) -> float | None:
        """The critical batch in samples; None if batches were not varied."""
        found = self.parameters.get("batch_critical")
        return found.value if found else None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        batch = ("batch",) if "batch" in self.range else ()
        last = "pole" if self.form == "pole" else "b"
        names = ("a", "k1", "k2", last, *(f"{axis}_critical" for axis in batch))
        for field, wanted in (
            ("parameters", names),
            ("center", ("model", "data", *batch)),
            ("range", ("model", "data", *batch)),
            ("beyond", ("model", "data", *batch)),
        ):
            if set(getattr(self, field)) != set(wanted):
                raise _fault(field, sorted(getattr(self, field)), f"write {', '.join(wanted)}")
        if any(len(row) != len(names) for row in self.draws):
            raise _fault("draws", "rows of another length", f"write {', '.join(names)} in each")
        return self


def _fault(field: str, found: object, instead: str) -> PydanticCustomError:
    context = {"field": field, "what": f"found {found}", "instead": instead}
    return PydanticCustomError("fault", "{what}; {instead}", context)


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


def predict(law: Law, model: float, data: float, setting: dict[str, Any]) -> Steps:
    """Steps of a model of `model` parameters on `data` items, in `setting`.

    The interval joins the parameters' draws, the scatter of single runs and one widening for every
    stretch; each stretch is a warning. Raises InputError if a model of this size never meets the
    law's target.
    """
    sizes: dict[Axis, float] = {"model": model, "data": data}
    if "batch" in law.range:
        sizes["batch"] = setting.get("batch") or law.center["batch"]
    warnings, variance = [], law.scatter**2
    for axis, value in sizes.items():
        low, high = law.range[axis]
        distance = outside(value, (low, high))
        if distance:
            warnings.append(
                f"steps: extrapolated beyond the measured {axis} sizes "
                f"({low:,.0f} to {high:,.0f} {UNITS[axis]})"
            )
            variance += (law.beyond[axis] * distance) ** 2
    for name, asked in setting.items():
        measured = law.setting.get(name)
        if (name != "batch" or "batch" not in sizes) and asked != measured:
            told = f"measured with {name} {measured}" if measured else f"measured with no {name}"
            warnings.append(f"steps: {told}, asked for {asked}")
            variance += _mismatch(measured, asked) ** 2
    value = _value(law, sizes)
    draws = _draws(law, sizes, math.sqrt(variance))
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
        critical=law.critical,
    )


class Luck:
    """Draws of what is measured over what is told: the same place is the same luck everywhere."""

    def __init__(self, draws: Floats) -> None:
        self.draws = draws

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Luck) and np.array_equal(self.draws, other.draws)

    __hash__ = None  # type: ignore[assignment]


UNTOLD = Luck(np.empty(0))


def scattered(value: float, spread: float) -> Floats:
    """Draws of a count that is known but for its scatter, `spread` in log-steps.

    >>> set(scattered(100.0, 0.0).tolist())
    {100.0}
    """
    luck = np.random.default_rng(SEED).standard_normal(DRAWS)
    return np.asarray(value * np.exp(spread * luck))


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
    command = f"`{made['command']}`" if made.get("command") else made.get("curves")
    known = (f"law '{law.name}'", f"{law.runs} runs", command, made.get("date"))
    return ", ".join(str(part) for part in known if part)


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


def _value(law: Law, sizes: dict[Axis, float]) -> float:
    p = {name: parameter.value for name, parameter in law.parameters.items()}
    last: Name = "pole" if law.form == "pole" else "b"
    if law.form == "pole" and sizes["model"] <= p["pole"]:
        raise InputError(
            "steps",
            f"law '{law.name}' says that no model of {sizes['model']:,.0f} parameters reaches a "
            f"{law.target}: it takes more than {p['pole']:,.0f}",
            "take a larger model, or a law of another target",
        )
    found = _steps(law, sizes, p["a"], p["k1"], p["k2"], p[last], p.get("batch_critical", 0.0))
    return float(found)


def _draws(law: Law, sizes: dict[Axis, float], sigma: float) -> Floats:
    # One seed for all: the same draw index means the same parameters and the same luck, so that
    # differences between two estimates are paired.
    random = np.random.default_rng(SEED)
    table = np.asarray(law.draws)
    log_a, *others = table[random.integers(len(table), size=DRAWS)].T
    luck = random.standard_normal(DRAWS)
    # Far outside of what was measured draws may be 0 or without end, as in a file of odd draws.
    with np.errstate(all="ignore"):
        steps = _steps(law, sizes, np.exp(log_a), *others)
        return np.asarray(steps * np.exp(sigma * luck))


def _steps(
    law: Law,
    sizes: dict[Axis, float],
    a: Floats | float,
    k1: Floats | float,
    k2: Floats | float,
    last: Floats | float,
    critical: Floats | float = 0.0,
) -> Floats | float:
    """The law's form at some sizes, for one set of parameters or for many."""
    m, d = sizes["model"] / law.center["model"], sizes["data"] / law.center["data"]
    if law.form == "pole":
        steps = pole_form(m, d, a, k1, k2, last / law.center["model"])
    else:
        steps = power_plateau(m, d, a, k1, k2, last)
    if "batch" in sizes:
        steps = steps * batch_factor(sizes["batch"], critical, law.center["batch"])
    return steps
