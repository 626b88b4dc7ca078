"""Training steps of transformers and of hwsim's own workloads, spread as a table says."""

from __future__ import annotations

from collections import Counter

from calibration.measurement import Case, Measurement
from calibration.predict.basis import Basis, dtype_of
from calibration.predict.rows import Row, row_of
from calibration.predict.systems import system_of
from calibration.shapes import Shape, WorkloadStep
from hwsim.errors import InputError
from hwsim.graph.ops import Kernel
from hwsim.graph.workload import Workload, find
from hwsim.parallel.plan import Plan
from hwsim.simulate.step import simulate


def step_parts(case: Case, row: Row, basis: Basis) -> dict[str, float]:
    """Seconds by part of a simulated step. Raises InputError for what can't be costed."""
    system = system_of(case, basis)
    calibration = basis.calibration(system.device)
    return simulate(system, row.workload, row.plan, calibration, trace=False).parts()


def kernels_of_step(case: Measurement) -> Counter[Kernel]:
    """Every kernel of a device's step but the update's, and how often it runs.

    Raises InputError as `step_parts` does.
    """
    shape = case.shape
    if isinstance(shape, WorkloadStep):
        graph, count, again = workload_of(case, shape).graph(), 1, 1
    elif row := row_of(case):
        plan, micro = row.plan, _micro_batch(row.plan)
        graph = row.workload.graph(micro)
        count = row.workload.batch // (micro * plan.dp)
        again = 2 if plan.recompute == "full" else 1
    else:
        raise InputError("", f"the kernels of a {shape.family} are not known")
    found: Counter[Kernel] = Counter()
    for layer in graph.layers:
        # Behind the last layer's forward pass its backward pass follows: nothing is repeated.
        times = layer.repeat * count * (1 if layer is graph.layers[-1] else again)
        for op in layer.ops:
            for kernel in op.forward():
                found[kernel] += times
            for kernel in op.backward():
                found[kernel] += layer.repeat * count
    return found


def workload_parts(case: Case, shape: WorkloadStep, basis: Basis) -> dict[str, float]:
    """Seconds by part of a step of one of hwsim's workloads, split over the case's devices.

    Raises InputError for a workload or a setting that is not there.
    """
    workload = workload_of(case, shape)
    plan = Plan(dp=case.devices or 1)
    system = system_of(case, basis)
    calibration = basis.calibration(system.device)
    return simulate(system, workload, plan, calibration, trace=False).parts()


def workload_of(case: Case, shape: Shape) -> Workload:
    """The workload in the data type of the case. Raises InputError for another shape."""
    if not isinstance(shape, WorkloadStep):
        raise InputError("", f"a {shape.family} is no step of a workload")
    kind = find(shape.workload)
    return kind.model_validate({**dict(shape.settings), "dtype": dtype_of(case)})


def _micro_batch(plan: Plan) -> int:
    """Sequences of a micro-batch, where a device has whole kernels."""
    ways = {"tensor": plan.tp, "pipeline": plan.pp, "context": plan.cp, "expert": plan.ep}
    split = [way for way, degree in ways.items() if degree > 1]
    if split:
        raise InputError("", f"under {', '.join(split)} parallelism no device has whole kernels")
    if plan.recompute == "selective":
        raise InputError("", "kernels of selective recomputation are not counted")
    return plan.micro_batch or 1
