"""Predicted against measured: suites, their errors, and what they are compared with.

An error is |predicted / measured - 1|. Every suite is one table of one source and has its errors
of hwsim, of the bare datasheet roofline and of the null model on the same cases.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from calibration import measurement as measurements
from calibration.measurement import Measurement
from calibration.null import Sample, null_seconds
from calibration.predict import Predict, Prediction, Predictor, Skipped
from calibration.sources import tables
from hwsim.cost.calibration import load
from hwsim.errors import InputError, SurroundingsError

WORST = 5
HEADER = ("row", "predicted", "low", "high", "roofline", "why")
Errors = dict[str, float] | None


@dataclass(frozen=True)
class Outcome:
    """A measurement and what was said about it."""

    measurement: Measurement
    answer: Prediction | Skipped
    null: float | None = None

    @property
    def table(self) -> str:
        return self.measurement.shape.kind

    @property
    def suite(self) -> tuple[str, str]:
        return self.table, self.measurement.provenance.source


def read(path: str) -> list[Measurement]:
    """The measurements of a CSV table or of a JSON Lines file. Raises InputError."""
    text = measurements.text_of(path)
    if text.lstrip().startswith("{"):
        return measurements.parse(text, path)
    return tables.parse(text, path)


def outcomes(
    cases: Iterable[Measurement], split: str = "none", predictor: Predict | None = None
) -> list[Outcome]:
    """What hwsim and the null model say about each case. Raises InputError for an unknown split.

    `predictor` is by default that of what is shipped.
    """
    predict = predictor or Predictor()
    found = [Outcome(case, predict(case)) for case in cases]
    by_table: dict[str, list[int]] = defaultdict(list)
    samples: dict[int, Sample] = {}
    for number, outcome in enumerate(found):
        case, answer = outcome.measurement, outcome.answer
        if isinstance(answer, Prediction) and case.seconds is not None:
            by_table[outcome.table].append(number)
            samples[number] = Sample(case, answer.roofline)
    for numbers in by_table.values():
        nulls = null_seconds([samples[number] for number in numbers], split)
        for number, null in zip(numbers, nulls, strict=True):
            found[number] = replace(found[number], null=null)
    return found


def suites(found: Sequence[Outcome], split: str = "none") -> list[dict[str, Any]]:
    """One record for each table and source, in their order.

    `in_sample`: without a split, whether cases of the table are among those that the shipped
    calibrations were fitted to.
    """
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in found:
        groups[outcome.suite].append(outcome)
    return [_suite(table, source, members, split) for (table, source), members in groups.items()]


def _suite(table: str, source: str, members: Sequence[Outcome], split: str) -> dict[str, Any]:
    scored = list(_scored(members))
    skipped = [
        {"case": o.measurement.describe(), "why": o.answer.why}
        for o in members
        if isinstance(o.answer, Skipped)
    ]
    within = [answer.low <= truth <= answer.high for _, answer, truth in scored]
    within95 = [answer.low95 <= truth <= answer.high95 for _, answer, truth in scored]
    nulls = [(o.null, truth) for o, _, truth in scored if o.null is not None]
    return {
        "name": f"{table}/{source}",
        "cases": len(scored),
        "skipped": skipped,
        "hwsim": errors([(answer.seconds, truth) for _, answer, truth in scored]),
        "roofline": errors([(answer.roofline, truth) for _, answer, truth in scored]),
        "null": errors(nulls),
        "worst": _worst(scored),
        "in_sample": split == "none" and f"{members[0].measurement.kind}/{source}" in load().rows,
        "blank": len(members) - len(skipped) - len(scored),
        "repeat_floor": repeat_floor([o.measurement for o in members]),
        "coverage80": sum(within) / len(within) if within else None,
        "coverage95": sum(within95) / len(within95) if within95 else None,
    }


def _scored(members: Iterable[Outcome]) -> Iterator[tuple[Outcome, Prediction, float]]:
    for outcome in members:
        truth = outcome.measurement.seconds
        if isinstance(outcome.answer, Prediction) and truth is not None:
            yield outcome, outcome.answer, truth


def errors(pairs: Sequence[tuple[float, float]]) -> Errors:
    """Mean, median, 90th percentile and most of |predicted / measured - 1|, and its signed mean.

    >>> errors([(1.1, 1.0), (0.5, 1.0)])
    {'mape': 0.3, 'median': 0.3, 'p90': 0.46, 'max': 0.5, 'bias': -0.2}
    """
    if not pairs:
        return None
    predicted, measured = np.array(pairs, dtype=float).T
    signed = predicted / measured - 1.0
    size = np.abs(signed)
    found = {
        "mape": size.mean(),
        "median": np.median(size),
        "p90": np.percentile(size, 90),
        "max": size.max(),
        "bias": signed.mean(),
    }
    return {name: round(float(value), 12) for name, value in found.items()}


def repeat_floor(cases: Sequence[Measurement]) -> float | None:
    """Median of max / min - 1 over configurations that were measured more than once, or None."""
    repeats: dict[Any, list[float]] = defaultdict(list)
    for case in cases:
        if case.seconds is not None:
            repeats[case.case].append(case.seconds)
    spreads = [max(times) / min(times) - 1.0 for times in repeats.values() if len(times) > 1]
    return median(spreads) if spreads else None


def _worst(scored: Sequence[tuple[Outcome, Prediction, float]]) -> list[dict[str, Any]]:
    def off(one: tuple[Outcome, Prediction, float]) -> float:
        return abs(one[1].seconds / one[2] - 1.0)

    return [
        {
            "case": outcome.measurement.describe(),
            "row": outcome.measurement.row,
            "measured": truth,
            "predicted": answer.seconds,
        }
        for outcome, answer, truth in sorted(scored, key=off, reverse=True)[:WORST]
    ]


def write_predictions(path: Path, found: Sequence[Outcome]) -> None:
    """One line a row of the file: `row,predicted,low,high,roofline,why`.

    Raises InputError for a path that can't be a file, SurroundingsError if the disk refuses.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            for outcome in found:
                row, answer = outcome.measurement.row, outcome.answer
                if isinstance(answer, Skipped):
                    writer.writerow((row, "", "", "", "", answer.why))
                else:
                    writer.writerow((row, *(f"{seconds:.9g}" for seconds in answer[:4]), ""))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(
            f"--predictions {path}", str(error.strerror), "write a file's path"
        ) from None
    except OSError as error:
        raise SurroundingsError(str(path), f"can't be written ({error.strerror})") from None
