"""Time of collective operations over the links of a system; `size` may be a numpy array.

Each runs in a group of devices, or in the first ones where a number is given. It takes the fastest
algorithm that the system's links allow, as the libraries do, or the one named: see `ALGORITHMS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from hwsim.cost import algorithms
from hwsim.cost.algorithms import Path, Schedule, Timed, timed
from hwsim.cost.calibration import Calibration
from hwsim.cost.groups import Group, placed
from hwsim.cost.paths import network_path, node_path, switch_path, way_out
from hwsim.errors import InputError, near
from hwsim.hardware.spec import System

__all__ = ["all_gather", "all_reduce", "all_to_all", "broadcast", "reduce_scatter"]

ALGORITHMS = ("ring", "tree", "switch", "hierarchical", "halving-doubling", "torus")
COLLECTIVES = (
    "all_reduce",
    "all_gather",
    "reduce_scatter",
    "all_to_all",
    "broadcast",
    "halo",
    "send",
)
TALKING = {"halo": 2, "send": 1}  # devices of a node that talk to other nodes; else all of a group


class Transfer(NamedTuple):
    """A collective as one of its devices sees it.

    Of the `seconds`, `fixed` ones pass before bytes move, which nothing stretches. In the others
    the device loads its ways out: `loads` has (kind, load), kinds being "node", "network" and, over
    the host, "host". A load of 1 is all that the device can get out that way:

        load = bytes out / (moving seconds x the device's own bandwidth that way)

    where its own bandwidth is what the algorithm reaches over all of its links or over its part of
    the node's ports. `taken`: the share of the device's compute that moving takes, of which the
    memory traffic is a part; `spread`: the standard deviation of ln(seconds).
    """

    seconds: float
    fixed: float
    loads: tuple[tuple[str, float], ...]
    taken: float
    spread: float


class _Routes(NamedTuple):
    """Devices in use of each node, nodes, and the paths that join them."""

    inside: int
    nodes: int
    here: Path | None
    there: Path | None
    switch: Path | None

    @property
    def in_turn(self) -> Path | None:
        """Between nodes, when nothing moves inside."""
        return None if self.there is None else self.there._replace(overlap=1.0)

    @property
    def sides(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Members along the axes inside a node and between nodes; one axis where no torus is."""
        here, there = (path.sides if path else () for path in (self.here, self.there))
        return here or (self.inside,), there or (self.nodes,)

    @property
    def torus(self) -> bool:
        return any(len(each) > 1 for each in self.sides)


class _Plan(NamedTuple):
    """An algorithm over paths; one that is `named` is taken only when it is asked for."""

    algorithm: str
    how: Schedule
    here: Path | None
    there: Path | None
    named: bool = False


def all_reduce(
    size: float,
    devices: int | Group,
    system: System,
    calibration: Calibration,
    algorithm: str | None = None,
) -> float:
    """Seconds until all devices hold the sum of `size` bytes of each.

    The fastest of a ring, a tree and, where there are such, switches that reduce and rings along
    the axes of a torus; `algorithm` names one of `ALGORITHMS` instead. Raises InputError for
    another name, for switches that can't reduce and where the system has no link between the
    devices.
    """
    return _seconds("all_reduce", size, devices, system, calibration, algorithm)


def all_gather(
    size: float, devices: int | Group, system: System, calibration: Calibration
) -> float:
    """Seconds until all devices hold `size` bytes, of which each had a share.

    A ring, or rings along the axes of a torus. Raises InputError where the system has no link
    between the devices.
    """
    return _seconds("all_gather", size, devices, system, calibration)


def reduce_scatter(
    size: float, devices: int | Group, system: System, calibration: Calibration
) -> float:
    """Seconds until each of the devices holds its share of the sum of `size` bytes of each: as long
    as an all-gather, which is its mirror."""
    return all_gather(size, devices, system, calibration)


def broadcast(size: float, devices: int | Group, system: System, calibration: Calibration) -> float:
    """Seconds until all devices have the `size` bytes of one. Paths as of an all-gather."""
    return _seconds("broadcast", size, devices, system, calibration)


def all_to_all(
    size: float, devices: int | Group, system: System, calibration: Calibration
) -> float:
    """Seconds until each of the devices has sent an equal part of its `size` bytes to each.

    In a torus and in a mesh no faster than what crosses their middle.
    """
    return _seconds("all_to_all", size, devices, system, calibration)


def transfer(
    collective: str,
    size: float,
    devices: int | Group,
    system: System,
    calibration: Calibration,
    algorithm: str | None = None,
    copies: int = 1,
) -> Transfer:
    """What one of `COLLECTIVES` takes on `size` bytes, and what it loads meanwhile.

    `size` is what a device holds before an all-reduce, an all-to-all, a broadcast or a send, the
    whole of what is gathered or scattered, and of a halo what goes to one of two neighbors. An
    all-to-all may have every row in so many `copies`, of which a node gets one. Raises InputError
    for another name and where the system has no link between the devices.
    """
    group = placed(devices, system.node.devices)
    spread = calibration.links.spread_of(size)
    plans = _plans(collective, group, system, calibration, algorithm, copies)
    if group.devices == 1:
        return Transfer(0.0 * size, 0.0, (), 0.0, spread)
    times = [timed(size, plan.how, plan.here, plan.there) for plan in plans]
    which = _fastest(times)

    def of(values: Iterable[Any]) -> Any:
        found = np.choose(which, np.broadcast_arrays(*values))
        return found if found.ndim else found.item()

    loads = []
    if any(plan.here is not None for plan in plans):
        loads.append((way_out(system.node, group), of(time.here for time in times)))
    if any(plan.there is not None for plan in plans):
        loads.append(("network", of(time.there for time in times)))
    seconds, fixed = of(time.seconds for time in times), of(time.fixed for time in times)
    return Transfer(seconds, fixed, tuple(loads), of(map(_taken, plans)), spread)


def chosen(
    collective: str, size: float, devices: int | Group, system: System, calibration: Calibration
) -> str:
    """The algorithm that a collective on `size` bytes, a number, takes.

    One of `ALGORITHMS`; "pairwise", "neighbors" and "direct" are the only ones of an all-to-all, a
    halo and a send. Raises InputError as `transfer`.
    """
    group = placed(devices, system.node.devices)
    plans = _plans(collective, group, system, calibration)
    times = [timed(size, plan.how, plan.here, plan.there) for plan in plans]
    return plans[int(_fastest(times))].algorithm


def _seconds(
    collective: str,
    size: float,
    devices: int | Group,
    system: System,
    calibration: Calibration,
    algorithm: str | None = None,
) -> float:
    group = placed(devices, system.node.devices)
    plans = _plans(collective, group, system, calibration, algorithm)
    found = [timed(size, plan.how, plan.here, plan.there).seconds for plan in plans]
    least = found[0] if found else 0.0
    for other in found[1:]:
        least = np.minimum(least, other)
    return least


def _fastest(times: list[Timed]) -> Any:
    """The number of the fastest, for each size."""
    return np.argmin(np.broadcast_arrays(*(time.seconds for time in times)), axis=0)


def _taken(plan: _Plan) -> float:
    return max((path.taken for path in (plan.here, plan.there) if path is not None), default=0.0)


def _plans(
    collective: str,
    group: Group,
    system: System,
    calibration: Calibration,
    algorithm: str | None = None,
    copies: int = 1,
) -> list[_Plan]:
    """What is to be compared: one plan where an algorithm is named, none if a single device can't
    run it."""
    if collective not in COLLECTIVES:
        raise InputError("collective", f"found '{collective}'", near(collective, COLLECTIVES))
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise InputError("algorithm", f"found '{algorithm}'", near(algorithm, ALGORITHMS))
    routes = _routes(group, system, calibration, TALKING.get(collective))
    if collective == "all_reduce":
        plans = [*_all_reduces(routes, calibration.links.tree)]
    else:
        plans = [*_others(collective, routes, copies)]
    if algorithm is None:
        return [plan for plan in plans if not plan.named]
    found = [plan for plan in plans if plan.algorithm == algorithm]
    if not found and group.devices > 1:
        raise _not_there(collective, algorithm, system, [plan.algorithm for plan in plans])
    return found


def _all_reduces(routes: _Routes, tree: float) -> Iterator[_Plan]:
    inside, nodes, here, there, switch = routes
    yield _Plan("ring", algorithms.ring_all_reduce(inside, nodes), here, there)
    how = algorithms.tree_all_reduce(inside, nodes)
    yield _Plan("tree", how, _slowed(here, tree), _slowed(there, tree))
    if switch is not None:
        yield _Plan("switch", algorithms.switch_all_reduce(inside, nodes), switch, there)
    if routes.torus:
        yield _Plan("torus", algorithms.torus_all_reduce(*routes.sides), here, routes.in_turn)
    how = algorithms.hierarchical_all_reduce(inside, nodes)
    yield _Plan("hierarchical", how, here, routes.in_turn, named=True)
    how = algorithms.halving_doubling_all_reduce(inside, nodes)
    yield _Plan("halving-doubling", how, here, routes.in_turn, named=True)


def _others(collective: str, routes: _Routes, copies: int) -> Iterator[_Plan]:
    inside, nodes, here, there, _ = routes
    if collective in ("all_gather", "reduce_scatter"):
        yield _Plan("ring", algorithms.ring_all_gather(inside, nodes), here, there)
        if routes.torus:
            yield _Plan("torus", algorithms.torus_all_gather(*routes.sides), here, routes.in_turn)
    elif collective == "broadcast":
        yield _Plan("ring", algorithms.ring_broadcast(inside, nodes), here, there)
        if routes.torus:
            yield _Plan("torus", algorithms.torus_broadcast(*routes.sides), here, routes.in_turn)
    elif collective == "all_to_all" and copies > 1:
        how = algorithms.forwarded_all_to_all(inside, nodes, copies)
        yield _Plan("forwarded", how, _crowded(here), _crowded(there))
    elif collective == "all_to_all":
        how = algorithms.pairwise_all_to_all(inside, nodes)
        yield _Plan("pairwise", how, _crowded(here), _crowded(there))
    elif collective == "halo":
        yield _Plan("neighbors", algorithms.halo(inside, nodes), here, there)
    else:
        yield _Plan("direct", algorithms.send(inside, nodes), here if nodes == 1 else None, there)


def _not_there(collective: str, algorithm: str, system: System, there: list[str]) -> InputError:
    what = {
        "switch": f"the switches of {system.name} do not reduce between these devices",
        "torus": f"these devices of {system.name} are no torus",
    }.get(algorithm, f"found '{algorithm}', by which no {collective} goes")
    names = " or ".join(f"'{name}'" for name in dict.fromkeys(there))
    return InputError("algorithm", what, f"write {names}")


def _routes(group: Group, system: System, calibration: Calibration, talking: int | None) -> _Routes:
    """`talking`: the most devices of a node that talk to other nodes; None: all of the group."""
    node, alone = system.node, group.inside == 1
    between = group._replace(inside=min(group.inside, talking or group.inside))
    return _Routes(
        group.inside,
        group.nodes,
        None if alone else node_path(node, group, calibration),
        network_path(system, between, calibration) if group.nodes > 1 else None,
        None if alone else switch_path(node, calibration),
    )


def _slowed(path: Path | None, share: float) -> Path | None:
    return None if path is None else path._replace(bandwidth=path.bandwidth * share)


def _crowded(path: Path | None) -> Path | None:
    return path if path is None else _slowed(path, 1 / path.crowding)
