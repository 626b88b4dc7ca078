"""A law set against runs that it was not fitted to: another campaign, or another CSV of curves.

A prediction reads a run's parameters, data and batch, and nothing else of it.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.converge import runs as files
from calibration.converge.runs import Runs
from calibration.converge.user_curves import Run
from hwsim import jsonfile
from hwsim.convergence.law import Law, predict
from hwsim.convergence.target import Target
from hwsim.errors import InputError

HEADER = ("row", "predicted", "low", "high", "why")


@dataclass(frozen=True)
class Predicted:
    """A run's predicted steps with their 80 and 95 % intervals, and the measured ones.

    `why` there is no prediction, or no error of it; '' where there are both.
    """

    value: float | None
    interval80: tuple[float, float] | None
    interval95: tuple[float, float] | None
    measured: float | None
    why: str = ""


def predictions(law: Law, path: Path, patience: float | None = None) -> list[Predicted]:
    """Every run of a file, in the file's order. Raises InputError if it holds no curves."""
    found = files.read(path, patience=patience, measured=False)
    target = Target(law.goal.kind, law.goal.value)
    return [_predicted(law, run, found, target) for run in found.runs]


def _predicted(law: Law, run: Run, found: Runs, target: Target) -> Predicted:
    measured, why = _measured(run, found, target)
    try:
        steps = predict(law, run.model, run.data, {"batch": run.batch} if run.batch else {})
    except InputError as fault:
        return Predicted(None, None, None, measured, fault.what)
    low, high = np.percentile(steps.draws, (2.5, 97.5))
    wide = float(min(low, steps.value)), float(max(high, steps.value))
    return Predicted(steps.value, (steps.low, steps.high), wide, measured, why)


def _measured(run: Run, found: Runs, target: Target) -> tuple[float | None, str]:
    if not run.steps:
        return None, "no losses to compare with"
    met = target.met(run.steps, run.losses, found.patience)
    whys = {
        "censored": "the run ended before its target was seen",
        "never": "the run passed its minimum above the loss",
    }
    return (met.steps, "") if met.how == "met" else (None, whys[met.how])


def scores(found: Sequence[Predicted]) -> dict[str, float | int | None]:
    """Median and 90th percentile of |predicted / measured - 1|, and the shares of the measured
    steps that lie within the 80 and 95 % intervals; None without cases."""
    pairs = [one for one in found if one.value is not None and one.measured is not None]
    if not pairs:
        return {"cases": 0, **dict.fromkeys(("median", "p90", "coverage80", "coverage95"))}
    errors = [abs(one.value / one.measured - 1.0) for one in pairs if one.value and one.measured]
    return {
        "cases": len(pairs),
        "median": float(np.median(errors)),
        "p90": float(np.percentile(errors, 90)),
        "coverage80": _covered(pairs, "interval80"),
        "coverage95": _covered(pairs, "interval95"),
    }


def _covered(pairs: Sequence[Predicted], name: str) -> float:
    inside = [low <= one.measured <= high for one in pairs for low, high in [getattr(one, name)]]
    return float(np.mean(inside))


def write(path: Path, found: Sequence[Predicted]) -> None:
    """One line a run of the file, counted from 0: `row,predicted,low,high,why` (80 %)."""
    with jsonfile.replaced(path) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(HEADER)
        for row, one in enumerate(found):
            low, high = one.interval80 or (None, None)
            cells = (_cell(value) for value in (one.value, low, high))
            table.writerow((row, *cells, one.why if one.value is None else ""))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
