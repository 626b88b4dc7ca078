"""The parameters that turn datasheet rates into reachable ones, each with where it is from.

The shipped `default` holds for any device and is accordingly wide (`spread`).
"""

from __future__ import annotations

from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hwsim import jsonfile, records
from hwsim.errors import InputError

Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Links(BaseModel):
    """Share of a link's rate that a collective reaches, by kind of link."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    nvlink: Fraction
    pcie: Fraction
    host: Fraction
    network: Fraction
    other: Fraction


class Calibration(BaseModel):
    """Shares of the datasheet's dense peaks, and how far off the result may be.

    `matrix`, `vector`: share of the peak rate that large products and other kernels reach;
    `memory`: share of the bandwidth; `cache`: L2 bandwidth over memory bandwidth where the device
    doesn't state it; `resident`: share of L2 that a matrix which is read again and again may fill;
    `chain`: what each product of a recurrence waits beyond its launch, in launches;
    `spread`: standard deviation of ln(measured / predicted) of a step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_: Literal["hwsim.calibration/1"] = Field("hwsim.calibration/1", alias="schema")
    name: str
    description: str
    matrix: Fraction
    vector: Fraction
    memory: Fraction
    cache: Positive
    resident: Fraction
    chain: Positive
    links: Links
    spread: Positive
    sources: dict[str, str]


def load(name: str = "default") -> Calibration:
    """A shipped calibration. Raises InputError for an unknown name."""
    folder = resources.files("hwsim") / "data" / "calibrations"
    path = folder / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(e.name.removesuffix(".json") for e in folder.iterdir()))
        raise InputError("calibration", f"found '{name}'", f"write one of: {known}")
    text = path.read_text(encoding="utf-8")
    return records.validate(Calibration, jsonfile.read_object(text, path.name), path.name)
