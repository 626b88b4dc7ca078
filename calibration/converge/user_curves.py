"""Anyone's training curves: a CSV with one line per evaluation, in any order.

    run,parameters,data,batch,step,loss
    a,125000,8000,32,20,3.31

`parameters` is the model's size, `data` the items trained on, `batch` samples per step, `loss` that
of validation. Other columns are ignored. A loss of NaN or infinity is a run that diverged: it
counts up to there. The evaluation of a last line without its line end is dropped: the line may have
been cut off in the middle.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hwsim.errors import InputError, shown

COLUMNS = ("run", "parameters", "data", "batch", "step", "loss")
SIZES = ("parameters", "data", "batch")
# Nothing says by which rule such runs were stopped: going on by this factor past the step of the
# minimum is enough to have seen it.
PATIENCE = 1.2


@dataclass(frozen=True)
class Run:
    """One training run: sizes (parameters, items, samples per step) and its validation losses.

    `width` tells sizes apart where another field of the workload varies too; `varied` is what sets
    the run apart from others of its file, but for batch.
    """

    name: str
    model: float
    data: float
    batch: float | None
    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    width: float = 0.0
    varied: tuple[tuple[str, Any], ...] = ()


def parse(text: str, where: str, *, measured: bool = True) -> tuple[Run, ...]:
    """The runs of a CSV, in the order of their first lines.

    Without `measured` an evaluation may be empty. Raises InputError for a column that is missing
    or stands there twice, a cell that is no number or not above 0, a run whose sizes change, and a
    step that a run has twice.
    """
    if not text.strip():
        raise InputError(where, "found an empty file", f"write {','.join(COLUMNS)} and evaluations")
    _check_header(where, _header(text))
    found: dict[str, dict[int, float]] = {}
    sizes: dict[str, tuple[float, ...]] = {}
    for place, row, whole in _rows(text, where):
        name = row["run"]
        if not name:
            raise InputError(f"{place}: run", "found nothing", "name the run")
        own = tuple(_number(place, column, row[column]) for column in SIZES)
        if sizes.setdefault(name, own) != own:
            raise InputError(
                f"{place}: run {name}",
                f"found {', '.join(SIZES)} {own}, before {sizes[name]}",
                "give every run one size of each",
            )
        curve = found.setdefault(name, {})
        if not whole or (not measured and not (row["step"] and row["loss"])):
            continue
        step, loss = _step(place, row["step"]), _loss(place, row["loss"])
        if step in curve:
            raise InputError(f"{place}: run {name}", f"found step {step} twice", "keep one of them")
        curve[step] = loss
    found = {name: curve for name, curve in found.items() if curve or not measured}
    if not found:
        raise InputError(where, "found no evaluations", "write a line for each")
    return tuple(_run(name, sizes[name], curve) for name, curve in found.items())


def _run(name: str, sizes: tuple[float, ...], curve: dict[int, float]) -> Run:
    model, data, batch = sizes
    steps = sorted(curve)
    return Run(name, model, data, batch, steps, [curve[step] for step in steps], width=model)


def _header(text: str) -> list[str]:
    return _cells(next(iter(text.splitlines()), ""))


def _check_header(where: str, header: list[str]) -> None:
    for column in COLUMNS:
        if header.count(column) != 1:
            found = f"the column '{column}' twice" if column in header else f"no column '{column}'"
            raise InputError(
                where,
                f"found {found}",
                f"write a first line with {','.join(COLUMNS)}, or give a campaign's file",
            )


def _rows(text: str, where: str) -> Iterator[tuple[str, dict[str, str], bool]]:
    """Where each line stands, its cells by column, and whether it has its end."""
    header, lines = _header(text), text.splitlines()
    ended = text.endswith(("\n", "\r"))
    for number, line in enumerate(lines[1:], start=2):
        cells = _cells(line)
        whole = ended or number < len(lines)
        if not any(cells) or (not whole and len(cells) < len(header)):
            continue
        place = f"{where}: line {number}"
        if len(cells) != len(header):
            what = f"found {len(cells)} cells under {len(header)} columns"
            raise InputError(place, what, "correct the line")
        yield place, dict(zip(header, cells, strict=True)), whole


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error as error:
        raise InputError(
            "a CSV of curves", f"found a line of no CSV ({error})", "mend it"
        ) from None


def _number(place: str, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        what = f"found {shown(text)}" if text else "found nothing"
        raise InputError(f"{place}: {column}", what, "write a number above 0")
    return value


def _step(place: str, text: str) -> int:
    value = _number(place, "step", text)
    if value != int(value):
        raise InputError(f"{place}: step", f"found {text}", "write a whole number")
    return int(value)


def _loss(place: str, text: str) -> float:
    """A loss above 0, or what stands for one of a run that diverged."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value <= 0:
        what = f"found {shown(text)}" if text else "found nothing"
        raise InputError(f"{place}: loss", what, "write a number above 0, or nan where it diverged")
    return value
