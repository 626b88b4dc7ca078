"""Where the devices of one collective sit: in how many nodes, and who shares their links."""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """`inside` devices in each of `nodes` nodes, in ranks `stride` apart.

    `span` is how many nodes lie from the first to the last of them: the first tier of the network
    that reaches so far joins them. `sharing` groups use the ports of one node at the same time,
    each an equal part of them; `neighbors` groups talk inside one node at the same time: that costs
    nothing behind a switch or in a mesh, but a path over the host is theirs together. `places`
    are the members' places in their node; where none are given, every `stride`-th from the first.
    """

    inside: int
    nodes: int = 1
    stride: int = 1
    span: int = 1
    sharing: int = 1
    neighbors: int = 1
    places: tuple[int, ...] = ()

    @property
    def devices(self) -> int:
        return self.inside * self.nodes


def placed(devices: int | Group, per_node: int) -> Group:
    """The group, or that of the first `devices` devices, where a node that is begun counts whole.

    >>> placed(12, 8)
    Group(inside=8, nodes=2, stride=1, span=2, sharing=1, neighbors=1, places=())
    """
    if isinstance(devices, Group):
        return devices
    nodes = -(-devices // per_node)
    return Group(min(devices, per_node), nodes, span=nodes)
