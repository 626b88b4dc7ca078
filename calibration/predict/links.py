"""Collectives of a table: which algorithm a library took, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable

from calibration.shapes import Collective
from hwsim.cost import collectives
from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.hardware.spec import System

# What a table calls an algorithm -> hwsim's name. NCCL had rings alone until 2.4 brought trees; MPI
# libraries take rings for long messages (Thakur, Rabenseifner, Gropp 2005).
ALGORITHMS = {
    "baidu-ring": "ring",
    "nccl2": "ring",
    "osu-mpi": "ring",
    "ring": "ring",
    "tree": "tree",
    "nvls": "switch",
    "nvls-tree": "switch",
    "hierarchical": "hierarchical",
}
OTHERS: dict[str, Callable[..., float]] = {
    "all_gather": collectives.all_gather,
    "reduce_scatter": collectives.reduce_scatter,
    "broadcast": collectives.broadcast,
    "all_to_all": collectives.all_to_all,
}


def collective_seconds(
    shape: Collective,
    size: float,
    devices: int,
    system: System,
    calibration: Calibration,
    *,
    bare: bool = False,
) -> float:
    """Seconds of a case's collective on `size` bytes, a number or a numpy array.

    `bare`: a ring, whatever the algorithm. Raises InputError for a collective that hwsim doesn't
    know, and where the system has no link between the devices.
    """
    if shape.collective == "all_reduce":
        named = "ring" if bare else ALGORITHMS.get(shape.algorithm or "")
        return collectives.all_reduce(size, devices, system, calibration, named)
    if shape.collective not in OTHERS:
        raise InputError("", f"the collective {shape.collective} is not simulated yet")
    return OTHERS[shape.collective](size, devices, system, calibration)
