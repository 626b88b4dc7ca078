"""Answers to many cases, by as many processes as there are cores where that pays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

from calibration.measurement import Measurement
from calibration.predict import Predict, Prediction, Skipped
from calibration.processes import cores, mapped

Answer = Prediction | Skipped
SIMULATED = ("step", "run")  # kinds of cases that take milliseconds; all others take far less
FEW = 32  # of those that a process is not worth starting for


def answered(
    cases: Sequence[Measurement], predict: Predict, processes: int | None = None
) -> AbstractContextManager[Iterable[Answer]]:
    """What `predict` says of each case, in their order, as it comes.

    Without `processes` there are as many as cores, or fewer for few simulated cases. Raises as
    `mapped` does.
    """
    return mapped(cases, predict, processes or _worth(cases))


def _worth(cases: Sequence[Measurement]) -> int:
    simulated = sum(case.kind in SIMULATED for case in cases)
    return max(min(cores(), simulated // FEW), 1)
