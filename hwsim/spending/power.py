"""Watts of a device by what it does, and what a node and a facility add to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.hardware.spec import System
from hwsim.site import Site

Figure = float | npt.NDArray[np.floating[Any]]
Counts = npt.NDArray[np.int64]

SHARES = {
    "compute": 1.00,
    "memory": 0.65,
    "launch": 0.20,
    "communication": 0.30,
    "bubble": 0.20,
    "update": 0.65,
}
"""Of the way from idle to the limit, by the parts of a step."""
WAITING = 0.06
"""Of that way, while nothing is computed: a start, a checkpoint."""
IDLE = 0.13
"""Of the limit, where no idle power is stated."""
HOST = 0.27
"""Of the most that a node draws: processors, memory, fans and losses."""
NODE = 1.67
"""The most that a node draws over the limits of its devices, where it is not stated."""
NETWORK = 0.05
"""Of what nodes draw, where devices of several nodes talk."""
SOURCES = {
    "compute": "H. He, Strangely, matrix multiplications on GPUs run faster when given predictable "
    "data (thonking.ai, 2024): A100 and H100 multiply at their limit",
    "memory, launch, communication, bubble, update": "assumed",
    "waiting": "Morrison et al. 2025 (arXiv 2503.05804): H100s draw 15 % of their limit at least",
    "host": "Latif et al. 2025 (IEEE Access 13): 8.4 of 10.2 kW at most with 8 busy H100s",
    "network": "650 Group: about 5 % of the power of AI data centers",
    "node": "mean of DGX-1, DGX-2, DGX A100 and DGX H100",
    "idle": "mean of V100, A100 and H100, nvidia-smi readings",
}


class Power(NamedTuple):
    """Watts of a device at rest and at its limit, and of its share of the host; what the network
    adds as a share of these, and the facility's power over the machines'."""

    idle: Figure
    limit: Figure
    host: Figure
    network: Figure
    pue: Figure


def watts(share: Figure, idle: Figure, limit: Figure) -> Figure:
    """A device's power between rest and its limit.

        idle + share x (limit - idle)

    >>> watts(0.5, 100.0, 700.0)
    400.0
    """
    return idle + share * (limit - idle)


def power_of(
    system: System,
    site: Site,
    devices: int | Counts = 1,
    figures: Mapping[str, Figure] | None = None,
) -> Power | None:
    """The powers of a run on so many devices; None if the device states no limit.

    `figures` replace fields by their paths, with arrays that broadcast.
    """
    given = figures or {}
    stated, node = system.device.power, system.node
    limit = given.get("device.power.limit", stated.limit if stated else None)
    if limit is None:
        return None
    own = stated.idle if stated and stated.idle is not None else IDLE * limit
    idle = np.minimum(given.get("device.power.idle", own), limit)
    whole = given.get("node.power", node.power)
    if whole is None:
        whole = NODE * node.devices * limit
    host = given.get("site.host", HOST * whole if site.host is None else site.host)
    share = NETWORK if site.network_power is None else site.network_power
    network = given.get("site.network_power", share)
    return Power(
        idle=idle,
        limit=limit,
        host=host / node.devices,
        network=network * np.greater(devices, node.devices),
        pue=given.get("site.pue", site.pue or 1.0),
    )
