"""Answers to many cases, by as many processes as there are cores where that pays."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from calibration.children import end_with_parent, interrupts_held
from calibration.measurement import Measurement
from calibration.predict import Predict, Prediction, Skipped
from hwsim.errors import SurroundingsError

Answer = Prediction | Skipped
SIMULATED = ("step", "run")  # kinds of cases that take milliseconds; all others take far less
FEW = 32  # of those that a process is not worth starting for
TOGETHER = 4  # cases that go to one process before the next one's turn


@contextmanager
def answered(
    cases: Sequence[Measurement], predict: Predict, processes: int | None = None
) -> Iterator[Iterable[Answer]]:
    """What `predict` says of each case, in their order, as it comes.

    The processes are forks, so that a predictor needs no other form to reach them, and start at
    once, before any thread does. Elsewhere than on Linux, and without `processes` where there is
    one core or few cases are simulated, all is done here. Reading raises what `predict` raises,
    and SurroundingsError where a process was killed.
    """
    number = processes or _worth(cases)
    if number == 1 or sys.platform != "linux":
        yield map(predict, cases)
        return
    context = multiprocessing.get_context("fork")
    children, pipes = [], []
    with interrupts_held():
        for place in range(number):
            read, write = context.Pipe(duplex=False)
            share = (write, cases, predict, place, number)
            children.append(context.Process(target=_answer, args=share, daemon=True))
            children[-1].start()
            write.close()
            pipes.append(read)
    try:
        yield _gathered(pipes, len(cases))
    finally:
        for child in children:
            child.terminate()
            child.join()


def _worth(cases: Sequence[Measurement]) -> int:
    """As many processes as there are cores, or fewer for few simulated cases."""
    simulated = sum(case.kind in SIMULATED for case in cases)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    return max(min(cores, simulated // FEW), 1)


def _answer(
    write: Connection, cases: Sequence[Measurement], predict: Predict, place: int, number: int
) -> None:
    """Send the answers to one process's share of the cases, or what went wrong."""
    end_with_parent()
    try:
        for first in range(place * TOGETHER, len(cases), number * TOGETHER):
            write.send([predict(case) for case in cases[first : first + TOGETHER]])
    except Exception as error:  # raised again by the reader
        write.send(error)


def _gathered(pipes: Sequence[Connection], total: int) -> Iterator[Answer]:
    for turn in range(-(-total // TOGETHER)):
        try:
            found = pipes[turn % len(pipes)].recv()
        except EOFError:
            raise SurroundingsError("a process that predicts", "was killed") from None
        if isinstance(found, Exception):
            raise found
        yield from found
