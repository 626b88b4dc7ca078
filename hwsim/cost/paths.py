"""The links of a system as the paths that collectives take, at what their kinds reach."""

from __future__ import annotations

import math
from typing import NamedTuple

from hwsim.cost.algorithms import Path
from hwsim.cost.calibration import Calibration, Links, Reach
from hwsim.cost.groups import Group, placed
from hwsim.cost.torus import across, crowding, sides
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


class _Way(NamedTuple):
    """What a ring inside a node goes over: `share` of the link's rate is each member's, and that
    is `used` of all that a device has; an all-to-all takes `crowding` times as long as its bytes at
    that rate. `kind` names the way out of a device."""

    link: Link
    share: float
    used: float
    kind: str = "node"
    crowding: float = 1.0
    sides: tuple[int, ...] = ()


def node_path(node: Node, devices: int | Group, calibration: Calibration) -> Path:
    """The ring over the members of a group in a node, the first `devices` of it for a number.

    Behind a switch every member has all its links. In a mesh and in a torus it has those that lead
    to other members (see `share_inside`); where these close no ring, it goes over the host. On a
    PCIe tree the path between the sockets is in the ring at any size: DeepBench measured 6 GB/s on
    two to eight devices of such a box. A path over the host is divided among the groups that talk
    at the same time. Raises InputError if the node has no links.
    """
    way = _way(node, placed(devices, node.devices))
    reach = reach_of(way.link.kind, calibration.links)
    path = _path(way.link.bandwidth * way.share, way.link.latency, reach)
    return path._replace(used=way.used, crowding=way.crowding, sides=way.sides)


def way_out(node: Node, group: Group) -> str:
    """What the members load when they talk inside the node: their links ("node"), or the path to
    the host ("host"), which on a PCIe tree is the same as that to the others."""
    return _way(node, group).kind


def switch_path(node: Node, calibration: Calibration) -> Path | None:
    """A device's links to a switch that reduces; None where the node has none."""
    if not node.in_switch_reduction or node.link is None:
        return None
    reach: Reach = getattr(calibration.links, _switch_kind(node.link))
    return _path(node.link.bandwidth, node.link.latency, reach)


def network_path(system: System, nodes: int | Group, calibration: Calibration) -> Path:
    """The ring over nodes, at the first tier that reaches them all, through the group's ports: all
    of them for a number of nodes.

    A torus gives the ports of the axes that the nodes span. Raises InputError if no tier reaches.
    """
    group = nodes if isinstance(nodes, Group) else Group(system.node.devices, nodes)
    tier = _tier(system, max(group.nodes, group.span))
    bandwidth = _ports(group, system.node, tier) * tier.bandwidth / tier.oversubscription
    reach = getattr(calibration.links, _network_kind(system.node, tier))
    if tier.topology != "torus":
        return _path(bandwidth, tier.latency, reach)
    share, each, crowded = _in_torus(group.nodes, tier.ports / 2)
    path = _path(bandwidth * share, tier.latency, reach)
    return path._replace(used=share, sides=each, crowding=crowded)


def _ports(group: Group, node: Node, tier: Tier) -> float:
    """Ports of a group in each of its nodes: its share of all, and no more than its members' own,
    of which each has at least one."""
    share = tier.ports / group.sharing
    if group.inside >= node.devices:
        return share
    return min(share, group.inside * max(tier.ports / node.devices, 1.0))


def kinds_used(system: System, devices: int | Group) -> set[str]:
    """The kinds of links, as a calibration names them, that a group or the first devices may use.

    Raises InputError where a link is missing.
    """
    group = placed(devices, system.node.devices)
    found = set()
    if group.inside > 1:
        found.add(_kind(_way(system.node, group).link.kind))
        if system.node.in_switch_reduction and system.node.link is not None:
            found.add(_switch_kind(system.node.link))
    if group.nodes > 1:
        tier = _tier(system, max(group.nodes, group.span))
        found.add(_network_kind(system.node, tier))
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
        bandwidth * reach.share,
        latency * reach.latency,
        reach.call,
        reach.fill,
        reach.short,
        taken=reach.taken,
    )
    if reach.overlap is not None:
        reached = reached._replace(overlap=reach.overlap)
    if reach.near is None or reach.far is None:
        return reached
    return reached._replace(near=reach.near, beyond=bandwidth * reach.far)


def _way(node: Node, group: Group) -> _Way:
    """What the ring of a group goes over inside its nodes."""
    link, host = node.link, node.host_link
    if link is None:
        raise InputError("node.link", "found none", "describe the link between devices")
    if node.topology == "pcie-tree":
        if host is None or link.bandwidth < host.bandwidth / group.neighbors:
            return _Way(link, 1.0, 1.0, "host")
        return _Way(host, 1 / group.neighbors, 1.0, "host")
    share = share_inside(node, group)
    if share > 0:
        return _joined(node, link, group, share)
    if host is None:
        raise InputError(
            "node.pairs",
            f"{_members_text(group)} are not joined in a ring",
            "describe the path over the host in node.host_link",
        )
    return _Way(host, 1 / group.neighbors, 1.0, "host")


def _joined(node: Node, link: Link, group: Group, share: float) -> _Way:
    """The way of a group whose own links close a ring."""
    if node.pairs and node.links_per_device:
        members = _members(group)
        low = set(members[: len(members) // 2])
        among = [pair for pair in node.pairs if pair[0] in members and pair[1] in members]
        crossing = sum(count for a, b, count in among if (a in low) != (b in low))
        own = share * node.links_per_device
        return _Way(link, share, share, crowding=crowding(len(members), crossing, own))
    if node.topology == "torus" and node.links_per_device:
        _, each, crowded = _in_torus(group.inside, node.links_per_device / 2)
        return _Way(link, share, share, crowding=crowded, sides=each)
    return _Way(link, share, share)


def share_inside(node: Node, devices: int | Group) -> float:
    """The share of a device's links that its ring with a group, or the first devices, can use.

    With `pairs`, the member with the fewest links to other members decides; a ring of three or more
    needs two neighbors each. A mesh without pairs is even: (n - 1) of its (N - 1) neighbors. A
    torus of d dimensions (two links each) is cut into blocks: n devices span log2(n) of them.
    """
    group = placed(devices, node.devices)
    if node.pairs and node.links_per_device:
        members = _members(group)
        links, neighbors = dict.fromkeys(members, 0), dict.fromkeys(members, 0)
        for a, b, count in node.pairs:
            if a in links and b in links:
                for end in (a, b):
                    links[end] += count
                    neighbors[end] += 1
        closed = min(neighbors.values()) >= min(len(members) - 1, 2)
        return min(links.values()) / node.links_per_device if closed else 0.0
    if node.topology in ("mesh", "hybrid-cube-mesh"):
        return (group.inside - 1) / (node.devices - 1)
    if node.topology == "torus" and node.links_per_device:
        return _in_torus(group.inside, node.links_per_device / 2)[0]
    return 1.0


def _in_torus(members: int, dimensions: float) -> tuple[float, tuple[int, ...], float]:
    """The share of its links that a member of a block uses, the block's sides, its crowding."""
    whole = max(int(dimensions), 1)
    each = sides(members, whole)
    share = min(math.ceil(math.log2(members)) / max(dimensions, 1.0), 1.0)
    return share, each, crowding(members, across(each), 2.0 * len(each))


def _members(group: Group) -> tuple[int, ...]:
    """Places of the members in their node."""
    return group.places or tuple(range(0, group.inside * group.stride, group.stride))


def _members_text(group: Group) -> str:
    if group.places or group.stride > 1:
        return f"devices {', '.join(map(str, _members(group)))}"
    return f"the first {group.inside} devices"


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
