"""The same work for many items, by several processes, in their order."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

from calibration.children import end_with_parent, interrupts_held
from hwsim.errors import SurroundingsError

TOGETHER = 4  # items that go to one process before the next one's turn
T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Cores that this process may use, where forks can share its work."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


@contextmanager
def mapped(items: Sequence[T], work: Callable[[T], R], processes: int) -> Iterator[Iterable[R]]:
    """What `work` makes of each item, in their order, as it comes.

    The processes are forks, so that work needs no other form to reach them, and start at once,
    before any thread does. Elsewhere than on Linux, and of one process, all is done here. Reading
    raises what `work` raises, and SurroundingsError where a process was killed.
    """
    if processes == 1 or sys.platform != "linux":
        yield map(work, items)
        return
    context = multiprocessing.get_context("fork")
    children, pipes = [], []
    with interrupts_held():
        for place in range(processes):
            read, write = context.Pipe(duplex=False)
            share = (write, items, work, place, processes)
            children.append(context.Process(target=_work, args=share, daemon=True))
            children[-1].start()
            write.close()
            pipes.append(read)
    try:
        yield _gathered(pipes, len(items))
    finally:
        for child in children:
            child.terminate()
            child.join()


def _work(
    write: Connection, items: Sequence[T], work: Callable[[T], R], place: int, number: int
) -> None:
    """Send what one process's share of the items makes, or what went wrong."""
    end_with_parent()
    try:
        for first in range(place * TOGETHER, len(items), number * TOGETHER):
            write.send([work(item) for item in items[first : first + TOGETHER]])
    except Exception as error:  # raised again by the reader
        write.send(error)


def _gathered(pipes: Sequence[Connection], total: int) -> Iterator[R]:
    for turn in range(-(-total // TOGETHER)):
        try:
            found = pipes[turn % len(pipes)].recv()
        except EOFError:
            raise SurroundingsError("a process at work", "was killed") from None
        if isinstance(found, Exception):
            raise found
        yield from found
