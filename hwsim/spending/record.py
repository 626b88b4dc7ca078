"""The records of what is spent: joules, dollars and kilograms of CO2e with 80 % intervals."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from hwsim.convergence.law import UNTOLD, Luck


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Amount(Record):
    """A value with its 80 % interval; `parts` sum to it. `luck` is no part of the record, and none
    in one that was read from a file."""

    value: float
    low: float
    high: float
    parts: dict[str, float]
    luck: Luck = Field(UNTOLD, exclude=True, repr=False)


class Spending(Record):
    """What a step takes, and the whole training where its steps are known."""

    step: Amount
    total: Amount | None


class Energy(Spending):
    """Joules. `watts` is the mean over a step of all that the run uses, `device_watts` of one
    device; `carbon` is in kg CO2e."""

    watts: float
    device_watts: float
    carbon: Spending | None


class Cost(Spending):
    """Dollars. `way` is how they are paid, `hour` what a device hour costs but for its power, and
    `price` the path of the figure that says so."""

    way: Literal["rent", "own"]
    hour: float
    price: str


class Spent(NamedTuple):
    """Energy and cost, None where unknown, what was taken for granted, and where it is from."""

    energy: Energy | None
    cost: Cost | None
    assumptions: list[str]
    sources: list[str]
