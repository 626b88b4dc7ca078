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
from calibration.predict.links import collective_seconds
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
            spread = _spread(case, self._reached)
        except InputError as error:
            return Skipped(_reason(error))
        near, far = math.exp(REACH80 * spread), math.exp(REACH95 * spread)
        inner, outer = (seconds / near, seconds * near), (seconds / far, seconds * far)
        return Prediction(seconds, *inner, roofline, *outer)


def _spread(case: Case, basis: Basis) -> float:
    """The spread of what was fitted for such kernels; of the calibration for all else."""
    kind = KINDS.get(type(case.shape))
    if isinstance(case.shape, Collective):
        links = basis.calibration(basis.device(case.device)).links
        return links.spread_of(case.shape.bytes)
    if kind is None:
        return basis.calibration(basis.device(case.device)).spread
    return float(getattr(basis.rates(case).spreads, kind))


def _seconds(case: Case, basis: Basis) -> float:
    """Seconds of a case on a basis. Raises InputError where it can't be costed."""
    shape = case.shape
    why = NOT_YET.get(type(shape))
    if why is not None:
        raise InputError("", why)
    if isinstance(shape, Collective):
        system, devices = system_of(case, basis), case.devices or 1
        reached = basis.calibration(system.device)
        return float(
            collective_seconds(shape, shape.bytes, devices, system, reached, bare=basis.bare)
        )
    if isinstance(shape, TransformerStep):
        return step_seconds(case, shape, basis)
    reach, dtype = basis.rates(case), dtype_of(case)
    start = reach.chains.start if isinstance(shape, Recurrent) and reach.chains else 0.0
    kernels = kernels_of(shape, dtype)
    return start + sum(kernel_cost(kernel, reach, dtype).seconds for kernel in kernels)


def _reason(error: InputError) -> str:
    """What is wrong, without what to write into a file that is not ours."""
    return f"{error.where}: {error.what}" if error.where else error.what
