"""Where the groups of a plan sit: in how many nodes, and who shares links with whom.

All groups of an axis run at the same time, and the worst one decides: the one in the most nodes,
the farthest apart, with the most groups beside it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np

from hwsim.cost.groups import Group
from hwsim.cost.paths import kinds_used, share_inside
from hwsim.errors import InputError
from hwsim.hardware.spec import Node, System
from hwsim.parallel.check import divisors
from hwsim.parallel.exchange import Axis
from hwsim.parallel.plan import Placed, Plan

Ints = np.ndarray[Any, np.dtype[np.int64]]
Part = Literal["all", "near", "far"]  # of the members along some axes


class _Machine(NamedTuple):
    """Devices per node, nodes that each tier reaches, and whether places in a node differ."""

    per_node: int
    reaches: tuple[int, ...]
    wired: bool


class _Found(NamedTuple):
    """The worst of some groups, and the sets of places that groups have in a node."""

    group: Group
    places: tuple[tuple[int, ...], ...] = ()


def group(plan: Plan, axis: Axis, system: System) -> Group:
    """The group along an axis: the devices that differ in it alone.

    Experts ("ep") are spread over the nearest of the dp x cp devices. Raises InputError where the
    system has no link between the members, or `ep` doesn't divide dp x cp.
    """
    if axis == "ep":
        return _group(plan, ("dp", "cp"), system, _experts(plan), "near")
    return _group(plan, (axis,), system)


def gradient_group(plan: Plan, system: System) -> Group:
    """The dp x cp devices over which gradients of ordinary parameters are summed.

    Raises InputError where the system has no link between them.
    """
    return _group(plan, ("dp", "cp"), system)


def expert_gradient_group(plan: Plan, system: System) -> Group:
    """The dp x cp / ep devices that hold the same experts, and sum their gradients.

    Raises InputError as `group`.
    """
    if plan.ep == 1:
        return gradient_group(plan, system)
    return _group(plan, ("dp", "cp"), system, _experts(plan), "far")


def hop(plan: Plan, stage: int, system: System) -> Group:
    """A device of a pipeline stage and the one that it sends to: in the next stage, or after the
    last in the first.

    `sharing` and `neighbors` count the pairs of this stage. Raises InputError where the system has
    no link between them.
    """
    if plan.pp == 1:
        return Group(1)
    found = _hop(plan.stride("pp"), plan.pp, stage % plan.pp, plan.devices, _machine(system))
    return _checked(found, system)


def _group(
    plan: Plan, axes: tuple[Placed, ...], system: System, width: int = 1, part: Part = "all"
) -> Group:
    along = sorted((plan.stride(axis), getattr(plan, axis)) for axis in axes)
    used = tuple((stride, degree) for stride, degree in along if degree > 1)
    return _checked(_worst(used, width, part, plan.devices, _machine(system)), system)


def _experts(plan: Plan) -> int:
    among = plan.dp * plan.cp
    if among % plan.ep:
        raise InputError(
            "plan.ep",
            f"found {plan.ep}, which doesn't divide the {among} devices of dp x cp",
            f"write {min(divisors(among), key=lambda ways: abs(ways - plan.ep))}",
        )
    return plan.ep


def _machine(system: System) -> _Machine:
    reaches = tuple(tier.nodes for tier in system.network if tier.nodes is not None)
    return _Machine(system.node.devices, reaches, bool(system.node.pairs))


def _checked(found: _Found, system: System) -> Group:
    """The group at the worst of its places, if links join it."""
    group = found.group
    if found.places:
        group = group._replace(places=_worst_places(found.places, group, system.node))
    kinds_used(system, group)
    return group


def _worst_places(places: tuple[tuple[int, ...], ...], group: Group, node: Node) -> tuple[int, ...]:
    return min(places, key=lambda some: share_inside(node, group._replace(places=some)))


@lru_cache(maxsize=4096)
def _worst(
    axes: tuple[tuple[int, int], ...], width: int, part: Part, devices: int, machine: _Machine
) -> _Found:
    """Of all groups along `axes` (stride and degree, the nearest first); of each, `part` "near" are
    `width` members after each other, "far" those `width` apart."""
    among = math.prod(degree for _, degree in axes)
    size = {"all": among, "near": width, "far": among // width}[part]
    if size == 1:
        return _Found(Group(1))
    unit = _unit([stride for stride, _ in axes], machine)
    stride, degree = axes[-1]
    ranks = np.arange(_period(stride * degree, devices, machine) // unit)
    base, number, radix = ranks.copy(), np.zeros_like(ranks), 1
    for stride, degree in axes:
        at = ranks // (stride // unit) % degree
        base -= at * (stride // unit)
        number += at * radix
        radix *= degree
    if part == "near":
        base = base * among + number // width
    elif part == "far":
        base = base * width + number % width
    order = np.argsort(base, kind="stable")
    return _summary(ranks[order].reshape(-1, size), unit, machine)


@lru_cache(maxsize=4096)
def _hop(stride: int, stages: int, stage: int, devices: int, machine: _Machine) -> _Found:
    unit = _unit([stride], machine)
    near, block = stride // unit, stride // unit * stages
    ranks = np.arange(_period(stride * stages, devices, machine) // unit)
    senders = ranks[ranks % block // near == stage]
    receivers = senders + near if stage + 1 < stages else senders - near * stage
    pairs = np.sort(np.stack([senders, receivers], axis=1), axis=1)
    found = _summary(pairs, unit, machine)
    nodes = pairs // (machine.per_node // unit)
    apart = nodes[nodes[:, 0] != nodes[:, 1]]
    sharing = max((_most(column, unit) for column in apart.T), default=1)
    return found._replace(group=found.group._replace(sharing=sharing))


def _unit(strides: list[int], machine: _Machine) -> int:
    """So many ranks in a row behave alike, and one of them is looked at."""
    return 1 if machine.wired else math.gcd(machine.per_node, *strides)


def _period(block: int, devices: int, machine: _Machine) -> int:
    """Ranks after which groups, nodes and what tiers join repeat, or all there are."""
    pods = [machine.per_node * reach for reach in machine.reaches]
    ends = [pod for pod in pods if pod < devices]
    return min(devices, math.lcm(block, machine.per_node, *ends))


def _summary(members: Ints, unit: int, machine: _Machine) -> _Found:
    """The worst of groups (rows) of ranks in units, ascending."""
    per_node = machine.per_node // unit
    nodes = members // per_node
    begins = np.diff(nodes, axis=1, prepend=-1) != 0
    touched = begins.sum(axis=1)
    first, last = nodes[:, 0], nodes[:, -1]
    span = last - first + 1
    for reach in machine.reaches:
        span = np.where(first // reach != last // reach, np.maximum(span, reach + 1), span)
    seconds = begins[:, :-1] & ~begins[:, 1:]  # the second member of a group in a node
    most = int(touched.max())
    worst = Group(
        inside=-(-members.shape[1] // most),
        nodes=most,
        stride=int(members[0, 1] - members[0, 0]) * unit,
        span=int(span.max()),
        sharing=_most(nodes[begins & (touched > 1)[:, None]], unit),
        neighbors=_most(nodes[:, 1:][seconds], unit),
    )
    return _Found(worst, _places(members, nodes, per_node) if machine.wired else ())


def _most(nodes: Ints, unit: int) -> int:
    """The most groups in a node, 1 where there are none."""
    return unit * int(np.bincount(nodes).max()) if nodes.size else 1


def _places(members: Ints, nodes: Ints, per_node: int) -> tuple[tuple[int, ...], ...]:
    """The different sets of two and more places that groups have in a node."""
    begins = np.diff(nodes, axis=1, prepend=-1) != 0
    rows = np.zeros((int(begins.sum()), per_node), dtype=bool)
    rows[np.cumsum(begins.ravel()) - 1, members.ravel() % per_node] = True
    bits = np.unique(np.packbits(rows[rows.sum(axis=1) > 1], axis=1), axis=0)
    different = np.unpackbits(bits, axis=1, count=per_node)
    return tuple(tuple(np.flatnonzero(row).tolist()) for row in different)
