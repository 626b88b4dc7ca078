"""Predicted against measured: suites, their errors, and what they are compared with.

Every suite is one table of one source and has the errors of hwsim, of the bare datasheet roofline
and of the null model on the same cases (`calibration.validation.score`).
"""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from calibration.measurement import Measurement
from calibration.predict import Predict, Prediction, Predictor, Skipped
from calibration.predict.rows import configuration_of
from calibration.shapes import TrainingRun
from calibration.validation.null import Sample, null_seconds
from calibration.validation.score import Scored, by, clustered, compared, stratum
from hwsim.cost.calibration import load
from hwsim.errors import InputError, SurroundingsError

WORST = 5
HEADER = ("row", "predicted", "low", "high", "roofline", "why")
ASSUMED = ("row", "assumed")


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


def outcomes(
    cases: Iterable[Measurement],
    split: str = "none",
    predictor: Predict | None = None,
    answers: Iterable[Prediction | Skipped] | None = None,
) -> list[Outcome]:
    """What hwsim and the null model say about each case. Raises InputError for an unknown split.

    `answers` are hwsim's where they are there already, else those of the `predictor`, by default
    that of what is shipped.
    """
    cases = list(cases)
    said = map(predictor or Predictor(), cases) if answers is None else answers
    found = [Outcome(case, answer) for case, answer in zip(cases, said, strict=True)]
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


def suites(
    found: Sequence[Outcome], split: str = "none", worst: int = WORST
) -> list[dict[str, Any]]:
    """One record for each table and source, in their order, with its `worst` cases.

    `in_sample`: without a split, whether cases of the table are among those that the shipped
    calibrations were fitted to.
    """
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in found:
        groups[outcome.suite].append(outcome)
    return [_suite(*name, members, split, worst) for name, members in groups.items()]


def _suite(
    table: str, source: str, members: Sequence[Outcome], split: str, worst: int
) -> dict[str, Any]:
    scored = _scored(members)
    skipped = [
        {"case": o.measurement.describe(), "why": o.answer.why}
        for o in members
        if isinstance(o.answer, Skipped)
    ]
    strata = by("name", scored, stratum)
    return {
        "name": f"{table}/{source}",
        **compared(scored),
        "clustered": clustered(scored, split),
        "skipped": skipped,
        "assumed": _assumed(members),
        "worst": _worst(scored, worst),
        "in_sample": split == "none" and f"{_fitted(members[0])}/{source}" in load().rows,
        "blank": len(members) - len(skipped) - len(scored),
        "repeat_floor": repeat_floor([o.measurement for o in members]),
        "devices": by("device", scored, lambda case: case.device),
        "strata": strata if len(strata) > 1 else [],
    }


def _fitted(outcome: Outcome) -> str:
    """The kind of cases by which such a one is predicted: a run by steps."""
    return (
        "step" if isinstance(outcome.measurement.shape, TrainingRun) else outcome.measurement.kind
    )


def _assumed(members: Iterable[Outcome]) -> list[dict[str, Any]]:
    """What predictions took for granted, each sentence with the rows that it holds for."""
    rows: dict[str, list[int]] = defaultdict(list)
    for outcome in members:
        if isinstance(outcome.answer, Prediction):
            for sentence in outcome.answer.assumed:
                rows[sentence].append(outcome.measurement.row)
    return [{"assumed": sentence, "rows": found} for sentence, found in rows.items()]


def _scored(members: Iterable[Outcome]) -> list[Scored]:
    return [
        Scored(outcome.measurement, outcome.answer, outcome.measurement.seconds, outcome.null)
        for outcome in members
        if isinstance(outcome.answer, Prediction) and outcome.measurement.seconds is not None
    ]


def repeat_floor(cases: Sequence[Measurement]) -> float | None:
    """Median of max / min - 1 over configurations that were measured more than once, or None."""
    known = [case for case in cases if case.seconds is not None]
    sizes = Counter(case.case for case in known)
    repeats: dict[Hashable, list[float]] = defaultdict(list)
    for case in known:
        if sizes[case.case] > 1 and case.seconds is not None:
            repeats[configuration_of(case)].append(case.seconds)
    spreads = [max(times) / min(times) - 1.0 for times in repeats.values() if len(times) > 1]
    return median(spreads) if spreads else None


def _worst(scored: Sequence[Scored], worst: int) -> list[dict[str, Any]]:
    def off(one: Scored) -> float:
        return abs(math.log(one.answer.seconds / one.truth))

    return [
        {
            "case": one.case.describe(),
            "row": one.case.row,
            "measured": one.truth,
            "predicted": one.answer.seconds,
            "parts": [{"name": part.name, **part.seconds} for part in one.answer.parts],
        }
        for one in sorted(scored, key=off, reverse=True)[:worst]
    ]


def write_predictions(path: Path, found: Sequence[Outcome]) -> None:
    """One line a row of the file: `row,predicted,low,high,roofline,why`.

    Raises InputError for a path that can't be a file, SurroundingsError if the disk refuses.
    """
    _write("--predictions", path, [HEADER, *map(_predicted, found)])


def write_assumptions(path: Path, found: Sequence[Outcome]) -> None:
    """One line an assumption: `row,assumed`. Raises as `write_predictions` does."""
    lines = [
        (outcome.measurement.row, sentence)
        for outcome in found
        if isinstance(outcome.answer, Prediction)
        for sentence in outcome.answer.assumed
    ]
    _write("--assumptions", path, [ASSUMED, *lines])


def _predicted(outcome: Outcome) -> tuple[object, ...]:
    row, answer = outcome.measurement.row, outcome.answer
    if isinstance(answer, Skipped):
        return (row, "", "", "", "", answer.why)
    return (row, *(f"{seconds:.9g}" for seconds in answer[:4]), "")


def _write(option: str, path: Path, lines: Iterable[tuple[object, ...]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        where = f"{option} {path}"
        raise InputError(where, str(error.strerror), "write a file's path") from None
    except OSError as error:
        raise SurroundingsError(str(path), f"can't be written ({error.strerror})") from None
