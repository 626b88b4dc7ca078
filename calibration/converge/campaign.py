"""A grid of training runs in parallel processes, written as it goes, resumable after any kill.

The parent alone writes; each run is a process of its own that sends its evaluations through a
pipe, so that nothing that happens to one run can harm another.
"""

from __future__ import annotations

import datetime
import multiprocessing
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TextIO

from calibration.children import end_with_parent, interrupts_held
from calibration.converge import curves
from calibration.converge.corpus import Corpus, load
from calibration.converge.train import Evaluation, Stop
from hwsim.errors import InputError, SurroundingsError
from workloads.charlm import CharLM

ATTEMPTS = 2


@dataclass(frozen=True)
class Run:
    """One cell of the grid with one seed."""

    hidden: int
    dataset: int
    seed: int

    @property
    def name(self) -> str:
        return f"h{self.hidden}-d{self.dataset}-s{self.seed}"

    @property
    def weight(self) -> float:
        """How long it may take, in no unit; only the display of progress uses it."""
        return float(self.hidden * self.dataset**0.7)


@dataclass
class Worker:
    run: Run
    process: BaseProcess
    attempt: int


def grid(hidden: Iterable[int], dataset: Iterable[int], seeds: Iterable[int]) -> list[Run]:
    """All runs, one seed after another; of each seed the longest first.

    So an early end leaves whole grids, and no core waits long for a late giant.
    """
    runs = [Run(h, d, s) for s in seeds for d in dataset for h in hidden]
    return sorted(runs, key=lambda run: (run.seed, -run.weight))


def check(runs: list[Run], workload: CharLM, corpus: Corpus) -> None:
    """Raises InputError if a run asks for more text than there is, or less than one window."""
    least = workload.sequence + 1  # inputs, and the same one further as targets
    for run in runs:
        if not least <= run.dataset <= len(corpus.training):
            raise InputError(
                "workload.dataset",
                f"found {run.dataset} characters, but corpus '{corpus.name}' has "
                f"{len(corpus.training)} to train on and a window takes {least}",
                f"write a size from {least} to {len(corpus.training)}",
            )


def campaign(
    workload: CharLM,
    corpus: Corpus,
    runs: list[Run],
    path: Path,
    *,
    stop: Stop,
    jobs: int,
    on_event: Callable[[Run, Evaluation | None], None] = lambda *_: None,
) -> None:
    """Train every run that `path` doesn't hold yet; `on_event(run, None)` when one is finished.

    `workload.vocabulary` follows the corpus. Raises InputError for a file of another campaign and
    SurroundingsError if the disk is full or a run dies twice; finished runs stand in any case. To
    be called in the main thread, which is the one that Ctrl-C reaches.
    """
    workload = workload.model_copy(update={"vocabulary": corpus.vocabulary, "corpus": corpus.name})
    check(runs, workload, corpus)
    with curves.writing(path, header(workload, corpus, stop)) as (file, done):
        waiting = [(run, 1) for run in runs if run.name not in done]
        for run in runs:
            if run.name in done:
                on_event(run, None)
        active: dict[Connection, Worker] = {}
        try:
            while waiting or active:
                while waiting and len(active) < jobs:
                    run, attempt = waiting.pop(0)
                    connection, worker = _start(workload, corpus, run, stop, attempt)
                    active[connection] = worker
                for ready in wait(list(active)):
                    if isinstance(ready, Connection):
                        again = _receive(ready, active, file, workload, on_event)
                        waiting[:0] = again
        finally:
            for worker in active.values():
                worker.process.kill()


def header(workload: CharLM, corpus: Corpus, stop: Stop) -> curves.Header:
    """The first line of the file: what the runs share, and where they were run."""
    import numpy
    import torch

    return curves.Header(
        workload=workload.name,
        setting=workload.setting(),
        corpus=curves.Text(
            name=corpus.name,
            sha256=corpus.sha256,
            characters=len(corpus.training) + len(corpus.validation),
            validation=len(corpus.validation),
            vocabulary=corpus.vocabulary,
        ),
        stop=curves.StopRule(**asdict(stop)),
        date=datetime.date.today().isoformat(),
        machine=f"{platform.machine()}, one thread per run",
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
        },
        command=" ".join(["hwsim", *sys.argv[1:]]),
    )


def _start(
    workload: CharLM, corpus: Corpus, run: Run, stop: Stop, attempt: int
) -> tuple[Connection, Worker]:
    # A fresh interpreter, not a fork: torch's thread pools don't survive a fork. It reads the
    # corpus itself: a child that dies before it has taken a large argument would block its parent.
    context = multiprocessing.get_context("spawn")
    try:
        receiver, sender = context.Pipe(duplex=False)
        given = (sender, workload, corpus.path, run, stop)
        process = context.Process(target=_work, args=given, daemon=True, name=run.name)
        with interrupts_held():
            process.start()
    except OSError as error:
        raise SurroundingsError(
            run.name,
            f"its process can't be started ({error.strerror})",
            "finished runs are kept; run again with fewer --jobs",
        ) from error
    sender.close()
    return receiver, Worker(run, process, attempt)


def _receive(
    connection: Connection,
    active: dict[Connection, Worker],
    file: TextIO,
    workload: CharLM,
    on_event: Callable[[Run, Evaluation | None], None],
) -> list[tuple[Run, int]]:
    """Take one message of a worker; the runs to start again (none, or the one that died)."""
    worker = active[connection]
    try:
        message = connection.recv()
    except (EOFError, OSError):  # it died between two messages, or within one
        del active[connection]
        worker.process.join()
        if worker.attempt < ATTEMPTS:
            return [(worker.run, worker.attempt + 1)]
        raise SurroundingsError(
            worker.run.name,
            f"the run died {ATTEMPTS} times (exit code {worker.process.exitcode})",
            "finished runs are kept; run the same command again",
        ) from None
    if isinstance(message, Evaluation):
        curves.append(
            file,
            {
                "run": worker.run.name,
                "step": message.step,
                "loss": round(message.loss, 6),
                "train_loss": round(message.train_loss, 6),
                "seconds": round(message.seconds, 3),
            },
        )
        on_event(worker.run, message)
        return []
    parameters, ended = message
    curves.append(
        file,
        {
            "run": worker.run.name,
            "end": ended,
            **asdict(worker.run),
            "parameters": parameters,
            "batch": workload.batch,
        },
    )
    on_event(worker.run, None)
    del active[connection]
    worker.process.join()
    return []


def _work(
    connection: Connection, workload: CharLM, text: Path | None, run: Run, stop: Stop
) -> None:
    """The child: train one run and send what it sees; ends quietly if the parent is gone."""
    from calibration.converge.train import past_minimum, train

    end_with_parent()
    sized = workload.model_copy(update={"hidden": run.hidden, "dataset": run.dataset})
    steps, losses = [], []
    try:
        for evaluation in train(sized, load(text), run.seed, stop):
            steps.append(evaluation.step)
            losses.append(evaluation.loss)
            connection.send(evaluation)
        ended = "minimum" if past_minimum(steps, losses, stop) else "censored"
        connection.send((sized.graph().parameters, ended))
    except BrokenPipeError:
        pass
    finally:
        connection.close()
