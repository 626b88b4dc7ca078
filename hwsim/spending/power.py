"""Watts of a device by what it does, and what a node and a facility add to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.hardware.spec import System
from hwsim.site import Site

Figure = float | npt.NDArray[np.float64]

SHARES = {
    "compute": 0.80,
    "memory": 0.60,
    "launch": 0.20,
    "communication": 0.30,
    "bubble": 0.10,
    "update": 0.60,
}
"""Of the way from idle to the limit, by the parts of a step."""
WAITING = SHARES["bubble"]
IDLE = 0.13
"""Of the limit."""
HOST = 0.27
"""Of the most that a node draws: processors, memory, fans and losses."""
NODE = 1.67
"""The most that a node draws over the limits of its devices: mean of DGX-1, DGX-2, A100, H100."""


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
    devices: int = 1,
    figures: Mapping[str, npt.NDArray[np.float64]] | None = None,
) -> Power | None:
    """The powers of a run on so many devices; None if the device states no limit.

    `figures` replace fields by their paths, with arrays that broadcast.
    """
    given: Mapping[str, Figure] = figures or {}
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
    beyond = devices > node.devices
    network = given.get("site.network_power", site.network_power or 0.0)
    return Power(
        idle=idle,
        limit=limit,
        host=host / node.devices,
        network=network if beyond else 0.0 * network,
        pue=given.get("site.pue", site.pue or 1.0),
    )
