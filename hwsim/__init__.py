"""How long a model takes to train on a machine, and what must change so that a larger one trains
faster.

>>> import hwsim
>>> answer = hwsim.estimate(hwsim.load_system("volta"), hwsim.load_workload("charlm"), steps=1000)
>>> answer.total.seconds == 1000 * answer.step.seconds
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwsim.convergence.law import Law
    from hwsim.cost.calibration import Calibration
    from hwsim.errors import DoesNotFit, HwsimError, InputError, SurroundingsError, UnitError
    from hwsim.estimation import Estimate, estimate
    from hwsim.graph.step import StepGraph
    from hwsim.graph.workload import Workload
    from hwsim.graph.workload import load as load_workload
    from hwsim.hardware.catalog import load as load_system
    from hwsim.hardware.spec import Device, System
    from hwsim.overheads import Overheads
    from hwsim.parallel.plan import Plan
    from hwsim.site import Site
    from hwsim.software.catalog import load as load_software
    from hwsim.software.spec import Software

# Imported when they are asked for: a command starts before all of them are read.
_HOMES = {
    "Calibration": "cost.calibration",
    "Device": "hardware.spec",
    "DoesNotFit": "errors",
    "Estimate": "estimation",
    "HwsimError": "errors",
    "InputError": "errors",
    "Law": "convergence.law",
    "Overheads": "overheads",
    "Plan": "parallel.plan",
    "Site": "site",
    "Software": "software.spec",
    "StepGraph": "graph.step",
    "SurroundingsError": "errors",
    "System": "hardware.spec",
    "UnitError": "errors",
    "Workload": "graph.workload",
    "estimate": "estimation",
    "load_software": "software.catalog:load",
    "load_system": "hardware.catalog:load",
    "load_workload": "graph.workload:load",
}

__all__ = [
    "Calibration",
    "Device",
    "DoesNotFit",
    "Estimate",
    "HwsimError",
    "InputError",
    "Law",
    "Overheads",
    "Plan",
    "Site",
    "Software",
    "StepGraph",
    "SurroundingsError",
    "System",
    "UnitError",
    "Workload",
    "estimate",
    "load_software",
    "load_system",
    "load_workload",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, _, own = _HOMES[name].partition(":")
    found = globals()[name] = getattr(import_module(f"hwsim.{home}"), own or name)
    return found
