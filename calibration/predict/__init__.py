"""A measured case -> what hwsim would have said before anyone measured it.

Predictions go through the cost functions of the estimate and see a `Case`, which has no results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from calibration.measurement import Case, Measurement
from calibration.predict.ablation import Without
from calibration.predict.basis import Basis, Provider, dtype_of, finite, hosted
from calibration.predict.families import family_of
from calibration.predict.kernels import kernels_of
from calibration.predict.links import collective_seconds
from calibration.predict.models import step_of
from calibration.predict.rows import Row, row_of
from calibration.predict.runs import Run, run_of, run_parts
from calibration.predict.steps import software_of, step_parts, workload_parts
from calibration.predict.systems import system_of
from calibration.shapes import (
    Collective,
    Convolution,
    Gemm,
    ModelStep,
    Pointwise,
    Recurrent,
    Shape,
    StepsToTarget,
    TrainingRun,
    WorkloadStep,
)
from hwsim.cost.calibration import load_for
from hwsim.cost.roofline import BOUNDS, kernel_cost
from hwsim.errors import InputError
from hwsim.parallel.price import code_of
from hwsim.userdata import LOCAL

if TYPE_CHECKING:
    from calibration.predict.counts import Counting

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
    StepsToTarget: "no time: `hwsim converge fit TABLE --predict FILE` has laws of steps",
}


class Part(NamedTuple):
    """One kernel of a prediction, or a whole step; `seconds` by what they are booked to."""

    name: str
    seconds: Mapping[str, float]


class Prediction(NamedTuple):
    """Seconds with an 80 and a 95 % interval, and those of the bare datasheet roofline; `parts`
    sum to the seconds; `assumed` says what the case doesn't."""

    seconds: float
    low: float
    high: float
    roofline: float
    low95: float
    high95: float
    parts: tuple[Part, ...] = ()
    assumed: tuple[str, ...] = ()


class Skipped(NamedTuple):
    """Why a case can't be costed."""

    why: str


Predict = Callable[[Measurement], Prediction | Skipped]


class Predictor:
    """Predictions under the calibrations that `provider` has; each is looked up once.

    `without` names pieces of physics to be taken away (`calibration.predict.ablation`); `counter`
    says how many steps a run takes, where its row isn't asked. Raises InputError for another name.
    """

    def __init__(
        self,
        provider: Provider = load_for,
        without: Iterable[str] = (),
        counter: Counting | None = None,
    ) -> None:
        self._counter = counter
        self._without = Without(without)
        self._reached = Basis(provider, without=self._without)
        self._bare = Basis(provider, bare=True)

    def __call__(self, measurement: Measurement) -> Prediction | Skipped:
        """The prediction of a case, or why there is none."""
        measurement = self._without("case", measurement)
        case = measurement.case
        elsewhere = _elsewhere(measurement, self._reached)
        if elsewhere is not None:
            return elsewhere
        if isinstance(case.shape, TrainingRun | ModelStep):
            return self._run(measurement, case.shape)
        try:
            row = row_of(measurement)
            parts = tuple(_parts(case, self._reached, row))
            seconds = finite(_sum(parts))
            roofline = finite(_sum(_parts(case, self._bare, row)))
            spread, tail = _spread(case, self._reached, row)
        except InputError as error:
            return Skipped(_reason(error))
        assumed = row.assumed if row else ()
        return _prediction(seconds, roofline, (spread, tail), parts, assumed)

    def _run(
        self, measurement: Measurement, shape: TrainingRun | ModelStep
    ) -> Prediction | Skipped:
        """The same for a whole run, or for one step of a named model."""
        try:
            run = self._described(measurement, shape)
            parts = (Part(shape.family, run_parts(run, self._reached)),)
            seconds = finite(_sum(parts))
            roofline = finite(sum(run_parts(run, self._bare).values()))
        except InputError as error:
            return Skipped(_reason(error))
        return _prediction(seconds, roofline, run.spreads, parts, run.assumed)

    def _described(self, measurement: Measurement, shape: TrainingRun | ModelStep) -> Run:
        if isinstance(shape, ModelStep):
            return step_of(measurement.case, shape)
        if self._counter is None:
            return run_of(measurement, shape, self._reached)
        count = self._counter(shape, measurement.provenance.source)
        shape = shape.model_copy(update={"steps": count.steps})
        run = run_of(measurement, shape, self._reached)
        near, far = run.spreads
        spreads = (math.hypot(near, count.spread), math.hypot(far, count.tail))
        return run._replace(spreads=spreads)


def _prediction(
    seconds: float,
    roofline: float,
    spreads: tuple[float, float],
    parts: tuple[Part, ...],
    assumed: tuple[str, ...],
) -> Prediction:
    """Seconds with the intervals of a spread and a tail."""
    spread, tail = spreads
    near = math.exp(REACH80 * spread)
    far = max(near, math.exp(REACH95 * tail))
    inner, outer = (seconds / near, seconds * near), (seconds / far, seconds * far)
    return Prediction(seconds, *inner, roofline, *outer, parts, assumed)


def _elsewhere(measurement: Measurement, basis: Basis) -> Skipped | None:
    """Why a measurement of `local` is not one of this machine, if it isn't."""
    machine = measurement.provenance.machine
    if measurement.device != LOCAL or machine is None:
        return None
    try:
        here = basis.device(LOCAL).description
    except InputError as error:
        return Skipped(_reason(error))
    if machine in here:
        return None
    return Skipped(f"it was measured on {machine}, but local is {here}")


def _spread(case: Case, basis: Basis, row: Row | None) -> tuple[float, float]:
    """Spread and tail of what was fitted for such kernels, for the software of such steps, or such
    a family of framework code; of the calibration for all else."""
    under = basis.calibration(basis.device(case.device))
    if row is not None:
        software = basis.without("software", software_of(row))
        mixture = row.workload.experts is not None
        code = code_of(software, under, row.workload.name, mixture=mixture)
        spread = under.spread if code is None else code.spread
        return spread, spread
    own = under.eager.get(family_of(case) or "")
    if own is not None:
        # The sums of a CPU's processes are not hidden behind its kernels.
        summed = hosted(case) and (case.devices or 1) > 1
        spread = max(own.spread, under.links.spread) if summed else own.spread
        return spread, spread
    kind = KINDS.get(type(case.shape))
    if isinstance(case.shape, Collective):
        spread = under.links.spread_of(case.shape.bytes)
        return spread, spread
    if kind is None:
        return under.spread, under.spread
    found = basis.rates(case)
    return float(getattr(found.spreads, kind)), float(getattr(found.tails, kind))


def _parts(case: Case, basis: Basis, row: Row | None) -> list[Part]:
    """What a case is made of on a basis; a transformer's step is its `row`.

    Raises InputError where it can't be costed.
    """
    shape = case.shape
    why = NOT_YET.get(type(shape))
    if why is not None:
        raise InputError("", why)
    if isinstance(shape, Collective):
        system, devices = system_of(case, basis), case.devices or 1
        reached = basis.calibration(system.device)
        seconds = collective_seconds(shape, shape.bytes, devices, system, reached, bare=basis.bare)
        return [Part(shape.collective, {"communication": float(seconds)})]
    if row is not None:
        return [Part("step", step_parts(case, row, basis))]
    if isinstance(shape, WorkloadStep):
        return [Part("step", workload_parts(case, shape, basis))]
    reach, dtype = basis.rates(case), dtype_of(case)
    parts = []
    if isinstance(shape, Recurrent) and reach.chains:
        parts.append(Part("start", {"launch": reach.chains.start}))
    for kernel in kernels_of(shape, dtype):
        cost = kernel_cost(kernel, reach, dtype)
        parts.append(Part(kernel.name, {BOUNDS[cost.bound]: cost.seconds}))
    return parts


def _sum(parts: Iterable[Part]) -> float:
    return sum(seconds for part in parts for seconds in part.seconds.values())


def _reason(error: InputError) -> str:
    """What is wrong, without what to write into a file that is not ours."""
    return f"{error.where}: {error.what}" if error.where else error.what
