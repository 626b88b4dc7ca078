"""A table of steps to targets: rows, and what makes them belong together.

What a prediction may see of a row is its `Asked`; the steps stand apart.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from calibration.measurement import Measurement
from calibration.shapes import StepsToTarget
from calibration.sources import tables
from hwsim.errors import InputError, several

SIZE = re.compile(r"[-_]?(\d+x\d+|\d+(\.\d+)?[kmbt])(?=$|[-_])", re.IGNORECASE)
WIDE, DEEP = re.compile(r"(\d+)x\d+"), re.compile(r"\d+x(\d+)")
COLUMNS = ("workload", "target_kind", "batch", "batch_unit")


@dataclass(frozen=True)
class Asked:
    """The steps that are asked for: whose, to which target, at which batch."""

    source: str
    workload: str
    params: int | None
    dataset: str | None
    target: float | None
    kind: str
    batch: int
    unit: str

    @property
    def group(self) -> tuple[object, ...]:
        """Rows that differ in their batch alone."""
        return (
            *(self.source, self.workload, self.params, self.dataset),
            *(self.target, self.kind, self.unit),
        )

    @property
    def family(self) -> tuple[object, ...]:
        """Rows that differ in batch, model size and target alone."""
        stem = SIZE.sub("", self.workload)
        return (self.source, stem, self.dataset, self.kind, self.unit)


@dataclass(frozen=True)
class Row:
    """A row: what is asked, and, where that was measured, steps and their relative error.

    `error` is the standard error of the mean over the steps; 0 where it isn't known.
    """

    asked: Asked
    steps: float | None
    error: float
    number: int


def recognized(text: str) -> bool:
    """Whether the first line has the columns of a table of steps to targets."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    names = {name.strip() for name in header.split(",")}
    return len(names & {*COLUMNS}) >= 3


def parse(text: str, where: str) -> list[Row]:
    """The rows, in the file's order. Raises InputError for what is no such table."""
    found = tables.parse(text, where)
    problems = [
        InputError(
            f"{where}: row {case.row}: steps", "found 0", "write a count above 0, or leave it empty"
        )
        for case in found
        if case.results.get("steps") == 0
    ]
    if problems:
        raise several(problems)
    return [_row(case, where) for case in found]


def _row(case: Measurement, where: str) -> Row:
    shape = case.shape
    if not isinstance(shape, StepsToTarget):
        raise InputError(
            where, f"found a table of {shape.kind} cases", "write a table of steps to targets"
        )
    steps, deviation = case.results.get("steps"), case.results.get("steps_sd", 0.0)
    runs = max(case.results.get("n_runs", 1.0), 1.0)
    asked = Asked(
        source=case.provenance.source,
        workload=shape.workload,
        params=shape.model_params,
        dataset=shape.dataset,
        target=shape.target,
        kind=shape.target_kind,
        batch=shape.batch,
        unit=shape.batch_unit,
    )
    return Row(asked, steps, deviation / steps / math.sqrt(runs) if steps else 0.0, case.row)
