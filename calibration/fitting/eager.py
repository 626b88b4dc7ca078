"""A family of framework code beside kernels on their own (see `hwsim.cost.host.Eager`).

Such code splits operators that the graph counts as one and takes time to issue them: factors on
products and on all other kernels and the seconds of a kernel's issue, drawn to 1, 1 and what a
single kernel's launch takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from calibration.fitting.choice import SOFT
from calibration.fitting.folds import even_folds
from calibration.fitting.kernels import Range
from calibration.fitting.spreads import UNKNOWN, median_error
from calibration.fitting.stack import Floats
from calibration.measurement import Measurement
from calibration.predict.basis import dtype_of
from calibration.predict.kernels import kernels_of
from calibration.predict.steps import kernels_of_step, workload_of
from hwsim.cost.calibration import Calibration
from hwsim.cost.calibration import Eager as Entry
from hwsim.cost.host import Eager
from hwsim.cost.quantized import step_rates
from hwsim.cost.rates import Timing, rates
from hwsim.cost.roofline import Work, issued, kernel_cost, kernel_work
from hwsim.graph.dtypes import stored
from hwsim.hardware.spec import Device
from hwsim.parallel.price import UPDATE

# Around 1, 1 and a kernel's own launch.
RANGES = {
    "products": Range(1.0, 0.2, 5.0),
    "streams": Range(1.0, 0.02, 50.0),
    "launch": Range(1.0, 0.01, 100.0),
}
PULL = 0.05  # residual of a parameter that is a factor e from its start
SLOPE = 1e-4
FEWEST = 3  # cases that a family's parameters are fitted to
LEAST = 0.02  # spread


@dataclass(frozen=True)
class EagerFit:
    """The entry of a calibration, and ln(predicted / measured) of cases that were held out."""

    eager: Entry
    residuals: Floats
    sources: tuple[str, ...] = ()

    def told(self) -> str:
        """What it is from and how far off, in a few words."""
        error = median_error(self.residuals)
        error = f"; held-out median error {error}" if error else ""
        return f"fitted to {len(self.residuals)} cases of {', '.join(self.sources)}{error}"


def fit_eager(group: Sequence[Timed]) -> EagerFit | None:
    """The parameters of a family from its cases on one device; None for fewer than `FEWEST`.

    The spread is that of cases whose sizes were held out, a quarter of them at a time.
    """
    if len(group) < FEWEST:
        return None
    own, off = even_folds([one.case for one in group]), np.full(len(group), np.nan)
    for fold in np.unique(own):
        rest = [one for one, mine in zip(group, own, strict=True) if mine != fold]
        if len(rest) >= FEWEST:
            values = _fitted(rest)
            off[own == fold] = [
                one.residual(values) for one, mine in zip(group, own, strict=True) if mine == fold
            ]
    known = off[np.isfinite(off)]
    spread = float(np.sqrt(np.mean(known**2))) if len(known) else UNKNOWN
    named = dict(zip(RANGES, (float(f"{value:.4g}") for value in _fitted(group)), strict=True))
    sources = sorted({one.case.provenance.source for one in group})
    entry = Entry(**named, spread=float(f"{max(spread, LEAST):.3g}"))
    return EagerFit(entry, off, tuple(sources))


def typical(entries: Sequence[Entry]) -> Entry:
    """The geometric mean of families, for one that was not measured; its spread is theirs around
    it."""
    logs = np.log([[max(getattr(one, name), 1e-9) for name in RANGES] for one in entries])
    named = dict(zip(RANGES, np.exp(logs.mean(axis=0)).tolist(), strict=True))
    around = float(logs[:, :2].std()) if len(entries) > 1 else UNKNOWN
    return Entry(**named, spread=max(around, *(one.spread for one in entries)))


class Timed:
    """A case's kernels with their numbers, and the time of what the family's code is not around.

    Raises InputError for a step that can't be costed.
    """

    def __init__(self, case: Measurement, device: Device, calibration: Calibration) -> None:
        self.case, self.dtype = case, dtype_of(case)
        self.measured, self.rest = case.seconds or 1.0, 0.0
        # A step's kernels follow one another in the framework's stream, as in an estimate.
        timing: Timing = "kernel" if case.kind == "step" else "call"
        reached = step_rates(device, calibration, self.dtype, timing=timing)
        self.rates = reached.plain
        if case.kind == "step":
            kernels, self.rest = kernels_of_step(case), _rest(case, device, calibration)
        else:
            kernels = Counter(kernels_of(case.shape, self.dtype))
        launched = [(one, kernel) for kernel in kernels for one in reached.launches(kernel)]
        work = [kernel_work(*one) for one, _ in launched]
        self.work = Work(*np.array(work, dtype=float).T)
        self.products = np.array([one.kernel.engine == "matrix" for one, _ in launched])
        # Casts of operands, which no factor is for.
        self.casts = np.array([one.kernel.engine != kernel.engine for one, kernel in launched])
        repeats = [kernels[kernel] * one.kernel.repeat for one, kernel in launched]
        self.repeats = np.array(repeats)

    def residual(self, values: Floats) -> float:
        products, streams, launch = values.tolist()
        others: Any = np.where(self.casts, 1.0, streams)
        reach = self.rates._replace(eager=Eager(products, others, launch))
        costs = issued(self.work, self.products, self.repeats, reach)
        return float(np.log((np.sum(costs.seconds) + self.rest) / self.measured))


def _rest(case: Measurement, device: Device, calibration: Calibration) -> float:
    """Seconds of a step's update."""
    operators = {name: one for name, one in calibration.eager.items() if "." in name}
    under = calibration.model_copy(update={"eager": operators})
    dtype = stored(dtype_of(case))
    graph = workload_of(case, case.shape).graph()
    reach = rates(device, under, dtype, family=UPDATE)
    return sum(kernel_cost(kernel, reach, dtype).seconds for kernel in graph.update())


def _fitted(group: Sequence[Timed]) -> Floats:
    """Factors on products and streams, and seconds of issue."""
    first = group[0].rates
    issue = first.launch if first.host is not None else first.dispatch
    center = np.log([one.start for one in RANGES.values()])
    center[2] += np.log(max(issue, 1e-7))
    least, most = (center + np.log([one[side] for one in RANGES.values()]) for side in (1, 2))

    def off(x: Floats) -> Floats:
        return np.array([*(step.residual(np.exp(x)) for step in group), *(PULL * (x - center))])

    solved = least_squares(
        off, center, bounds=(least, most), loss="soft_l1", f_scale=SOFT, diff_step=SLOPE
    )
    return np.asarray(np.exp(solved.x))
