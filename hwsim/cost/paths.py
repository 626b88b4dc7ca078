"""The links of a system as the paths that collectives take, at what their kinds reach."""

from __future__ import annotations

import math

from hwsim.cost.algorithms import Path
from hwsim.cost.calibration import Calibration, Links, Reach
from hwsim.errors import InputError
from hwsim.hardware.spec import Link, Node, System, Tier

# Words in a link's kind -> the kind's name in a calibration; the first that is found counts.
KINDS = {
    "nvlink": "nvlink",
    "root complex": "root",
    "pcie": "pcie",
    "qpi": "host",
    "upi": "host",
    "efa": "efa",
    "gloo": "gloo",
}


def node_path(node: Node, devices: int, calibration: Calibration) -> Path:
    """The ring over the first `devices` devices of a node.

    Behind a switch every member has all its links. In a mesh and in a torus it has those that lead
    to other members (see `_share_inside`); where these close no ring, it goes over the host. On a
    PCIe tree the path between the sockets is in the ring at any size: DeepBench measured 6 GB/s on
    two to eight devices of such a box. Raises InputError if the node has no links.
    """
    link, share = _ring_inside(node, devices)
    return _path(link.bandwidth * share, link.latency, reach_of(link.kind, calibration.links))


def switch_path(node: Node, calibration: Calibration) -> Path | None:
    """A device's links to a switch that reduces; None where the node has none."""
    if not node.in_switch_reduction or node.link is None:
        return None
    reach: Reach = getattr(calibration.links, _switch_kind(node.link))
    return _path(node.link.bandwidth, node.link.latency, reach)


def network_path(system: System, nodes: int, calibration: Calibration) -> Path:
    """The ring over nodes, at the first tier that reaches them all, through all ports.

    Raises InputError if no tier does.
    """
    tier = _tier(system, nodes)
    bandwidth = tier.ports * tier.bandwidth / tier.oversubscription
    reach = getattr(calibration.links, _network_kind(system.node, tier))
    return _path(bandwidth, tier.latency, reach)


def kinds_used(system: System, devices: int) -> set[str]:
    """The kinds of links, as a calibration names them, that `devices` devices may use.

    Raises InputError where a link is missing.
    """
    inside = min(devices, system.node.devices)
    nodes = -(-devices // system.node.devices)
    found = set()
    if inside > 1:
        found.add(_kind(_ring_inside(system.node, inside)[0].kind))
        if system.node.in_switch_reduction and system.node.link is not None:
            found.add(_switch_kind(system.node.link))
    if nodes > 1:
        found.add(_network_kind(system.node, _tier(system, nodes)))
    return found


def reach_of(kind: str, links: Links) -> Reach:
    """What was fitted to the kind of link that a text names."""
    found: Reach = getattr(links, _kind(kind))
    return found


def _kind(text: str) -> str:
    lower = text.lower()
    return next((name for word, name in KINDS.items() if word in lower), "other")


def _switch_kind(link: Link) -> str:
    return "in_switch5" if "nvlink 5" in link.kind.lower() else "in_switch"


def _network_kind(node: Node, tier: Tier) -> str:
    """Devices of a PCIe tree reach the network through the host's memory."""
    named = _kind(tier.kind)
    if named != "other":
        return named
    return "staged" if node.topology == "pcie-tree" else "network"


def _path(bandwidth: float, latency: float, reach: Reach) -> Path:
    reached = Path(
        bandwidth * reach.share, latency * reach.latency, reach.call, reach.fill, reach.short
    )
    if reach.overlap is not None:
        reached = reached._replace(overlap=reach.overlap)
    if reach.near is None or reach.far is None:
        return reached
    return reached._replace(near=reach.near, beyond=bandwidth * reach.far)


def _ring_inside(node: Node, devices: int) -> tuple[Link, float]:
    """The link that the ring goes over, and the share of it that each member has."""
    link, host = node.link, node.host_link
    if link is None:
        raise InputError("node.link", "found none", "describe the link between devices")
    if node.topology == "pcie-tree":
        slowest = link if host is None or link.bandwidth < host.bandwidth else host
        return slowest, 1.0
    share = _share_inside(node, devices)
    if share > 0:
        return link, share
    if host is None:
        raise InputError(
            "node.pairs",
            f"the first {devices} devices are not joined in a ring",
            "describe the path over the host in node.host_link",
        )
    return host, 1.0


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


def _tier(system: System, nodes: int) -> Tier:
    for tier in system.network:
        if tier.nodes is None or nodes <= tier.nodes:
            return tier
    reach = max((tier.nodes or 0 for tier in system.network), default=1)
    raise InputError(
        f"plan on {system.name}",
        f"asks for {nodes} nodes, but the system's network joins {reach}",
        f"use at most {reach * system.node.devices} devices, or describe a network tier",
    )
