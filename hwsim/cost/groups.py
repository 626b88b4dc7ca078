"""Where the devices of one collective sit: in how many nodes, and who shares their links."""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """`inside` devices in each of `nodes` nodes, in ranks `stride` apart.

    `span` is how many nodes lie from the first to the last of them, so that the tier which joins
    them is known; `sharing` how many such groups use the links between nodes of one node at the
    same time, `neighbors` how many do inside a node.
    """

    inside: int
    nodes: int = 1
    stride: int = 1
    span: int = 1
    sharing: int = 1
    neighbors: int = 1

    @property
    def devices(self) -> int:
        return self.inside * self.nodes
