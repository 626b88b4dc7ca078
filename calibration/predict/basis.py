"""On what a case is costed: the catalog's devices and a calibration, or the bare datasheet."""

from __future__ import annotations

import math
from functools import lru_cache

from calibration.measurement import Case
from hwsim.cost.calibration import Calibration
from hwsim.cost.rates import Rates, rates
from hwsim.errors import InputError
from hwsim.graph.dtypes import Dtype
from hwsim.hardware import catalog
from hwsim.hardware.spec import Device, Launch

SHARES = ("matrix", "vector", "memory", "cache", "resident")
# What a table writes -> how hwsim calls it: block formats run at the rate of their elements.
DTYPES: dict[str, Dtype] = {"mxfp8": "fp8", "nvfp4": "fp4", "mxfp4": "fp4"}


class Basis:
    """Devices with their rates under one calibration, each looked up once.

    `bare` takes every share as 1 and everything that isn't work (launch, dispatch, latency) as 0:
    the roofline of the datasheet.
    """

    def __init__(self, calibration: Calibration, *, bare: bool = False) -> None:
        self.bare = bare
        self.calibration = _all_ones(calibration) if bare else calibration
        self._devices: dict[str, Device] = {}
        self._rates: dict[tuple[object, ...], Rates] = {}

    def device(self, name: str | None) -> Device:
        """The device of this name. Raises InputError where there is none."""
        if name is None or name == "-":
            raise InputError("device", "found nothing", "write a device's name")
        if name not in self._devices:
            device = _shipped(name)
            self._devices[name] = _idealized(device) if self.bare else device
        return self._devices[name]

    def rates(self, case: Case) -> Rates:
        """What kernels of the case reach.

        Raises InputError for an unknown device and a dtype without rate. Where the table names
        ordinary units for a product, tensor cores don't count; kernels that were timed back to
        back wait for no host.
        """
        key = (case.device, case.dtype, case.engine, case.timing)
        if key not in self._rates:
            found = rates(self.device(case.device), self.calibration, dtype_of(case))
            if case.engine == "vector":
                shares = self.calibration.matrix / self.calibration.vector
                found = found._replace(matrix=min(found.matrix, found.vector * shares))
            if case.timing != "call":
                found = found._replace(dispatch=0.0)
            self._rates[key] = found
        return self._rates[key]


def dtype_of(case: Case) -> Dtype:
    """The data type in hwsim's words. Raises InputError for one that it does not know."""
    name = case.dtype
    if name is None or name == "int8":
        raise InputError("dtype", f"found {name or 'nothing'}", "write a floating-point format")
    return DTYPES.get(name) or name  # type: ignore[return-value]


def finite(seconds: float) -> float:
    """The time itself. Raises InputError where it is not finite or nothing at all."""
    if not math.isfinite(seconds) or seconds <= 0.0:
        raise InputError("", f"the predicted time is {seconds} s", "")
    return seconds


@lru_cache
def _shipped(name: str) -> Device:
    return catalog.load(name).device


def _all_ones(calibration: Calibration) -> Calibration:
    links = calibration.links.model_copy(
        update=dict.fromkeys(type(calibration.links).model_fields, 1.0)
    )
    return calibration.model_copy(update={**dict.fromkeys(SHARES, 1.0), "links": links})


def _idealized(device: Device) -> Device:
    """Nothing but the datasheet: peaks at the boost clock, and no time to start a kernel."""
    clock = device.clock.model_copy(update={"sustained": None})
    launch = Launch(kernel=0.0, dispatch=0.0)
    return device.model_copy(update={"clock": clock, "launch": launch})
