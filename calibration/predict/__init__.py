"""A measured case -> what hwsim would have said before anyone measured it.

Predictions go through the cost functions of the estimate and see a `Case`, which has no results.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

from calibration.measurement import Case, Measurement
from calibration.predict.basis import Basis, Provider, dtype_of, finite
from calibration.predict.kernels import kernels_of
from calibration.predict.steps import step_seconds
from calibration.predict.systems import system_of
from calibration.shapes import (
    Collective,
    Convolution,
    Gemm,
    ModelStep,
    MoeStep,
    Pointwise,
    Recurrent,
    Shape,
    StepsToTarget,
    TrainingRun,
    TransformerStep,
)
from hwsim.cost.calibration import load_for
from hwsim.cost.collectives import all_gather, all_reduce
from hwsim.cost.roofline import kernel_cost
from hwsim.errors import InputError

# Standard deviations from the median to the ends of an 80 and a 95 % interval: 1.2816, 1.96.
REACH80 = NormalDist().inv_cdf(0.9)
REACH95 = NormalDist().inv_cdf(0.975)
# Whose spread a kernel has (fields of hwsim.cost.rates.Spreads).
KINDS: dict[type[Shape], str] = {
    Gemm: "products",
    Recurrent: "chains",
    Convolution: "convolutions",
    Pointwise: "streams",
}
NOT_YET: dict[type[Shape], str] = {
    MoeStep: "mixtures of experts are not simulated yet",
    ModelStep: "the layers of named models are not described yet",
    TrainingRun: "whole runs of named models are not predicted yet",
    StepsToTarget: "no law of steps was measured for this workload",
}


class Prediction(NamedTuple):
    """Seconds with an 80 and a 95 % interval, and those of the bare datasheet roofline."""

    seconds: float
    low: float
    high: float
    roofline: float
    low95: float
    high95: float


class Skipped(NamedTuple):
    """Why a case can't be costed."""

    why: str


Predict = Callable[[Measurement], Prediction | Skipped]


class Predictor:
    """Predictions under the calibrations that `provider` has; each is looked up once."""

    def __init__(self, provider: Provider = load_for) -> None:
        self._reached = Basis(provider)
        self._bare = Basis(provider, bare=True)

    def __call__(self, measurement: Measurement) -> Prediction | Skipped:
        """The prediction of a case, or why there is none."""
        case = measurement.case
        try:
            seconds = finite(_seconds(case, self._reached))
            roofline = finite(_seconds(case, self._bare))
            spread, tail = _spread(case, self._reached)
        except InputError as error:
            return Skipped(_reason(error))
        near = math.exp(REACH80 * spread)
        far = max(near, math.exp(REACH95 * tail))
        inner, outer = (seconds / near, seconds * near), (seconds / far, seconds * far)
        return Prediction(seconds, *inner, roofline, *outer)


def _spread(case: Case, basis: Basis) -> tuple[float, float]:
    """Spread and tail of what was fitted for such kernels; of the calibration for all else."""
    kind = KINDS.get(type(case.shape))
    if kind is None:
        spread = basis.calibration(basis.device(case.device)).spread
        return spread, spread
    found = basis.rates(case)
    return float(getattr(found.spreads, kind)), float(getattr(found.tails, kind))


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
    start = reach.chains.start if isinstance(shape, Recurrent) and reach.chains else 0.0
    kernels = kernels_of(shape, dtype)
    return start + sum(kernel_cost(kernel, reach, dtype).seconds for kernel in kernels)


def _collective(case: Case, shape: Collective, basis: Basis) -> float:
    costs = {
        "all_reduce": all_reduce,
        "all_gather": all_gather,
        "reduce_scatter": all_gather,
    }
    if shape.collective not in costs:
        raise InputError("", f"the collective {shape.collective} is not simulated yet")
    system = system_of(case, basis)
    return costs[shape.collective](
        shape.bytes, case.devices or 1, system, basis.calibration(system.device)
    )


def _reason(error: InputError) -> str:
    """What is wrong, without what to write into a file that is not ours."""
    return f"{error.where}: {error.what}" if error.where else error.what
