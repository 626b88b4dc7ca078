"""A grid of training runs in parallel processes, written as it goes, resumable after any kill.

The parent alone writes; each run is a process of its own that sends its evaluations through a
pipe, so that nothing that happens to one run can harm another.
"""

from __future__ import annotations

import datetime
import math
import multiprocessing
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TextIO

from calibration.children import end_with_parent, interrupts_held
from calibration.converge import curves
from calibration.converge.corpora.corpus import AnyCorpus
from calibration.converge.corpora.load import fitted, load
from calibration.converge.train import Evaluation, Stop, past_minimum
from hwsim.errors import InputError, SurroundingsError
from hwsim.graph.workload import Workload

ATTEMPTS = 2


@dataclass(frozen=True)
class Run:
    """One cell of the grid with one seed; `varied` are further fields of the workload."""

    hidden: int
    dataset: int
    seed: int
    varied: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        others = "".join(f"-{field}={value}" for field, value in self.varied)
        return f"h{self.hidden}-d{self.dataset}{others}-s{self.seed}"

    @property
    def weight(self) -> float:
        """How long it may take, in no unit; only the order and the display of progress use it."""
        return float(self.hidden * self.dataset**0.7)

    def sized(self, workload: Workload) -> Workload:
        """The workload of this run."""
        sizes = {"hidden": self.hidden, "dataset": self.dataset, **dict(self.varied)}
        return workload.model_copy(update=sizes)


@dataclass
class Worker:
    run: Run
    process: BaseProcess
    attempt: int


def grid(
    hidden: Iterable[int],
    dataset: Iterable[int],
    seeds: Iterable[int],
    others: Mapping[str, Sequence[Any]] | None = None,
) -> list[Run]:
    """All runs, one seed after another; of each seed the longest first.

    So an early end leaves whole grids, and no core waits long for a late giant.
    """
    fields = others or {}
    cells = [tuple(zip(fields, values, strict=True)) for values in product(*fields.values())]
    runs = [Run(h, d, s, cell) for s in seeds for d in dataset for h in hidden for cell in cells]
    return sorted(runs, key=lambda run: (run.seed, -run.weight))


def check(runs: list[Run], workload: Workload, corpus: AnyCorpus) -> None:
    """Raises InputError if a run asks for more data than there is, or for less than a batch."""
    for run in runs:
        sized = run.sized(workload)
        least = max(sized.batch * sized.items_per_sample, sized.items_per_sample + 1)
        if not least <= run.dataset <= corpus.size:
            raise InputError(
                "workload.dataset",
                f"found {run.dataset} {corpus.unit}, but corpus '{corpus.name}' has {corpus.size} "
                f"to train on and a batch of {sized.batch} takes {least}",
                f"write a size from {least} to {corpus.size}"
                if least <= corpus.size
                else "give a larger corpus, or set workload.batch lower",
            )


def campaign(
    workload: Workload,
    source: str | None,
    runs: list[Run],
    path: Path,
    *,
    stop: Stop,
    jobs: int,
    device: str = "cpu",
    on_event: Callable[[Run, Evaluation | None], None] = lambda *_: None,
) -> None:
    """Train every run that `path` doesn't hold yet; `on_event(run, None)` when one is finished.

    `source` is what `--corpus` says; the vocabulary of characters follows it. Raises InputError
    for a file of another campaign and SurroundingsError if the disk is full or a run dies twice;
    finished runs stand in any case. To be called in the main thread, which is the one that Ctrl-C
    reaches.
    """
    corpus = load(workload, source)
    workload = fitted(workload, corpus)
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
                    given = (workload, source, run, stop, device)
                    connection, worker = _start(given, run, attempt)
                    active[connection] = worker
                for ready in wait(list(active)):
                    if isinstance(ready, Connection):
                        again = _receive(ready, active, file, on_event)
                        waiting[:0] = again
        finally:
            for worker in active.values():
                worker.process.kill()


def header(workload: Workload, corpus: AnyCorpus, stop: Stop) -> curves.Header:
    """The first line of the file: what the runs share, and where they were run."""
    import numpy
    import torch

    return curves.Header(
        workload=workload.name,
        setting=workload.setting(),
        corpus=curves.Corpus(
            name=corpus.name,
            sha256=corpus.sha256,
            items=corpus.size + corpus.held,
            validation=corpus.held,
            vocabulary=corpus.vocabulary,
            unit=corpus.unit,
            entropy=corpus.entropy,
        ),
        stop=curves.StopRule(**asdict(stop)),
        date=datetime.date.today().isoformat(),
        machine=f"{platform.machine()}, one thread per run",
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
        },
        # File names will do: where they lay concerns this machine alone.
        command=" ".join(["hwsim", *(os.path.basename(word) or word for word in sys.argv[1:])]),
    )


def _start(
    given: tuple[Workload, str | None, Run, Stop, str], run: Run, attempt: int
) -> tuple[Connection, Worker]:
    # A fresh interpreter, not a fork: torch's thread pools don't survive a fork. It reads the
    # corpus itself: a child that dies before it has taken a large argument would block its parent.
    context = multiprocessing.get_context("spawn")
    try:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(sender, *given), daemon=True, name=run.name)
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
        curves.append(file, {"run": worker.run.name, **evaluation_line(message)})
        on_event(worker.run, message)
        return []
    curves.append(file, {"run": worker.run.name, **message})
    on_event(worker.run, None)
    del active[connection]
    worker.process.join()
    return []


def evaluation_line(evaluation: Evaluation) -> curves.Line:
    """An evaluation as it stands in the file."""
    line: curves.Line = {
        "step": evaluation.step,
        "loss": round(evaluation.loss, 6),
        "train_loss": round(evaluation.train_loss, 6),
        "seconds": round(evaluation.seconds, 3),
    }
    if evaluation.noise_scale is not None:
        line["noise_scale"] = float(f"{evaluation.noise_scale:.4g}")
    return line


def last_line(workload: Workload, run: Run, seen: list[Evaluation], stop: Stop) -> curves.Line:
    """What closes a run in the file: how it ended, its sizes, the noise of its evaluations."""
    steps, losses = [e.step for e in seen], [e.loss for e in seen]
    if not math.isfinite(losses[-1]):
        end = "diverged"
    else:
        end = "minimum" if past_minimum(steps, losses, stop) else "censored"
    noises = [e.noise for e in seen if e.noise is not None and math.isfinite(e.noise)]
    sized = run.sized(workload)
    return {
        "end": end,
        "hidden": run.hidden,
        "dataset": run.dataset,
        "seed": run.seed,
        "parameters": sized.graph().parameters,
        "batch": sized.batch,
        "varied": dict(run.varied),
        "noise": float(f"{statistics.median(noises):.3g}") if noises else None,
    }


def _work(
    connection: Connection,
    workload: Workload,
    source: str | None,
    run: Run,
    stop: Stop,
    device: str,
) -> None:
    """The child: train one run and send what it sees; ends quietly if the parent is gone."""
    from calibration.converge.train import train

    end_with_parent()
    seen: list[Evaluation] = []
    try:
        corpus = load(workload, source)
        for evaluation in train(run.sized(workload), corpus, run.seed, stop, device):
            seen.append(evaluation)
            connection.send(evaluation)
        connection.send(last_line(workload, run, seen, stop))
    except BrokenPipeError:
        pass
    finally:
        connection.close()
