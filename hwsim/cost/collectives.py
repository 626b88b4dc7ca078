"""Time of collective operations over the links of a system; arguments may be numpy arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.hardware.spec import Link, Node, System


class Path(NamedTuple):
    """What a ring over some members sees: bytes/s of each, one direction, and seconds per step."""

    bandwidth: float
    latency: float


def ring_all_reduce(size: float, members: int, path: Path) -> float:
    """Seconds to sum `size` bytes over `members` in a ring (Patarasuk and Yuan 2009).

        t = 2 (n - 1) (size / (n W) + latency)

    >>> round(ring_all_reduce(8e6, 4, Path(bandwidth=1e9, latency=5e-6)), 9)
    0.01203
    """
    return 2 * ring_all_gather(size, members, path)


def ring_all_gather(size: float, members: int, path: Path) -> float:
    """Seconds until all of `members` hold `size` bytes of which each had its share, in a ring.

        t = (n - 1) (size / (n W) + latency)

    As long as a reduce-scatter, which is its mirror: a half of `ring_all_reduce`.

    >>> round(ring_all_gather(8e6, 4, Path(bandwidth=1e9, latency=5e-6)), 9)
    0.006015
    """
    return (members - 1) * (size / (members * path.bandwidth) + path.latency)


def all_reduce(size: float, devices: int, system: System, calibration: Calibration) -> float:
    """Seconds to sum `size` bytes over the first `devices` devices, node by node.

    Inside a node a ring; across nodes reduce-scatter inside, a ring of nodes whose devices share
    the node's ports, all-gather inside. A ring's two halves are a reduce-scatter and an all-gather,
    so both phases inside a node together cost one ring.
    """
    return 2 * all_gather(size, devices, system, calibration)


def all_gather(size: float, devices: int, system: System, calibration: Calibration) -> float:
    """Seconds until the first `devices` devices all hold `size` bytes, node by node.

    Across nodes a ring of nodes whose devices share the node's ports, then a ring inside each; a
    reduce-scatter is the same backwards.
    """
    inside = min(devices, system.node.devices)
    nodes = -(-devices // system.node.devices)
    seconds = 0.0
    if inside > 1:
        seconds += ring_all_gather(size, inside, node_path(system.node, inside, calibration))
    if nodes > 1:
        seconds += ring_all_gather(size, nodes, network_path(system, nodes, calibration))
    return seconds


def node_path(node: Node, devices: int, calibration: Calibration) -> Path:
    """The ring over the first `devices` devices of a node.

    Behind a switch every member has all its links. In a mesh and in a torus it has those that lead
    to other members (see `_share_inside`); where these close no ring, it goes over the host. On a
    PCIe tree the path between the sockets is in the ring at any size: DeepBench measured 6 GB/s on
    two to eight devices of such a box. Raises InputError if the node has no links.
    """
    link, host = node.link, node.host_link
    if link is None:
        raise InputError("node.link", "found none", "describe the link between devices")
    if node.topology == "pcie-tree":
        paths = [_reached(path, calibration) for path in (link, host) if path is not None]
        return min(paths, key=lambda path: path.bandwidth)
    share = _share_inside(node, devices)
    if share > 0:
        reached = _reached(link, calibration)
        return reached._replace(bandwidth=reached.bandwidth * share)
    if host is None:
        raise InputError(
            "node.pairs",
            f"the first {devices} devices are not joined in a ring",
            "describe the path over the host in node.host_link",
        )
    return _reached(host, calibration)


def _share_inside(node: Node, devices: int) -> float:
    """The share of a device's links that its ring with the first `devices` can use.

    With `pairs`, the member with the fewest links to other members decides; a ring of three or more
    needs two neighbors each. A mesh without pairs is even: (n - 1) of its (N - 1) neighbors. A
    torus of d dimensions (two links each) is cut into blocks: n devices span log2(n) of them.
    """
    if node.pairs and node.links_per_device:
        links, neighbors = [0] * devices, [0] * devices
        for a, b, count in node.pairs:
            for end, other in ((a, b), (b, a)):
                if end < devices and other < devices:
                    links[end] += count
                    neighbors[end] += 1
        closed = min(neighbors) >= min(devices - 1, 2)
        return min(links) / node.links_per_device if closed else 0.0
    if node.topology in ("mesh", "hybrid-cube-mesh"):
        return (devices - 1) / (node.devices - 1)
    if node.topology == "torus" and node.links_per_device:
        dimensions = node.links_per_device / 2
        return min(math.ceil(math.log2(devices)) / dimensions, 1.0)
    return 1.0


def network_path(system: System, nodes: int, calibration: Calibration) -> Path:
    """The ring over nodes, at the first tier that reaches them all.

    Raises InputError if no tier does.
    """
    for tier in system.network:
        if tier.nodes is None or nodes <= tier.nodes:
            share = calibration.links.network / tier.oversubscription
            return Path(tier.ports * tier.bandwidth * share, tier.latency)
    reach = max((tier.nodes or 0 for tier in system.network), default=1)
    raise InputError(
        f"plan on {system.name}",
        f"asks for {nodes} nodes, but the system's network joins {reach}",
        f"use at most {reach * system.node.devices} devices, or describe a network tier",
    )


def _reached(link: Link, calibration: Calibration) -> Path:
    """A link at the share of its rate that collectives reach on its kind."""
    kind, shares = link.kind.lower(), calibration.links
    if "nvlink" in kind:
        share = shares.nvlink
    elif "pcie" in kind:
        share = shares.pcie
    elif "qpi" in kind or "upi" in kind:
        share = shares.host
    else:
        share = shares.other
    return Path(link.bandwidth * share, link.latency)
