"""Work that goes on at a rate that changes: transfers share links, and take from compute.

Transfers are fluids. Of those that move at the same time, transfer i goes on at a rate x_i in
(0, 1] of the speed that it has alone and uses x_i load_il of link l. The rates are max-min fair
(D. Bertsekas, R. Gallager, Data Networks, 1992, section 6.5): none can be raised without lowering
one that is no higher.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Protocol

import simpy

from hwsim.parallel.program import Link

EQUAL = 1e-12  # links that are full at levels which differ by this fraction are full at once
Loads = Sequence[tuple[Link, float]]
Story = Generator[simpy.Event, Any, None]


class Pace(Protocol):
    """How fast something goes on: 1 when nothing hinders it."""

    rate: float


class Steady:
    """What nothing hinders."""

    rate = 1.0


STEADY = Steady()


def spend(environment: simpy.Environment, seconds: float, pace: Pace) -> Story:
    """Wait while `seconds` of work go on at `pace`; an interrupt says that it has changed."""
    left = seconds
    while True:
        begun, rate = environment.now, pace.rate
        try:
            yield environment.timeout(left / rate) if rate > 0 else environment.event()
        except simpy.Interrupt:
            left = max(left - rate * (environment.now - begun), 0.0)
        else:
            return


def full(_: Link) -> float:
    """The capacity of a link that nothing slows down."""
    return 1.0


class Flow:
    """A transfer that moves: who waits for it, its loads, its priority and its rate."""

    __slots__ = ("loads", "priority", "process", "rate")

    def __init__(self, process: simpy.Process | None, loads: Loads, priority: int) -> None:
        self.process, self.loads, self.priority, self.rate = process, loads, priority, 1.0


class Network:
    """The links: who moves on them, and for how many seconds of all of it they have carried."""

    def __init__(
        self, environment: simpy.Environment, capacity: Callable[[Link], float] = full
    ) -> None:
        self.environment, self.capacity = environment, capacity
        self.carried: dict[Link, float] = defaultdict(float)
        self._on: dict[Link, dict[Flow, None]] = defaultdict(dict)

    def carry(self, loads: Loads, seconds: float, priority: int = 0) -> Story:
        """Wait while a transfer moves what takes it `seconds` alone; it loads each link once."""
        flow = Flow(self.environment.active_process, loads, priority)
        on = [self._on[link] for link, _ in loads]
        alone = not any(on)
        for flows in on:
            flows[flow] = None
        if alone:
            flow.rate = min([1.0, *(self.capacity(at) / load for at, load in loads if load > 0)])
        else:
            self._share(flow)
        yield from spend(self.environment, seconds, flow)
        for (link, load), flows in zip(loads, on, strict=True):
            del flows[flow]
            self.carried[link] += load * seconds
        if any(on):
            self._share(flow)

    def _share(self, changed: Flow) -> None:
        """New rates for all that share links, directly or not, with a flow that came or went."""
        flows = self._around(changed)
        for flow, rate in zip(flows, self._rates(flows), strict=True):
            if rate != flow.rate:
                flow.rate = rate
                if flow.process is not None and flow is not changed:
                    flow.process.interrupt()

    def _rates(self, flows: Sequence[Flow]) -> list[float]:
        """The rates of each priority are fair in what the higher ones leave."""
        rates: dict[Flow, float] = {}
        used: dict[Link, float] = defaultdict(float)
        for priority in sorted({flow.priority for flow in flows}, reverse=True):
            equal = [flow for flow in flows if flow.priority == priority]

            def left(link: Link) -> float:
                return max(self.capacity(link) - used[link], 0.0)

            rates |= zip(equal, fair((flow.loads for flow in equal), left), strict=True)
            for flow in equal:
                for link, load in flow.loads:
                    used[link] += rates[flow] * load
        return [rates[flow] for flow in flows]

    def _around(self, flow: Flow) -> list[Flow]:
        flows: dict[Flow, None] = {}
        links = dict.fromkeys(link for link, _ in flow.loads)
        reached = list(links)
        while reached:
            for other in self._on[reached.pop()]:
                if other not in flows:
                    flows[other] = None
                    new = [link for link, _ in other.loads if link not in links]
                    links.update(dict.fromkeys(new))
                    reached.extend(new)
        return list(flows)


def fair(transfers: Iterable[Loads], capacity: Callable[[Link], float] = full) -> list[float]:
    """Max-min fair rates in (0, 1] by progressive filling.

    All rates rise together until a link is full, or several are at once (of many equal devices one
    after the other would take the square of their number); what moves on them keeps its rate. Two
    transfers that want all of link a get half of it each. The first also loads link b with 0.4 of
    it, which at half the speed is 0.2, so that a third has 0.8 of b:

    >>> a, b = Link(0, "network"), Link(1, "network")
    >>> fair([((a, 1.0), (b, 0.4)), ((a, 1.0),), ((b, 1.0),)])
    [0.5, 0.5, 0.8]
    """
    rising = {n: [use for use in loads if use[1] > 0] for n, loads in enumerate(transfers)}
    rates = [1.0] * len(rising)
    room = {link: capacity(link) for loads in rising.values() for link, _ in loads}
    level = 0.0
    while rising:
        wanted: dict[Link, float] = defaultdict(float)
        for loads in rising.values():
            for link, load in loads:
                wanted[link] += load
        levels = {link: room[link] / load for link, load in wanted.items()}
        least = min(levels.values(), default=1.0)
        if least >= 1.0:
            break
        level = max(level, least)
        tight = {link for link, reached in levels.items() if reached <= least * (1.0 + EQUAL)}
        for n, loads in list(rising.items()):
            if any(link in tight for link, _ in loads):
                del rising[n]
                rates[n] = level
                for link, load in loads:
                    room[link] = max(room[link] - level * load, 0.0)
    return rates
