"""Time of collective operations over the links of a system; `size` may be a numpy array.

Each takes the fastest algorithm that the system's links allow, as the libraries do, or the one
named: see `ALGORITHMS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hwsim.cost.algorithms import (
    Path,
    Schedule,
    hierarchical_all_reduce,
    pairwise_all_to_all,
    ring_all_gather,
    ring_all_reduce,
    ring_broadcast,
    seconds,
    switch_all_reduce,
    tree_all_reduce,
)
from hwsim.cost.calibration import Calibration
from hwsim.cost.paths import network_path, node_path, switch_path
from hwsim.errors import InputError, near
from hwsim.hardware.spec import System

__all__ = ["all_gather", "all_reduce", "all_to_all", "broadcast", "reduce_scatter"]

ALGORITHMS = ("ring", "tree", "switch", "hierarchical")
Planned = Callable[[int, int], Schedule]


class _Routes(NamedTuple):
    """Devices in use of each node, nodes, and the paths that join them."""

    inside: int
    nodes: int
    here: Path | None
    there: Path | None
    switch: Path | None


def all_reduce(
    size: float,
    devices: int,
    system: System,
    calibration: Calibration,
    algorithm: str | None = None,
) -> float:
    """Seconds until the first `devices` devices all hold the sum of `size` bytes of each.

    The fastest of a ring, a tree and, where switches can reduce, these; `algorithm` names one of
    `ALGORITHMS` instead. Raises InputError for another name, for switches that can't reduce and
    where the system has no link between the devices.
    """
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise InputError("algorithm", f"found '{algorithm}'", near(algorithm, ALGORITHMS))
    routes = _routes(devices, system, calibration)
    if algorithm == "switch" and devices > 1 and routes.switch is None:
        what = f"the switches of {system.name} do not reduce"
        raise InputError("algorithm", what, "write 'ring' or 'tree'")
    links, here, there = calibration.links, routes.here, routes.there

    def through(planned: Planned, here: Path | None, there: Path | None) -> float:
        return seconds(size, planned(routes.inside, routes.nodes), here, there)

    found = []
    if algorithm in (None, "ring"):
        found.append(through(ring_all_reduce, here, there))
    if algorithm in (None, "tree"):
        slower = _slowed(here, links.tree), _slowed(there, links.tree)
        found.append(through(tree_all_reduce, *slower))
    if algorithm in (None, "switch") and routes.switch is not None:
        found.append(through(switch_all_reduce, routes.switch, there))
    if algorithm == "hierarchical":
        sequential = None if there is None else there._replace(overlap=1.0)
        found.append(through(hierarchical_all_reduce, here, sequential))
    return _least(found) if found else 0.0


def all_gather(size: float, devices: int, system: System, calibration: Calibration) -> float:
    """Seconds until the first `devices` devices all hold `size` bytes, of which each had a share.

    A ring. Raises InputError where the system has no link between the devices.
    """
    return _only(ring_all_gather, size, devices, system, calibration)


def reduce_scatter(size: float, devices: int, system: System, calibration: Calibration) -> float:
    """Seconds until each of the devices holds its share of the sum of `size` bytes of each: as long
    as an all-gather, which is its mirror."""
    return all_gather(size, devices, system, calibration)


def broadcast(size: float, devices: int, system: System, calibration: Calibration) -> float:
    """Seconds until the first `devices` devices all have the `size` bytes of one. A ring."""
    return _only(ring_broadcast, size, devices, system, calibration)


def all_to_all(size: float, devices: int, system: System, calibration: Calibration) -> float:
    """Seconds until each of the devices has sent an equal part of its `size` bytes to each."""
    return _only(pairwise_all_to_all, size, devices, system, calibration)


def _only(
    planned: Planned, size: float, devices: int, system: System, calibration: Calibration
) -> float:
    routes = _routes(devices, system, calibration)
    how = planned(routes.inside, routes.nodes)
    return seconds(size, how, routes.here, routes.there)


def _routes(devices: int, system: System, calibration: Calibration) -> _Routes:
    """A node that is begun counts as a whole one."""
    node = system.node
    inside, nodes = min(devices, node.devices), -(-devices // node.devices)
    alone = inside == 1
    return _Routes(
        inside,
        nodes,
        None if alone else node_path(node, inside, calibration),
        network_path(system, nodes, calibration) if nodes > 1 else None,
        None if alone else switch_path(node, calibration),
    )


def _slowed(path: Path | None, share: float) -> Path | None:
    return None if path is None else path._replace(bandwidth=path.bandwidth * share)


def _least(found: list[float]) -> float:
    least = found[0]
    for other in found[1:]:
        least = np.minimum(least, other)
    return least
