"""One training step of a workload on a system under a plan, simulated."""

from __future__ import annotations

from hwsim.cost.calibration import Calibration
from hwsim.graph.workload import Workload
from hwsim.hardware.spec import System
from hwsim.parallel.check import check, scaled
from hwsim.parallel.lower import lower
from hwsim.parallel.plan import Plan
from hwsim.parallel.preset import plan_under, workload_under
from hwsim.parallel.program import Program
from hwsim.parallel.staged import Staged, staged
from hwsim.simulate.disturbance import Disturbance
from hwsim.simulate.engine import run
from hwsim.simulate.timeline import Timeline
from hwsim.software.spec import Software


def simulate(
    system: System,
    workload: Workload,
    plan: Plan,
    calibration: Calibration,
    *,
    software: Software | None = None,
    disturbance: Disturbance | None = None,
    everyone: bool = False,
    trace: bool = True,
    detail: bool = False,
) -> Timeline:
    """The timeline of one step.

    One device of each stage stands for its equals unless `everyone` or a `disturbance` asks for
    all. `software` says how a framework runs the step, and decides fields of the plan that were not
    set. Without `trace` no spans are kept; `detail` makes one for every operator. Raises
    InputError if the plan doesn't suit workload and system, or if the device has no rate for the
    data type.
    """
    step = prepared(system, workload, plan, calibration, software=software)
    program = programmed(step, disturbance, everyone=everyone, detail=detail)
    return run(program, disturbance=disturbance, trace=trace)


def programmed(
    step: Staged, disturbance: Disturbance | None, *, everyone: bool = False, detail: bool = False
) -> Program:
    """The streams of a step: of all devices where some may be unlike others."""
    slow = disturbance is not None and bool(disturbance.slow_links)
    return lower(step, everyone=everyone or disturbance is not None, detail=detail, loaded=slow)


def prepared(
    system: System,
    workload: Workload,
    plan: Plan,
    calibration: Calibration,
    *,
    software: Software | None = None,
) -> Staged:
    """The step in stages, ready to be simulated. Raises InputError as `simulate` does."""
    plan, workload = plan_under(plan, software), workload_under(workload, software)
    check(plan, workload, system)
    return staged(scaled(workload, plan), system, plan, calibration, software=software)
