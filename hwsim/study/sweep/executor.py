"""Where blocks are answered: in this process, in some beside it, or on a cluster."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import Protocol, TypeVar

from hwsim.errors import SurroundingsError
from hwsim.study.sweep.task import Done, Task

Block = tuple[int, int]
F = TypeVar("F")

AHEAD = 3  # blocks that each worker has, so that none waits while rows are written


class Executor(Protocol):
    """Answers blocks, and gives them back in their order."""

    def map(self, task: Task, blocks: Iterable[Block]) -> Iterator[Done]: ...


class Local:
    """One block after the other."""

    def map(self, task: Task, blocks: Iterable[Block]) -> Iterator[Done]:
        for first, end in blocks:
            yield task.run(first, end)


class Processes:
    """As many processes as `jobs`; raises SurroundingsError if one dies."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def map(self, task: Task, blocks: Iterable[Block]) -> Iterator[Done]:
        packed = pickle.dumps(task)
        context = multiprocessing.get_context("spawn")  # threads of a progress bar may run
        pool = ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_quiet)
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
    """Results of blocks in their order, while up to `ahead` of them are on their way."""
    waiting: deque[F] = deque()
    for block in blocks:
        waiting.append(start(block))
        if len(waiting) >= ahead:
            yield result(waiting.popleft())
    while waiting:
        yield result(waiting.popleft())


def packed_run(packed: bytes, first: int, end: int) -> Done:
    """A block of a task that was sent as bytes."""
    return _unpacked(packed).run(first, end)


@lru_cache(maxsize=2)
def _unpacked(packed: bytes) -> Task:
    found = pickle.loads(packed)
    if not isinstance(found, Task):
        raise TypeError("not a sweep")
    return found


def _quiet() -> None:
    """Ctrl-C ends the parent, which ends its processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
