"""Sums of gradients behind and beside the last backward pass of a chunk: numbers or arrays.

    begin = max(now, end of the sum before)        of a sum whose gradients are there `now`
    end = begin + seconds

While it goes on it takes its share of the device's compute, and the pass is so much longer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hwsim.cost.pick import is_array
from hwsim.parallel.closed import Sum
from hwsim.parallel.program import Work

KINDS = ("node", "network", "host", "host in", "host out")  # of links out of a device
LEVELS, BITS = 32, 8  # of a load, and to hold it
TOPS = sum(1 << BITS * kind + BITS - 1 for kind in range(len(KINDS)))  # the highest bit of each


class Moved(NamedTuple):
    """Seconds of a sum, the share of compute that it takes, and its `links`."""

    seconds: Any
    taken: Any
    links: Any


class Tail(NamedTuple):
    """A pass and its sums so far, in seconds from its begin: `now` the pass is, `free` the stream
    of the sums, `work` the pass alone. `moved` are all sums' seconds, `taken` those of compute that
    they would take, `links` what they use; `hidden`, `crossed` the seconds and links of those but
    the last piece's. `moving` are the sums that go on, one behind the other: until when, and their
    share of compute."""

    now: Any = 0.0
    free: Any = 0.0
    work: Any = 0.0
    moved: Any = 0.0
    taken: Any = 0.0
    links: Any = 0
    hidden: Any = 0.0
    crossed: Any = 0
    moving: tuple[tuple[Any, Any], ...] = ()

    def then(self, seconds: Any, sums: Iterable[Moved]) -> Tail:
        """After a piece of so many seconds alone, whose gradients are then summed."""
        now, left, free = self.now, seconds, self.free
        for end, share in self.moving:
            done = np.minimum(np.maximum(end - now, 0.0) * (1 - share), left)
            now, left = now + done / (1 - share), left - done
        now = now + left
        moving = [one for one in self.moving if np.any(one[0] > now)]
        moved, taken, links = self.moved, self.taken, self.links
        for one in sums:
            free = np.maximum(now, free) + one.seconds
            if moving and np.array_equal(moving[-1][1], one.taken):
                moving.pop()
            moving.append((free, one.taken))
            moved, links = moved + one.seconds, louder(links, one.links)
            taken = taken + one.seconds * one.taken
        return Tail(
            now,
            free,
            self.work + seconds,
            moved,
            taken,
            links,
            self.moved,
            self.links,
            tuple(moving),
        )

    def after(self, until: Any) -> Tail:
        """The same, going on at `until` at the earliest."""
        return self._replace(now=np.maximum(self.now, until))

    @property
    def sum(self) -> Sum:
        """All sums as one, to which those of another chunk are behind alike."""
        return Sum(self.free - self.now - self.moved, self.moved)

    @property
    def share(self) -> Any:
        """Of the device's compute that its sums take, as a mean."""
        return np.where(self.moved > 0, self.taken / np.maximum(self.moved, 1e-300), 0.0)

    @property
    def stretch(self) -> Any:
        """Seconds by which sums make the pass longer."""
        return self.now - self.work


def gathered(pieces: Sequence[tuple[Any, Sequence[Moved]]], begin: Any) -> tuple[Any, Any]:
    """How much longer a pass takes that begins at `begin` and gathers parameters from time 0 on,
    each piece its own before it begins; and until when they are gathered.

    >>> gathered([(2.0, [Moved(1.0, 0.0, 1)]), (2.0, [Moved(4.0, 0.0, 1)])], 0.0)
    (np.float64(3.0), 5.0)
    """
    until, ends, busy = 0.0, [], list[tuple[Any, Any]]()
    for _, gathers in pieces:
        for one in gathers:
            until = until + one.seconds
            if busy and np.array_equal(busy[-1][1], one.taken):
                busy.pop()
            busy.append((until, one.taken))
        ends.append(until)
    tail = Tail(now=begin, moving=tuple(busy))
    for (seconds, _), end in zip(pieces, ends, strict=True):
        tail = tail.after(end).then(seconds, ())
    return tail.now - begin - tail.work, until


def links(work: Work) -> Any:
    """The load of each kind of link, rounded up to one of `LEVELS`, in one whole number, of which
    arrays of points hold many.

    >>> from hwsim.parallel.program import HERE, Link
    >>> hex(links(Work(1.0, (), loads=((Link(HERE, "node"), 1.0), (Link(HERE, "network"), 0.49)))))
    '0x1020'
    """
    return sum(_level(load) << BITS * KINDS.index(link.kind) for link, load in work.loads)


def _level(load: Any) -> Any:
    if is_array(load):
        levels = np.ceil(load * LEVELS).astype(np.int64)
        least = int(levels.min())
        return least if np.all(levels == least) else levels
    return math.ceil(load * LEVELS)


def louder(one: Any, other: Any) -> Any:
    """The larger load of each kind.

    >>> hex(louder(0x1020, 0x1802))
    '0x1820'
    """
    # All loads at once: a top bit is left where `one` has no less, loads being far below it.
    above = (one | TOPS) - other & TOPS
    mask = above - (above >> BITS - 1)
    return one & mask | other & ~mask


def crowded(one: Any, other: Any, *, third: Any = 0) -> Any:
    """By what share transfers take longer that move at the same time on some link: 0 where they
    share none. A third one may move there too.

    Max-min fair, all go on at 1 / (sum of their loads) where that is above 1.

    >>> float(crowded(0x20, 0x18)), float(crowded(0x10, 0x08)), float(crowded(0x20, 0x2000))
    (0.75, 0.0, 0.0)
    """
    found: Any = 0.0
    everywhere = [int(np.bitwise_or.reduce(links, axis=None)) for links in (one, other)]
    for kind in range(len(KINDS)):
        if not all(_load(links, kind) for links in everywhere):
            continue
        here, there, beside = (_load(links, kind) for links in (one, other, third))
        share = np.maximum((here + there + beside) / LEVELS - 1.0, 0.0)
        found = np.maximum(found, np.where((here > 0) & (there > 0), share, 0.0))
    return found


def _load(links: Any, kind: int) -> Any:
    return links >> BITS * kind & (1 << BITS) - 1


def moved(work: Work) -> Moved:
    return Moved(work.seconds, work.taken, links(work))
