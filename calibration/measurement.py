"""One record for every timed fact, from this machine or from a publication, and its file.

    {"device": "v100-pcie-16gb", "dtype": "fp32", "shape": {"kind": "gemm", "m": 1760, ...},
     "seconds": 0.000182, "provenance": {"source": "deepbench"}, ...}

A file is JSON Lines: one such object a line. What a prediction may see is the `Case`; results
are fields of the `Measurement` alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from calibration.shapes import SHAPES, AnyShape, MoeStep, Record, Text, TransformerStep
from hwsim import jsonfile, records
from hwsim.errors import InputError, near, several, shown
from hwsim.parallel.plan import MOST_DEVICES

Dtype = Literal[
    "fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "mxfp8", "fp4", "nvfp4", "mxfp4", "int8"
]
Devices = Annotated[int, Field(gt=0, le=MOST_DEVICES)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Result = Annotated[float, Field(ge=0, allow_inf_nan=False)]
R = TypeVar("R", bound=Record)


class Provenance(Record):
    """Where a figure is from; `derived` where it was computed from another printed one."""

    source: Text
    machine: Text | None = None
    versions: Text | None = None
    date: Text | None = None
    publication: Text | None = None
    note: Text | None = None
    derived: bool = False


class Case(Record):
    """What was measured, without any result: all that a prediction may see.

    `device` is a name of the catalog (None where no device is meant), `engine` the units that did
    the arithmetic: tensor cores are `matrix`. `timing` is `kernel` for back-to-back repeats,
    `call` for a framework's call. Links as docs/measurements.md lists them.
    """

    shape: AnyShape
    device: Text | None = None
    dtype: Dtype | None = None
    engine: Literal["vector", "matrix"] | None = None
    timing: Literal["kernel", "call"] | None = None
    devices: Devices | None = 1
    devices_per_node: Devices | None = None
    intra_link: Text | None = None
    inter_link: Text | None = None

    @model_validator(mode="after")
    def _degrees_multiply_to_devices(self) -> Case:
        shape = self.shape
        if isinstance(shape, TransformerStep | MoeStep) and self.devices != shape.devices:
            context = {
                "field": "devices",
                "what": f"found {self.devices}, but dp x tp x pp x cp is {shape.devices}",
                "instead": "correct one of them",
            }
            raise PydanticCustomError("fault", "{what}; {instead}", context)
        return self

    @property
    def kind(self) -> str:
        """The kind of its shape's family, such as gemm, update, collective, step or run."""
        return self.shape.family

    def describe(self) -> str:
        """Device, format and sizes in one line."""
        many = f"{self.devices} x {self.device}" if self.devices not in (None, 1) else self.device
        words = (many, self.dtype, self.shape.kind, self.shape.describe())
        return " ".join(word for word in words if word)


class Measurement(Case):
    """A case with what was measured.

    `seconds` None is a blank to be filled; `spread` is the relative spread of repeats (max / min
    - 1); `results` holds further measured figures by name; `row` counts from 0 in the file.
    """

    seconds: Seconds | None = None
    spread: Result | None = None
    results: dict[str, Result] = Field(default_factory=dict)
    provenance: Provenance
    row: Annotated[int, Field(ge=0)] = 0

    @field_validator("results")
    @classmethod
    def _named_like_columns(cls, results: dict[str, float]) -> dict[str, float]:
        for name in results:
            if not name.isidentifier():
                context = {"what": f"found {shown(name)}", "instead": "name it like a column"}
                raise PydanticCustomError("fault", "{what}; {instead}", context)
        return results

    @property
    def case(self) -> Case:
        """The same without results and provenance."""
        return Case.model_construct(**{name: getattr(self, name) for name in Case.model_fields})

    def blank(self) -> Measurement:
        """The same with every result taken out."""
        return self.model_copy(update={"seconds": None, "spread": None, "results": {}})


def text_of(path: str) -> str:
    """The text of a UTF-8 file, or of standard input for `-`. Raises InputError."""
    if path == "-":
        return jsonfile.stream_text(sys.stdin, jsonfile.LARGEST_TABLE)
    return jsonfile.file_text(path, path, jsonfile.LARGEST_TABLE)


def read(path: str) -> list[Measurement]:
    """The measurements of a JSON Lines file; empty lines are passed over.

    Raises InputError that names the line, whose `problems` holds every faulty line's first fault.
    """
    return parse(text_of(path), path)


def parse(text: str, where: str) -> list[Measurement]:
    """As `read`, of the text itself."""
    found: list[Measurement] = []
    problems: list[InputError] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(_measurement(line, f"{where}: line {number}", len(found)))
        except InputError as error:
            problems.append(error.each[0])
    if problems:
        raise several(problems)
    if not found:
        raise InputError(where, "found no measurement", "write one JSON object a line")
    return found


def _measurement(line: str, where: str, row: int) -> Measurement:
    try:
        tree = jsonfile.read_object(line, where)
    except InputError as error:  # the line is one line to its reader, too
        place = error.where.replace(": line 1, column", ", column")
        raise InputError(place, error.what, error.instead) from None
    shape = tree.get("shape")
    if not isinstance(shape, dict):
        what = "found nothing" if shape is None else f"found {shown(shape)}"
        raise InputError(f"{where}: shape", what, 'write an object with its "kind"')
    kind = shape.get("kind")
    if not isinstance(kind, str) or kind not in SHAPES:
        raise InputError(f"{where}: shape.kind", f"found {shown(kind)}", near(str(kind), SHAPES))
    made = checked(SHAPES[kind], shape, f"{where}: shape.")
    return checked(Measurement, {**tree, "shape": made, "row": row}, where)


def checked(record: type[R], fields: dict[str, Any], where: str) -> R:
    """The record of these fields. Raises InputError in the words of the other files."""
    try:
        return record.model_validate(fields)
    except ValidationError as error:
        raise records.explained(record, error, where) from None


def write(path: Path, measurements: Iterable[Measurement]) -> None:
    """One JSON object a line, that `read` reads back; whole or not at all.

    Raises InputError for a path that can't be a file, SurroundingsError if the disk refuses.
    """
    if os.path.isdir(path) or not os.path.isdir(path.parent):
        raise InputError(str(path), "found no place for a file", "write a file's path")
    with jsonfile.replaced(path) as file:
        for measurement in measurements:
            file.write(measurement.model_dump_json(exclude_none=True, exclude={"row"}) + "\n")
