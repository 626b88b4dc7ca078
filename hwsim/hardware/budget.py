"""Area and power of a device that was changed, by simple rules, beside what can be built.

A device keeps the name of the shipped one that it was made from: what differs is read off both.
Constants and their sources are in `data/dies.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hwsim.hardware import catalog
from hwsim.hardware.scale import memory_watts, watts
from hwsim.hardware.spec import Device

SLACK = 1.25  # over power.limit; what is nearer to it is within what the rule knows


def warnings(device: Device) -> list[str]:
    """What of a changed device is beyond a reticle, or beyond the power of any device or its own.

    Empty for a shipped device, for one of another name, and where no area or power is known.
    """
    base = catalog.shipped_device(device.name)
    if base is None or base == device:
        return []
    return [*_area_warnings(device, base), *_power_warnings(device, base)]


def area(device: Device, base: Device) -> float | None:
    """mm2 of the die of `device`, made from the shipped `base`; None where that isn't published.

        A = A0 (1 + s (m / m0 - 1)) + c (SRAM - SRAM0)

    with multiprocessors m that take the share s of the die, and c mm2 for each MiB of L2 and of
    shared memory that the multiprocessors of `base` would not have.

    >>> whole = catalog.load("h100-sxm-80gb")
    >>> half = catalog.override(whole, {"device.multiprocessors": "0.5x"})
    >>> round(area(half.device, whole.device), 1)
    496.5
    """
    known = _data()
    die = next((die["mm2"] for die in known["dies"] if base.name in die["devices"]), None)
    if die is None:
        return None
    units = (device.multiprocessors or 1) / (base.multiprocessors or 1)
    more = _cache(device) - _cache(base)
    more += (device.multiprocessors or 1) * (_shared(device) - _shared(base))
    grown = 1.0 + known["multiprocessors"]["share"] * (units - 1.0)
    return float(die * grown + known["cache"]["mm2_per_mib"] * more)


def power(device: Device, base: Device) -> float | None:
    """W that a device would take by `hwsim.hardware.scale.watts`; None if no limit is known."""
    if base.power is None:
        return None
    memory = memory_watts(base.memory.bandwidth, base.memory.technology or "")
    return watts(
        base.power.limit,
        memory,
        units=(device.multiprocessors or 1) / (base.multiprocessors or 1),
        clock=(device.clock.boost or 1.0) / (base.clock.boost or 1.0),
        stacks=device.memory.bandwidth / base.memory.bandwidth,
    )


def _area_warnings(device: Device, base: Device) -> Iterator[str]:
    most = _data()["reticle"]["mm2"]
    found = area(device, base)
    if found is not None and found > most:
        yield (
            f"{device.name} as changed would take about {found:,.0f} mm2, beyond the {most} mm2 of "
            "a reticle: several dies, and the links between them cost nothing here"
        )


def _power_warnings(device: Device, base: Device) -> Iterator[str]:
    most = _data()["largest"]["watts"]
    found = power(device, base)
    if found is None or device.power is None:
        return
    whole = f"{device.name} as changed would take about {found:,.0f} W"
    if found > most:
        yield f"{whole}, beyond the {most:,} W of any device that ships"
    if found > SLACK * device.power.limit:
        limit = device.power.limit
        yield f"{whole}, beyond its power.limit of {limit:,.0f} W: its clock would fall"


def _cache(device: Device) -> float:
    """MiB of L2."""
    return device.caches.l2.capacity / 2**20 if device.caches.l2 else 0.0


def _shared(device: Device) -> float:
    """MiB of shared memory of a multiprocessor."""
    return (device.caches.shared or 0.0) / 2**20


@lru_cache
def _data() -> dict[str, Any]:
    text = (files("hwsim.hardware") / "data" / "dies.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
