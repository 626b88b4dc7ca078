"""Collectives of a table: which algorithm a library took, and its seconds."""

from __future__ import annotations

from collections.abc import Callable

from calibration.measurement import Case
from calibration.predict.basis import Basis
from calibration.predict.systems import system_of
from calibration.shapes import Collective
from hwsim.cost import collectives
from hwsim.errors import InputError

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


def collective_seconds(case: Case, shape: Collective, basis: Basis, size: float) -> float:
    """Seconds of a case's collective on `size` bytes, a number or a numpy array.

    The bare datasheet sums in a ring whatever the algorithm. Raises InputError for a collective
    that hwsim doesn't know, and where the links are not known.
    """
    system = system_of(case, basis)
    calibration = basis.calibration(system.device)
    devices = case.devices or 1
    if shape.collective == "all_reduce":
        named = "ring" if basis.bare else algorithm_of(shape)
        return collectives.all_reduce(size, devices, system, calibration, named)
    if shape.collective not in OTHERS:
        raise InputError("", f"the collective {shape.collective} is not simulated yet")
    return OTHERS[shape.collective](size, devices, system, calibration)


def algorithm_of(shape: Collective) -> str | None:
    """The algorithm that the case names, as hwsim calls it; None where the library chose."""
    return ALGORITHMS.get(shape.algorithm or "")
