"""Measurements that no fit should see: contradictory ones, and ones too fast for their device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from calibration.measurement import Case, Measurement
from calibration.predict import Prediction, Predictor
from calibration.predict.basis import hosted
from calibration.shapes import Gemm, Pointwise

APART = 3.0  # times of one case that differ by more contradict each other
SHORTEST = 1e-8  # seconds
TOO_FAST = 1.7  # times the datasheet's roofline; Winograd's convolutions may pass it


class Screened(NamedTuple):
    """What may be fitted to, and what is wrong with the rest."""

    kept: list[Measurement]
    warnings: list[str]


def screen(cases: Iterable[tuple[str, Measurement]]) -> Screened:
    """The measurements, each with its file, without those that can't be right."""
    known = [(file, case) for file, case in cases if case.seconds is not None]
    times: dict[Case, list[float]] = defaultdict(list)
    for _, case in known:
        times[case.case].append(case.seconds or 0.0)
    predict = Predictor()
    found = Screened([], [])
    for file, case in known:
        why = _contradiction(times[case.case]) or _too_short(case) or _too_fast(case, predict)
        if why is None:
            found.kept.append(case)
        else:
            found.warnings.append(f"{file}: row {case.row}: {case.describe()}: {why}; left out")
    return found


def _contradiction(times: list[float]) -> str | None:
    least, most = min(times), max(times)
    if most <= APART * least:
        return None
    return f"{len(times)} measurements of it are {most / least:.3g} times apart"


def _too_short(case: Measurement) -> str | None:
    if (case.seconds or 0.0) >= SHORTEST:
        return None
    return f"no clock tells {case.seconds:.3g} s"


def _too_fast(case: Measurement, predict: Predictor) -> str | None:
    if not isinstance(case.shape, Gemm | Pointwise) or case.seconds is None or hosted(case):
        return None  # a CPU's caches are many times as fast as the memory that it states
    answer = predict(case)
    if not isinstance(answer, Prediction) or answer.roofline <= TOO_FAST * case.seconds:
        return None
    return f"{answer.roofline / case.seconds:.3g} times as fast as the datasheet allows"
