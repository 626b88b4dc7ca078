"""A table of the user's own, sizes and steps in CSV, that counts steps between its rows."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

import numpy as np

from hwsim.convergence.law import PER_LOG_UNIT, Steps, interval, outside, scattered
from hwsim.convergence.table import interpolated
from hwsim.errors import InputError

NEEDED = ("size", "steps")
OPTIONAL = ("low", "high", "batch")
HINT = "write the columns size,steps (parameters and steps) and, if known, low,high,batch"
EIGHTY = 2 * 1.2815515655446004  # standard deviations between the ends of an 80 % interval


@dataclass(frozen=True)
class Table:
    """Rows by rising size; `spreads` are standard deviations of ln steps; `batch` in samples."""

    name: str
    sizes: tuple[float, ...]
    steps: tuple[float, ...]
    spreads: tuple[float, ...]
    batch: float | None

    def at(self, parameters: float) -> Steps:
        """Steps of a model of so many parameters.

        Beyond the table the slope at its end goes on, with a warning and a wider interval.
        """
        sizes, steps = np.asarray(self.sizes), np.asarray(self.steps)
        value = float(interpolated(parameters, sizes, steps, extrapolate=True))
        beyond = outside(parameters, (self.sizes[0], self.sizes[-1]))
        measured = float(np.interp(math.log(parameters), np.log(sizes), self.spreads))
        spread = math.hypot(measured, PER_LOG_UNIT * beyond)
        draws = scattered(value, spread)
        low, high = interval(draws)
        ends = f"{self.sizes[0]:,.0f} to {self.sizes[-1]:,.0f} parameters"
        return Steps(
            value=value,
            low=min(low, value),
            high=max(high, value),
            draws=draws,
            law=self.name,
            target=f"that of {self.name}",
            source=f"{self.name}, {len(self.sizes)} rows",
            extrapolated=beyond > 0,
            warnings=(f"steps: extrapolated beyond the table ({ends})",) if beyond else (),
        )


def parse(text: str, where: str) -> Table:
    """The table in CSV text. Raises InputError for the first fault, with its line.

    >>> round(parse("size,steps\\n1e6,1000\\n4e6,500\\n", "mine.csv").at(2e6).value, 2)
    707.11
    """
    reader = csv.DictReader(StringIO(text), strict=True, restkey="", restval="")
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        if set(NEEDED) - set(names) or set(names) - {*NEEDED, *OPTIONAL}:
            raise InputError(where, f"found the columns '{','.join(names)[:60]}'", HINT)
        if ("low" in names) != ("high" in names):
            raise InputError(where, "found one of low and high alone", HINT)
        lines = [(reader.line_num, _numbers(row, reader.line_num, where)) for row in reader]
    except csv.Error as error:
        raise InputError(f"{where}: line {reader.line_num}", f"found {error}", HINT) from None
    rows = sorted((row for _, row in lines), key=lambda row: row["size"])
    if len({row["size"] for row in rows}) < max(len(rows), 2):
        what = f"found {len(rows)} rows of {len({row['size'] for row in rows})} sizes"
        raise InputError(where, what, "write two rows or more, each of another size")
    batches = {row["batch"] for row in rows if "batch" in row}
    if len(batches) > 1:
        raise InputError(f"{where}: batch", "found several", "write one file for each batch")
    return Table(
        where,
        _column(rows, "size"),
        _column(rows, "steps"),
        tuple(math.log(r["high"] / r["low"]) / EIGHTY if "low" in r else 0.0 for r in rows),
        next(iter(batches), None),
    )


def _column(rows: Sequence[dict[str, float]], name: str) -> tuple[float, ...]:
    return tuple(row[name] for row in rows)


def _numbers(row: dict[str, str], line: int, where: str) -> dict[str, float]:
    found = {}
    for name, text in row.items():
        place = f"{where}: line {line}"
        if not name:
            raise InputError(place, "found more cells than columns", HINT)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise InputError(f"{place}: {name}", f"found '{text[:40]}'", "write a number above 0")
        found[name] = value
    if not found.get("low", 0.0) <= found["steps"] <= found.get("high", math.inf):
        raise InputError(f"{where}: line {line}", "found steps outside of low and high", HINT)
    return found
