"""What the event simulation runs: streams of tasks that wait for each other through tokens.

A stream does its tasks one at a time, in the order in which its program yields them. Tasks are
made while the simulation asks for them, so that a step of any length takes no memory by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

COMPUTE = "compute"  # the kind of a device's compute stream; all others move bytes
PARTS = ("compute", "memory", "launch", "communication", "bubble", "update")
HERE = -1  # whichever device does the work, until that is known
Token = Hashable


class Stream(NamedTuple):
    """One queue of work of a device: "compute", or the kind of traffic that it carries."""

    device: int
    kind: str


class Link(NamedTuple):
    """What transfers share: the way out of a device of one kind ("node", "network", "host")."""

    device: int
    kind: str


class Work(NamedTuple):
    """What takes time; shared by all tasks that do the same.

    `seconds` is the time alone, `parts` tells where it is booked (names of `PARTS`, summing to it),
    `spread` is the standard deviation of the logarithm of its time. A transfer first takes `fixed`
    of its seconds, which nothing stretches; then it `loads` links, each with the share of its
    capacity that it uses when alone. `taken` is the share of its device's compute that it takes all
    the while. On a shared link those of a higher `priority` come first.
    """

    seconds: float
    parts: tuple[tuple[str, float], ...]
    spread: float = 0.0
    fixed: float = 0.0
    loads: tuple[tuple[Link, float], ...] = ()
    taken: float = 0.0
    priority: int = 0


class Task(NamedTuple):
    """`work` that begins once all tokens of `takes` were given, and then gives `gives`.

    A token is given once and taken once. `meeting` is for a collective that several streams run
    together: each of its `members` streams has a task with this token, the work begins when all
    are there and ends for all at once; each brings its own links. `micro` is the micro-batch, -1
    where there is none.
    """

    name: str
    work: Work
    takes: tuple[Token, ...] = ()
    gives: tuple[Token, ...] = ()
    micro: int = -1
    meeting: Token | None = None
    members: int = 1


def plain(
    name: str, work: Work, takes: tuple[Token, ...], gives: tuple[Token, ...], micro: int
) -> Task:
    """A task of one stream alone, made in half the time that its own constructor takes."""
    return tuple.__new__(Task, (name, work, takes, gives, micro, None, 1))


@dataclass(frozen=True)
class Program:
    """A stream's tasks; calling its entry starts them anew. `devices` are those that are simulated,
    each of which stands for `alike` devices of the plan. `quiet` has for links that no task loads
    the seconds for which all of one is in use."""

    streams: Mapping[Stream, Callable[[], Iterator[Task]]]
    devices: int
    alike: int = 1
    quiet: Mapping[Link, float] = field(default_factory=dict)
