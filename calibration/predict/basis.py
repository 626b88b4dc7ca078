"""On what a case is costed: the catalog's devices and a calibration, or the bare datasheet."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from calibration.measurement import Case
from calibration.predict.ablation import Without
from calibration.predict.families import family_of
from calibration.shapes import Recurrent
from hwsim.cost.calibration import Calibration, load
from hwsim.cost.rates import Rates, is_host, rates
from hwsim.errors import InputError
from hwsim.graph.dtypes import Dtype
from hwsim.hardware import catalog
from hwsim.hardware.spec import Device, Launch

SHARES = ("matrix", "vector", "memory", "cache", "resident")
# What a table writes -> how hwsim calls it: block formats run at the rate of their elements.
DTYPES: dict[str, Dtype] = {"mxfp8": "fp8", "nvfp4": "fp4", "mxfp4": "fp4"}


Provider = Callable[[Device], Calibration]
WHOLE = Without()


class Basis:
    """Devices with their rates, each under the calibration that `provider` has for it.

    `bare` takes every share as 1 and everything that isn't work (launch, dispatch, latency) as 0:
    the roofline of the datasheet. `without` takes pieces of physics away.
    """

    def __init__(self, provider: Provider, *, bare: bool = False, without: Without = WHOLE) -> None:
        self.bare, self.without = bare, without
        self._provider = provider
        self._devices: dict[str | None, Device] = {}
        self._rates: dict[tuple[object, ...], Rates] = {}

    def device(self, name: str | None) -> Device:
        """The device of this name. Raises InputError where there is none."""
        if name not in self._devices:
            device = device_of(name)
            left = _idealized(device) if self.bare else self.without("device", device)
            self._devices[name] = left
        return self._devices[name]

    def calibration(self, device: Device) -> Calibration:
        """What the device's rates are calibrated with."""
        if self.bare:
            return _all_ones(load())
        return self.without("calibration", self._provider(device))

    def rates(self, case: Case) -> Rates:
        """What kernels of the case reach.

        Raises InputError for an unknown device and a dtype without rate.
        """
        recurrent = isinstance(case.shape, Recurrent)
        key = (case.device, case.dtype, case.engine, case.timing, recurrent, family_of(case))
        if key not in self._rates:
            device = self.device(case.device)
            self._rates[key] = rates_of(case, device, self.calibration(device))
        return self._rates[key]


@lru_cache
def device_of(name: str | None) -> Device:
    """The shipped device of this name. Raises InputError where there is none."""
    if name is None or name == "-":
        raise InputError("device", "found nothing", "write a device's name")
    return catalog.load(name).device


def rates_of(case: Case, device: Device, calibration: Calibration) -> Rates:
    """What kernels of a case reach on its device.

    Where the table names ordinary units for a product, tensor cores don't count; kernels that were
    timed back to back wait for no host. A recurrent layer's other products are taken to reach what
    its chain does.
    """
    call = case.timing == "call"
    only = case.engine == "vector"
    found = rates(
        device,
        calibration,
        dtype_of(case),
        vector_only=only,
        timing="call" if call else "kernel",
        family=family_of(case),
    )
    if isinstance(case.shape, Recurrent) and found.chains is not None:
        found = found._replace(products=found.chains.tiled._replace(launch=0.0))
    return found if call else found._replace(dispatch=0.0)


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


def _all_ones(calibration: Calibration) -> Calibration:
    links = calibration.links.ideal()
    ones = dict.fromkeys(SHARES, 1.0)
    none: dict[str, object] = {
        "products": {},
        "recurrences": {},
        "convolutions": {},
        "eager": {},
        "software": {},
    }
    return calibration.model_copy(update={**ones, **none, "streams": None, "links": links})


def _idealized(device: Device) -> Device:
    """Nothing but the datasheet: peaks at the boost clock, and no time to start a kernel."""
    clock = device.clock.model_copy(update={"sustained": None})
    launch = Launch(kernel=0.0, dispatch=0.0)
    return device.model_copy(update={"clock": clock, "launch": launch})


def hosted(case: Case) -> bool:
    """Whether a case ran on a CPU."""
    return case.device is not None and _is_host(case.device)


@lru_cache
def _is_host(name: str) -> bool:
    try:
        return is_host(catalog.load(name).device)
    except InputError:
        return False
