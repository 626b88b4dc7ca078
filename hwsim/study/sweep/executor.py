"""Where blocks are answered: in this process, in some beside it, or on a cluster."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol, TypeVar

from hwsim.errors import SurroundingsError
from hwsim.study.sweep.task import Done, Task

Block = tuple[int, int]
F = TypeVar("F")

AHEAD = 3  # blocks that each worker has, so that none waits while rows are written


class Executor(Protocol):
    """Answers blocks, each in one piece or in some, and gives them back in their order."""

    def map(self, task: Task, blocks: Iterable[Block]) -> Iterator[Done]: ...


class Local:
    """One block after the other."""

    def map(self, task: Task, blocks: Iterable[Block]) -> Iterator[Done]:
        return in_order(blocks, lambda block: block, lambda block: task.run(*block), 1)


class Processes:
    """As many processes as `jobs`; raises SurroundingsError if one dies."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def map(self, task: Task, blocks: Iterable[Block]) -> Iterator[Done]:
        packed = pickle.dumps(task)
        context = multiprocessing.get_context("spawn")  # threads of a progress bar may run
        pool = ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_follow)
        try:
            start = _starter(pool, packed)
            yield from in_order(blocks, start, Future.result, self.jobs * AHEAD)
        except BrokenProcessPool:
            what = "a process died"
            raise SurroundingsError("--jobs", what, "try fewer, or none for the reason") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _starter(pool: ProcessPoolExecutor, packed: bytes) -> Callable[[Block], Future[Done]]:
    return lambda block: pool.submit(packed_run, packed, *block)


def in_order(
    blocks: Iterable[Block], start: Callable[[Block], F], result: Callable[[F], Done], ahead: int
) -> Iterator[Done]:
    """Results of blocks in their order, while up to `ahead` of them are on their way.

    What is left of a block comes in pieces, each twice as long as the one before.
    """
    queue, blocks = deque[Block](), iter(blocks)
    started: dict[Block, F] = {}
    while True:
        queue.extend(islice(blocks, max(ahead - len(queue), 0)))
        if not queue:
            return
        for block in islice(queue, ahead):
            if block not in started:
                started[block] = start(block)
        block = queue.popleft()
        done = result(started.pop(block))
        yield done
        queue.extendleft(reversed(_pieces(done, block[1])))


def _pieces(done: Done, end: int) -> list[Block]:
    """What is left of a block that ends at `end`."""
    first, size, found = done.end, done.end - done.first, []
    while first < end:
        found.append((first, min(first + size, end)))
        first, size = found[-1][1], 2 * size
    return found


def packed_run(packed: bytes, first: int, end: int) -> Done:
    """A block of a task that was sent as bytes."""
    return _unpacked(packed).run(first, end)


@lru_cache(maxsize=2)
def _unpacked(packed: bytes) -> Task:
    found = pickle.loads(packed)
    if not isinstance(found, Task):
        raise TypeError("not a sweep")
    return found


def _follow() -> None:
    """Ctrl-C ends the parent, and however that ends, so does its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(
        target=_end_with, args=(multiprocessing.parent_process(),), daemon=True
    ).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
