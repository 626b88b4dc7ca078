"""What the rows of a file tell that were there before a sweep goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.errors import InputError
from hwsim.study.sweep.columns import NUMBERS, Columns
from hwsim.study.sweep.digest import Digest, digest, together
from hwsim.study.sweep.task import BLOCK, Task

NEEDED = {"seconds", "total_seconds", "fits"}
FITS = {"true": 1, "false": 0}
Row = dict[str, Any]


def check(task: Task, path: Path, rows: int, last: bytes) -> None:
    """Raises InputError if a file has more rows than the sweep points, or if the `last` one of its
    rows is not that of its point: some were lost, or added."""
    if rows > task.axes.size:
        what = f"found {rows:,} rows of a sweep of {task.axes.size:,} points"
        raise InputError(str(path), what, "name another file")
    if rows and not last.startswith(task.form.begin(task.axes.spans(rows - 1, rows))):
        what = f"found that row {rows:,} is not that of its point: rows were lost or added"
        raise InputError(str(path), what, "name another file")


def earlier(task: Task, path: Path, rows: int) -> Digest | None:
    """What is remembered of the first `rows` rows of a file; None where its columns don't tell.

    Raises InputError for a row that can't be read.
    """
    if not set(task.form.columns) >= NEEDED:
        return None
    found, read = Digest(), _read(task, path, rows)
    for first in range(0, rows, BLOCK):
        try:
            some = list(islice(read, min(BLOCK, rows - first)))
            block = _digest(task, first, some)
        except (ValueError, KeyError, csv.Error):
            what = f"found a row that can't be read, behind row {first:,}"
            raise InputError(str(path), what, "name another file") from None
        found = together((found, block), task.best)
    return found


def _read(task: Task, path: Path, rows: int) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as stream:
        if task.form.style == "csv":
            for row in islice(csv.DictReader(stream), rows):
                if None in row or None in row.values():
                    raise csv.Error("another number of cells")
                yield row
        else:
            yield from (json.loads(line) for line in islice(stream, rows))


def _digest(task: Task, first: int, rows: list[Row]) -> Digest:
    found = Columns(len(rows))
    for name in ("seconds", "total_seconds"):
        found[name][:] = [_number(row[name]) for row in rows]
    found.fits[:] = [_fits(row["fits"]) for row in rows]
    found.why[np.isnan(found["seconds"])] = "no answer"
    told = digest(first, found, task.best)
    names = [name for name in task.form.columns if name in NUMBERS]
    best = [
        one._replace(figures={name: _number(rows[one.number - first][name]) for name in names})
        for one in told.best
    ]
    return told._replace(best=tuple(best), why=next((r["why"] for r in rows if r.get("why")), ""))


def _number(cell: Any) -> float:
    return float("nan") if cell in ("", None) else float(cell)


def _fits(cell: Any) -> int:
    return int(cell) if isinstance(cell, bool) else FITS.get(cell, -1)
