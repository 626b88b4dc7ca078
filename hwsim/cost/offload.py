"""The way between a device and its host's memory."""

from __future__ import annotations

from hwsim.errors import InputError
from hwsim.hardware.spec import System

# Bytes/s of a lane in one direction: 8, 16, 32 and 64 GT/s, the first three 128b/130b encoded,
# the last in flits of 242 of 256 bytes (PCI-SIG base specifications 3.0 to 6.0).
LANE = {"3.0": 0.985e9, "4.0": 1.969e9, "5.0": 3.938e9, "6.0": 7.563e9}
# What copies of pinned memory reach of it: 12.0 to 12.8 of 15.75 GB/s are usual on PCIe 3.0 x16.
REACHED = 0.8


def host_bandwidth(system: System) -> float:
    """Bytes/s that a device copies from its host or to it.

    The share that copies reach, 0.8, is assumed; raises InputError where the device doesn't say
    how it is joined to its host.

    >>> from hwsim.hardware import catalog
    >>> round(host_bandwidth(catalog.load("volta")) / 1e9, 1)
    12.6
    """
    text = system.device.pcie or ""
    generation, _, lanes = text.partition(" x")
    if generation not in LANE or not lanes.isdecimal():
        what = f"found '{text}'" if text else "found nothing"
        raise InputError("device.pcie", what, 'write for instance "5.0 x16", or plan.offload=none')
    return REACHED * LANE[generation] * int(lanes)
