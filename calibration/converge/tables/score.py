"""Predictions of a table's rows: written down, and compared with what was measured."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from calibration.converge.tables.laws import Laws
from calibration.converge.tables.rows import Row
from calibration.converge.tables.spread import Prediction
from hwsim.errors import InputError, SurroundingsError

NEVER = "more likely than not a model of this size never reaches this loss"
HEADER = ("row", "predicted", "low", "high", "why")
Answer = tuple[Row, Prediction | str]


def answers(laws: Laws, rows: Sequence[Row]) -> list[Answer]:
    """What the laws say about each row, which they see without its steps."""
    return [(row, laws.predict(row.asked)) for row in rows]


def summary(found: Sequence[Answer]) -> dict[str, float | int | None]:
    """Errors |predicted / measured - 1| of the rows with both, shares inside the intervals.

    Steps that are predicted to be infinite count as an error of 1.
    """
    pairs = [
        (row.steps, answer)
        for row, answer in found
        if row.steps is not None and isinstance(answer, Prediction)
    ]
    cases = sum(isinstance(answer, Prediction) for _, answer in found)
    if not pairs:
        names = ("median", "p90", "coverage80", "coverage95")
        return {"cases": cases, **dict.fromkeys(names)}
    errors = [abs(p.steps / s - 1.0) if math.isfinite(p.steps) else 1.0 for s, p in pairs]
    return {
        "cases": cases,
        "median": median(errors),
        "p90": float(np.quantile(errors, 0.9)),
        "coverage80": sum(p.low <= s <= p.high for s, p in pairs) / len(pairs),
        "coverage95": sum(p.low95 <= s <= p.high95 for s, p in pairs) / len(pairs),
    }


def write(path: Path, found: Sequence[Answer]) -> None:
    """One line a row of the table, `row,predicted,low,high,why`.

    Raises InputError for a path that can't be a file, SurroundingsError if the disk refuses.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([HEADER, *map(_line, found)])
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        where = f"--predictions {path}"
        raise InputError(where, str(error.strerror), "write a file's path") from None
    except OSError as error:
        raise SurroundingsError(str(path), f"can't be written ({error.strerror})") from None


def _line(answer: Answer) -> tuple[object, ...]:
    row, said = answer
    if isinstance(said, str):
        return (row.number, "", "", "", said)
    why = "" if math.isfinite(said.steps) else NEVER
    return (row.number, *(f"{steps:.6g}" for steps in (said.steps, said.low, said.high)), why)
