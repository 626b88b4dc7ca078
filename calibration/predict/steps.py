"""Training steps of transformers and of hwsim's own workloads, spread as a table says."""

from __future__ import annotations

from collections import Counter

from calibration.measurement import Case, Measurement
from calibration.predict.basis import Basis, dtype_of
from calibration.predict.rows import Row
from calibration.predict.systems import system_of
from calibration.shapes import Shape, WorkloadStep
from hwsim.errors import InputError
from hwsim.graph.ops import Kernel
from hwsim.graph.workload import Workload, find
from hwsim.parallel.plan import Plan
from hwsim.simulate.engine import run
from hwsim.simulate.step import prepared, programmed
from hwsim.software import catalog as profiles
from hwsim.software.spec import Software


def step_parts(case: Case, row: Row, basis: Basis) -> dict[str, float]:
    """Seconds by part of a simulated step. Raises InputError for what can't be costed."""
    return simulated(case, row.workload, row.plan, row.software, basis)


def simulated(
    case: Case, workload: Workload, plan: Plan, software: str | None, basis: Basis
) -> dict[str, float]:
    """Seconds by part of a step on the case's devices. Raises InputError as `step_parts`."""
    system = system_of(case, basis)
    calibration = basis.calibration(system.device)
    profile = None if basis.bare or software is None else profiles.load(software)
    profile = basis.without("software", profile)
    step = prepared(system, workload, basis.without("plan", plan), calibration, software=profile)
    return run(basis.without("program", programmed(step, None)), trace=False).parts()


def software_of(row: Row) -> Software | None:
    """The profile that runs a row. Raises InputError for an unknown name."""
    return None if row.software is None else profiles.load(row.software)


def kernels_of_step(case: Measurement) -> Counter[Kernel]:
    """Every kernel of a step of a workload but the update's, and how often it runs.

    Raises InputError for another case.
    """
    found: Counter[Kernel] = Counter()
    for layer in workload_of(case, case.shape).graph().layers:
        for op in layer.ops:
            for kernel in (*op.forward(), *op.backward()):
                found[kernel] += layer.repeat
    return found


def workload_parts(case: Case, shape: WorkloadStep, basis: Basis) -> dict[str, float]:
    """Seconds by part of a step of one of hwsim's workloads, split over the case's devices.

    Raises InputError for a workload or a setting that is not there.
    """
    workload = workload_of(case, shape)
    plan = basis.without("plan", Plan(dp=case.devices or 1))
    system = system_of(case, basis)
    step = prepared(system, workload, plan, basis.calibration(system.device))
    return run(basis.without("program", programmed(step, None)), trace=False).parts()


def workload_of(case: Case, shape: Shape) -> Workload:
    """The workload in the data type of the case. Raises InputError for another shape."""
    if not isinstance(shape, WorkloadStep):
        raise InputError("", f"a {shape.family} is no step of a workload")
    kind = find(shape.workload)
    return kind.model_validate({**dict(shape.settings), "dtype": dtype_of(case)})
