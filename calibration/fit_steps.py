"""Whole steps of a workload beside the sum of their kernels (see `hwsim.cost.host.Eager`).

A framework's code splits operators that the graph counts as one and takes time to issue them: per
family of workloads, factors on products and on all other kernels and the seconds of a kernel's
issue, drawn to 1, 1 and what a single kernel's launch takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from calibration.fit_kernels import SOFT, UNKNOWN, Range, spread_of
from calibration.measurement import Measurement
from calibration.predict.steps import workload_of
from calibration.shapes import WorkloadStep
from calibration.stack import Floats
from hwsim.cost.calibration import Calibration, Steps
from hwsim.cost.host import Eager
from hwsim.cost.rates import Rates, rates
from hwsim.cost.roofline import kernel_cost
from hwsim.graph.dtypes import Dtype
from hwsim.graph.ops import Kernel
from hwsim.graph.workload import find
from hwsim.hardware.spec import Device

# Around 1, 1 and a kernel's own launch.
RANGES = {
    "products": Range(1.0, 0.2, 5.0),
    "streams": Range(1.0, 0.05, 50.0),
    "launch": Range(1.0, 0.01, 100.0),
}
PULL = 0.05  # residual of a parameter that is a factor e from its start
SLOPE = 1e-4
FEWEST = 3  # steps that a family's parameters are fitted to


@dataclass(frozen=True)
class StepsFit:
    """The entry of a calibration, and ln(predicted / measured) of cases that were left out."""

    steps: Steps
    residuals: Floats


def family_of(case: Measurement) -> str | None:
    """The family of the workload whose step on one device was timed; None for other cases."""
    shape = case.shape
    if not isinstance(shape, WorkloadStep) or case.devices != 1 or case.seconds is None:
        return None
    kind = find(shape.workload)
    return kind.family or kind.name


def fit_steps(
    cases: Sequence[Measurement], device: Device, calibration: Calibration, *, spread: bool = True
) -> StepsFit | None:
    """The parameters of a family from its steps on one device; None for fewer than `FEWEST`.

    `spread` also predicts each step from the others.
    """
    if len(cases) < FEWEST:
        return None
    group = [_Step(case, device, calibration) for case in cases]
    values = _fitted(group)
    off = np.full(len(group), np.nan)
    for number, step in enumerate(group if spread and len(group) > FEWEST else ()):
        off[number] = step.residual(_fitted([one for one in group if one is not step]))
    known = np.abs(off[np.isfinite(off)])
    found = spread_of(off) if len(known) >= 12 else float(np.sqrt(np.mean(known**2)) or UNKNOWN)
    named = dict(zip(RANGES, (float(f"{value:.4g}") for value in values), strict=True))
    return StepsFit(Steps(**named, spread=float(f"{max(found, 0.02):.3g}")), off)


class _Step:
    """A step's kernels, and those of its update, which no framework's code is around."""

    def __init__(self, case: Measurement, device: Device, calibration: Calibration) -> None:
        shape = case.shape
        if not isinstance(shape, WorkloadStep):
            raise TypeError(f"{shape.kind} is no step of a workload")
        graph = workload_of(case, shape).graph()
        self.dtype: Dtype = graph.dtype
        self.rates: Rates = rates(device, calibration, graph.dtype)
        self.kernels: list[Kernel] = [*graph.forward(), *graph.backward()]
        update = (kernel_cost(kernel, self.rates, graph.dtype).seconds for kernel in graph.update())
        self.update, self.measured = sum(update), case.seconds or 1.0

    def residual(self, values: Floats) -> float:
        reach = self.rates._replace(eager=Eager(*values.tolist()))
        costs = (kernel_cost(kernel, reach, self.dtype).seconds for kernel in self.kernels)
        return float(np.log((sum(costs) + self.update) / self.measured))


def _fitted(group: Sequence[_Step]) -> Floats:
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
