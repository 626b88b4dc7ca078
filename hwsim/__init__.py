"""How long a model takes to train on a machine, and what must change so that a larger one trains
faster.

>>> import hwsim
>>> answer = hwsim.estimate(hwsim.load_system("volta"), hwsim.load_workload("charlm"), steps=1000)
>>> answer.total.seconds == 1000 * answer.step.seconds
True
"""

from hwsim.convergence.law import Law
from hwsim.cost.calibration import Calibration
from hwsim.errors import DoesNotFit, HwsimError, InputError, SurroundingsError, UnitError
from hwsim.estimate import Estimate, estimate
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
