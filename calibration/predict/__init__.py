"""A measured case -> what hwsim would have said before anyone measured it.

Predictions go through the cost functions of the estimate and see a `Case`, which has no results.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

from calibration.measurement import Case, Measurement
from calibration.predict.basis import Basis, dtype_of, finite
from calibration.predict.kernels import kernels_of
from calibration.predict.steps import step_seconds
from calibration.predict.systems import system_of
from calibration.shapes import (
    Collective,
    ModelStep,
    MoeStep,
    Shape,
    StepsToTarget,
    TrainingRun,
    TransformerStep,
)
from hwsim.cost.calibration import Calibration
from hwsim.cost.calibration import load as load_calibration
from hwsim.cost.collectives import all_gather, all_reduce
from hwsim.cost.roofline import kernel_cost
from hwsim.errors import InputError

# Standard deviations from the median to the ends of an 80 % interval: 1.2816.
REACH = NormalDist().inv_cdf(0.9)
NOT_YET: dict[type[Shape], str] = {
    MoeStep: "mixtures of experts are not simulated yet",
    ModelStep: "the layers of named models are not described yet",
    TrainingRun: "whole runs of named models are not predicted yet",
    StepsToTarget: "no law of steps was measured for this workload",
}


class Prediction(NamedTuple):
    """Seconds with an 80 % interval, and those of the bare datasheet roofline."""

    seconds: float
    low: float
    high: float
    roofline: float


class Skipped(NamedTuple):
    """Why a case can't be costed."""

    why: str


class Predictor:
    """Predictions under one calibration; devices and rates are looked up once."""

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.calibration = calibration or load_calibration()
        self._reached = Basis(self.calibration)
        self._bare = Basis(self.calibration, bare=True)

    def __call__(self, measurement: Measurement) -> Prediction | Skipped:
        """The prediction of a case, or why there is none."""
        case = measurement.case
        try:
            seconds = finite(_seconds(case, self._reached))
            roofline = finite(_seconds(case, self._bare))
        except InputError as error:
            return Skipped(_reason(error))
        factor = math.exp(REACH * self.calibration.spread)
        return Prediction(seconds, seconds / factor, seconds * factor, roofline)


def _seconds(case: Case, basis: Basis) -> float:
    """Seconds of a case on a basis. Raises InputError where it can't be costed."""
    shape = case.shape
    why = NOT_YET.get(type(shape))
    if why is not None:
        raise InputError("", why)
    if isinstance(shape, Collective):
        return _collective(case, shape, basis)
    if isinstance(shape, TransformerStep):
        return step_seconds(case, shape, basis)
    reach, dtype = basis.rates(case), dtype_of(case)
    return sum(kernel_cost(kernel, reach, dtype).seconds for kernel in kernels_of(shape, dtype))


def _collective(case: Case, shape: Collective, basis: Basis) -> float:
    costs = {
        "all_reduce": all_reduce,
        "all_gather": all_gather,
        "reduce_scatter": all_gather,
    }
    if shape.collective not in costs:
        raise InputError("", f"the collective {shape.collective} is not simulated yet")
    system = system_of(case, basis)
    return costs[shape.collective](shape.bytes, case.devices or 1, system, basis.calibration)


def _reason(error: InputError) -> str:
    """What is wrong, without what to write into a file that is not ours."""
    return f"{error.where}: {error.what}" if error.where else error.what
