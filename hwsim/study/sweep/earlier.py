"""What the rows of a file tell that were there before a sweep goes on."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.errors import InputError
from hwsim.study.sweep.columns import NUMBERS, Columns
from hwsim.study.sweep.digest import Digest, digest, together
from hwsim.study.sweep.task import BLOCK, Task

NEEDED = ("seconds", "total_seconds", "fits")
FITS = {"true": 1, True: 1, "false": 0, False: 0}


def check(task: Task, path: Path, rows: int, last: bytes) -> None:
    """Raises InputError if a file has more rows than the sweep points, or if the `last` one of its
    rows is not that of its point: some were lost, or added."""
    if rows > task.axes.size:
        what = f"found {rows:,} rows of a sweep of {task.axes.size:,} points"
        raise InputError(str(path), what, "name another file")
    if rows and not last.startswith(task.form.begin(task.axes.spans(rows - 1, rows))):
        what = f"found that row {rows:,} is not that of its point: rows were lost or added"
        raise InputError(str(path), what, "name another file")


def earlier(
    task: Task, path: Path, rows: int, told: Callable[[int], None] = lambda _: None
) -> Digest | None:
    """What is remembered of the first `rows` rows of a file; None where its columns don't tell.
    `told` hears how many were read.

    Raises InputError for a row that can't be read.
    """
    if not set(NEEDED) <= set(task.form.columns):
        return None
    found, read = Digest(), _read(task, path)
    for first in range(0, rows, BLOCK):
        told(first)
        try:
            some = list(islice(read, min(BLOCK, rows - first)))
            block = _digest(task, first, some)
        except (ValueError, KeyError, IndexError, csv.Error):
            what = f"found a row that can't be read, behind row {first:,}"
            raise InputError(str(path), what, "name another file") from None
        found = together((found, block), task.best)
    return found


def _read(task: Task, path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8", newline="") as stream:
        if task.form.style == "csv":
            reader = csv.reader(stream)
            next(reader)
            yield from reader
        else:
            yield from map(json.loads, stream)


def _digest(task: Task, first: int, rows: list[Any]) -> Digest:
    """Of some rows: lists of cells, or objects."""
    places: dict[str, Any] = {name: name for name in task.form.columns}
    if task.form.style == "csv":
        names = (*task.axes.paths, *task.form.columns)
        places = {name: place for place, name in enumerate(names)}
        if any(len(row) != len(names) for row in rows):
            raise ValueError("another number of cells")
    found = Columns(len(rows))
    seconds, totals, fits = zip(
        *map(itemgetter(*(places[one] for one in NEEDED)), rows), strict=True
    )
    found["seconds"][:], found["total_seconds"][:] = map(_numbers, (seconds, totals))
    found.fits[:] = [FITS.get(one, -1) for one in fits]
    found.why[np.isnan(found["seconds"])] = "no answer"
    numbers = [name for name in task.form.columns if name in NUMBERS]
    told, best = digest(first, found, task.best), []
    for one in told.best:
        row = rows[one.number - first]
        values = _numbers([row[places[name]] for name in numbers])
        best.append(one._replace(figures=dict(zip(numbers, values, strict=True))))
    place = places.get("why")
    why = "" if place is None else next((row[place] for row in rows if row[place]), "")
    return told._replace(best=tuple(best), why=why)


def _numbers(cells: Iterable[Any]) -> list[float]:
    return [float(cell) if cell not in ("", None) else math.nan for cell in cells]
