"""Time of collective operations over the links of a system; arguments may be numpy arrays."""

from __future__ import annotations

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
    return 2 * (members - 1) * (size / (members * path.bandwidth) + path.latency)


def all_reduce(size: float, devices: int, system: System, calibration: Calibration) -> float:
    """Seconds to sum `size` bytes over the first `devices` devices, node by node.

    Inside a node a ring; across nodes reduce-scatter inside, a ring of nodes whose devices share
    the node's ports, all-gather inside. A ring's two halves are a reduce-scatter and an all-gather,
    so both phases inside a node together cost one ring.
    """
    inside = min(devices, system.node.devices)
    nodes = -(-devices // system.node.devices)
    seconds = 0.0
    if inside > 1:
        seconds += ring_all_reduce(size, inside, node_path(system.node, inside, calibration))
    if nodes > 1:
        seconds += ring_all_reduce(size, nodes, network_path(system, nodes, calibration))
    return seconds


def node_path(node: Node, devices: int, calibration: Calibration) -> Path:
    """The ring over the first `devices` devices of a node.

    In a mesh, the member with the least bandwidth to other members decides; members without any
    direct link go over the host. On a PCIe tree the host's path (between sockets) is in the ring.
    Raises InputError if the node has no links.
    """
    link, host = node.link, node.host_link
    if link is None:
        raise InputError("node.link", "found none", "describe the link between devices")
    if node.topology == "pcie-tree":
        paths = [_reached(path, calibration) for path in (link, host) if path is not None]
        return min(paths, key=lambda path: path.bandwidth)
    if not node.pairs or not node.links_per_device:
        return _reached(link, calibration)
    inside = [0] * devices
    for a, b, links in node.pairs:
        if a < devices and b < devices:
            inside[a] += links
            inside[b] += links
    if min(inside) > 0:
        reached = _reached(link, calibration)
        return reached._replace(bandwidth=reached.bandwidth * min(inside) / node.links_per_device)
    if host is None:
        raise InputError(
            "node.pairs",
            f"the first {devices} devices are not all linked",
            "describe the path over the host in node.host_link",
        )
    return _reached(host, calibration)


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
