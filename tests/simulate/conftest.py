"""Programs for the simulation: from lists of tasks, and drawn at random."""

import random
from typing import NamedTuple

import pytest

from hwsim.parallel.program import PARTS, Program, Stream, Task, Work

KINDS = ("compute", "compute", "dp", "pp.forward")


class Make(NamedTuple):
    """`program` of lists of tasks by stream; `drawn` lists that end without contention."""

    program: callable
    drawn: callable


def program(lists):
    streams = {stream: (lambda tasks=tasks: iter(tasks)) for stream, tasks in lists.items()}
    return Program(streams, devices=len({stream.device for stream in lists}))


def drawn(seed):
    """Up to 40 tasks in an order in which each can run: its tokens come from earlier ones."""
    source = random.Random(seed)
    lists, given = {}, []
    for number in range(source.randint(1, 40)):
        places = [Stream(source.randrange(3), source.choice(KINDS))]
        if source.random() < 0.15:
            places = list({Stream(device, "dp") for device in (0, source.randint(1, 2))})
        seconds = source.choice((0.0, source.uniform(0.0, 5.0)))
        meeting = f"meeting {number}" if len(places) > 1 else None
        for place in places:
            computes = place.kind == "compute"
            part = source.choice(PARTS[:3]) if computes else "communication"
            share = source.choice((0.25, 1.0))
            parts = (
                (part, seconds * share),
                ("update" if computes else part, seconds * (1 - share)),
            )
            takes = tuple(
                given.pop(source.randrange(len(given))) for _ in given[: source.randrange(4)]
            )
            gives = tuple((number, place, n) for n in range(source.randrange(3)))
            work = Work(seconds, parts, spread=source.choice((0.0, 0.1)))
            task = Task(str(number), work, takes, gives, number, meeting, len(places))
            lists.setdefault(place, []).append(task)
        for place in places:
            given.extend(lists[place][-1].gives)
    return lists


@pytest.fixture(scope="session")
def make():
    return Make(program, drawn)
