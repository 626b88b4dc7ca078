"""Best first: what has the least lower bound is looked into next, until no bound is below the
best that was found. The answer is exact, as far as all of the space goes."""

from __future__ import annotations

import heapq
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, Protocol

from hwsim.parallel.plan import Plan
from hwsim.study.subject import Subject

TICK = 0.1  # seconds between two reports


class Answer(NamedTuple):
    """A plan that fits: what is sought (`value`), the step's seconds by part, the bytes, whether a
    closed form says so; `number` is its place in the space."""

    subject: Subject
    plan: Plan
    value: float
    seconds: float
    parts: Mapping[str, float]
    bytes: float
    closed: bool
    number: int = 0

    @property
    def rank(self) -> tuple[float, int]:
        """Of two that are equal but for rounding the first of the space is told."""
        return float(f"{self.value:.11e}"), self.number


class Node(Protocol):
    """Some configurations, and a value that none of them is below; `slow` if it takes an event
    simulation to open them."""

    bound: float
    size: int

    @property
    def slow(self) -> bool: ...

    def opened(self) -> Iterator[Node | Answer]:
        """The same configurations in smaller groups, or the answer of the only one."""


class Missed(NamedTuple):
    """A plan that needs more memory than there is."""

    plan: Plan
    subject: Subject
    bytes: float
    capacity: float


class Beyond(NamedTuple):
    """A plan that fits but passes a limit, by which factor, and what to tell of it."""

    plan: Plan
    factor: float
    limit: str
    told: str


@dataclass
class Tally:
    """What became of configurations: `impossible`, `equal` to another one, `large` (more memory
    than there is), `limited` (beyond a limit), `evaluated`; others are `worse` or `open`."""

    total: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    nearest: Missed | None = None
    beyond: Beyond | None = None

    def miss(self, missed: Missed) -> None:
        """Remember the one that lacks least."""
        known = self.nearest
        if known is None or missed.bytes * known.capacity < known.bytes * missed.capacity:
            self.nearest = missed

    def limited(self, beyond: Beyond) -> None:
        """Remember the one that passes its limit by least."""
        if self.beyond is None or beyond.factor < self.beyond.factor:
            self.beyond = beyond

    @property
    def decided(self) -> int:
        return self.counts.total()


class State(NamedTuple):
    """How far a search is: configurations that may still be better than the best answer (`left`),
    and the least value that may still come (`bound`)."""

    tally: Tally
    left: int
    best: Answer | None
    bound: float
    seconds: float


@dataclass(frozen=True)
class Found:
    """The best answers, the first one best: nothing else is below `bound`."""

    best: tuple[Answer, ...]
    tally: Tally
    bound: float
    complete: bool
    seconds: float

    @property
    def certain(self) -> int:
        """How many of the best are so for sure."""
        return sum(one.value <= self.bound for one in self.best)


def best_first(
    nodes: Sequence[Node],
    tally: Tally,
    keep: int,
    certain: int = 1,
    watch: Callable[[State], None] | None = None,
) -> Found:
    """The answers of least value: `certain` of them for sure, and up to `keep` of what else was
    evaluated. An interrupt ends it early, with what it has."""
    begun, reported = time.monotonic(), 0.0
    number = count()
    heap = [(node.bound, next(number), node) for node in nodes]
    heapq.heapify(heap)
    best: list[Answer] = []
    limit, bound, complete = math.inf, -math.inf, True
    dropped = math.inf  # the least value of those that were evaluated and are not kept
    following: Node | None = None
    try:
        while following is not None or (heap and heap[0][0] < limit):
            node = heapq.heappop(heap)[2] if following is None else following
            bound, children = node.bound, []
            for child in node.opened():
                if isinstance(child, Answer):
                    tally.counts["evaluated"] += 1
                    best = sorted([*best, child], key=lambda one: one.rank)
                    dropped = min([dropped, *(one.value for one in best[keep:])])
                    best = best[:keep]
                    limit = best[certain - 1].value if len(best) >= certain else math.inf
                else:
                    child.bound = max(child.bound, bound)
                    children.append(child)
            following = _first(children) if not best else None
            for child in children:
                if child is not following:
                    heapq.heappush(heap, (child.bound, next(number), child))
            now = time.monotonic() - begun
            if watch is not None and now > reported + TICK:
                left = sum(node.size for least, _, node in heap if least < limit)
                left += following.size if following is not None else 0
                least = heap[0][0] if heap else limit
                watch(State(tally, left, best[0] if best else None, least, now))
                reported = time.monotonic() - begun
        bound = heap[0][0] if heap else math.inf
    except KeyboardInterrupt:
        complete = False
        bound = min(bound, heap[0][0] if heap else math.inf)
    tally.counts["worse" if complete else "open"] += tally.total - tally.decided
    return Found(tuple(best), tally, min(bound, dropped), complete, time.monotonic() - begun)


def _first(children: Sequence[Node]) -> Node | None:
    """What is opened next as long as nothing was found: the best child, if that is quick and may be
    an answer at all."""
    least = min(children, key=lambda one: one.bound, default=None)
    return None if least is None or least.bound == math.inf or least.slow else least
