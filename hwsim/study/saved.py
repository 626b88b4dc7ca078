"""Estimates out of files."""

from __future__ import annotations

from hwsim import jsonfile, records
from hwsim.errors import InputError, shown
from hwsim.estimation import Estimate, Interval
from hwsim.parallel.program import PARTS

WIDEST = 1e12  # high over low of a time


def read(text: str, where: str) -> Estimate:
    """The estimate that `hwsim estimate --json` printed. Raises InputError for anything else."""
    tree = jsonfile.read_object(text, where)
    if "schema" not in tree:
        raise InputError(where, "found no estimate", "write the output of hwsim estimate --json")
    found = records.validate(Estimate, tree, where)
    times: dict[str, Interval | None] = {"step": found.step, "total": found.total}
    for name, time in times.items():
        if time and not 0 < time.low <= time.seconds <= time.high <= WIDEST * time.low:
            what = f"found {time.seconds:g} s in {time.low:g} .. {time.high:g}"
            raise InputError(f"{where}: {name}", what, "write 0 < low <= seconds <= high")
    if not set(found.step.parts) <= set(PARTS):
        what = f"found {', '.join(found.step.parts)[:60]}"
        raise InputError(f"{where}: step.parts", what, f"write some of {', '.join(PARTS)}")
    if found.total and "steps" not in found.total.parts:
        raise InputError(f"{where}: total.parts", "found no steps", "write their seconds")
    devices = found.plan.get("devices")
    if not isinstance(devices, int) or devices < 1:
        what = f"found {shown(devices)}"
        raise InputError(f"{where}: plan.devices", what, "write a whole number above 0")
    return found
