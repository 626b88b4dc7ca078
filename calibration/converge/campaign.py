"""A grid of training runs in parallel processes, written as it goes, resumable after any kill.

The parent alone writes; each run is a process of its own that sends its evaluations through a
pipe, so that nothing that happens to one run can harm another. `cluster` has the same for Dask.
"""

from __future__ import annotations

import datetime
import math
import multiprocessing
import os
import platform
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import product
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol, TextIO

from calibration.children import end_with_parent, interrupts_held
from calibration.converge import curves
from calibration.converge.corpora.corpus import AnyCorpus
from calibration.converge.corpora.load import fitted, load
from calibration.converge.train import Evaluation, Stop, past_minimum, train
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


@dataclass(frozen=True)
class Died:
    """Instead of a run's last line: its process failed."""

    reason: str


Message = Evaluation | curves.Line | Died


class Executor(Protocol):
    """Where runs are trained: `slots` at a time, as `start` is told.

    `messages` waits for the next ones: a run's evaluations, then its last line or its death.
    Raises SurroundingsError where all is lost; `kill` ends what still trains.
    """

    @property
    def slots(self) -> int: ...

    def start(self, run: Run) -> None: ...

    def messages(self) -> Iterable[tuple[Run, Message]]: ...

    def kill(self) -> None: ...


@dataclass
class Worker:
    run: Run
    process: BaseProcess


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
    jobs: int | None = None,
    device: str = "cpu",
    scheduler: str | None = None,
    on_event: Callable[[Run, Evaluation | None], None] = lambda *_: None,
) -> None:
    """Train every run that `path` doesn't hold yet; `on_event(run, None)` when one is finished.

    `source` is what `--corpus` says; the vocabulary of characters follows it. At most `jobs` runs
    at a time: by default as many as there are cores, or threads of the Dask cluster whose
    `scheduler` is given. Raises InputError for a file of another campaign and SurroundingsError if
    the disk is full, the cluster fails or a run dies twice; finished runs stand in any case. To be
    called in the main thread, which is the one that Ctrl-C reaches.
    """
    corpus = load(workload, source)
    workload = fitted(workload, corpus)
    check(runs, workload, corpus)
    machine = platform.machine() if scheduler is None else "Dask cluster"
    with curves.writing(path, header(workload, corpus, stop, machine)) as (file, done):
        for run in runs:
            if run.name in done:
                on_event(run, None)
        executor: Executor
        if scheduler is None:
            executor = Processes((workload, source, stop, device), jobs)
        else:
            from calibration.converge.cluster import Cluster

            executor = Cluster(scheduler, corpus, (workload, stop, device), jobs)
        try:
            _train([run for run in runs if run.name not in done], executor, file, on_event)
        finally:
            executor.kill()


def _train(
    runs: list[Run],
    executor: Executor,
    file: TextIO,
    on_event: Callable[[Run, Evaluation | None], None],
) -> None:
    """All of `runs`; each message is in the file before the next is asked for."""
    waiting, active, deaths = list(runs), 0, Counter[Run]()
    while waiting or active:
        for _ in range(min(len(waiting), max(executor.slots, 1) - active)):
            executor.start(waiting.pop(0))
            active += 1
        for run, message in executor.messages():
            if isinstance(message, Evaluation):
                curves.append(file, {"run": run.name, **evaluation_line(message)})
                on_event(run, message)
                continue
            active -= 1
            if isinstance(message, Died):
                deaths[run] += 1
                if deaths[run] == ATTEMPTS:
                    raise SurroundingsError(
                        run.name,
                        f"the run died {ATTEMPTS} times ({message.reason})",
                        "finished runs are kept; run the same command again",
                    )
                waiting.insert(0, run)
            else:
                curves.append(file, {"run": run.name, **message})
                on_event(run, None)


def header(workload: Workload, corpus: AnyCorpus, stop: Stop, machine: str) -> curves.Header:
    """The first line of the file: what the runs share, and where they were run."""
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
        machine=f"{machine}, one thread per run",
        versions=versions(),
        # File names will do: where they lay concerns this machine alone.
        command=" ".join(["hwsim", *(os.path.basename(word) or word for word in sys.argv[1:])]),
    )


def versions() -> dict[str, str]:
    """What decides how a run goes, by package."""
    import numpy
    import torch

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # of a class of torch's, which others can't read
        "numpy": numpy.__version__,
        "hwsim": version("hwsim"),
    }


class Processes:
    """Runs on this machine, each a process of its own."""

    def __init__(self, given: tuple[Workload, str | None, Stop, str], jobs: int | None) -> None:
        self.given = given
        self.slots = jobs or os.cpu_count() or 1
        self.workers: dict[Connection, Worker] = {}

    def start(self, run: Run) -> None:
        # A fresh interpreter, not a fork: torch's thread pools don't survive a fork. It reads the
        # corpus itself: a child that dies before it has taken a large argument would block its
        # parent.
        context = multiprocessing.get_context("spawn")
        try:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(sender, run, *self.given), daemon=True, name=run.name
            )
            with interrupts_held():
                process.start()
        except OSError as error:
            raise SurroundingsError(
                run.name,
                f"its process can't be started ({error.strerror})",
                "finished runs are kept; run again with fewer --jobs",
            ) from error
        sender.close()
        self.workers[receiver] = Worker(run, process)

    def messages(self) -> Iterator[tuple[Run, Message]]:
        for ready in wait(list(self.workers)):
            if isinstance(ready, Connection):
                yield self.workers[ready].run, self._receive(ready)

    def _receive(self, connection: Connection) -> Message:
        worker = self.workers[connection]
        message: Message
        try:
            message = connection.recv()
        except (EOFError, OSError):  # it died between two messages, or within one
            worker.process.join()
            message = Died(f"exit code {worker.process.exitcode}")
        if not isinstance(message, Evaluation):
            del self.workers[connection]
            worker.process.join()
        return message

    def kill(self) -> None:
        for worker in self.workers.values():
            worker.process.kill()


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
        # As `crossing` judges it: a run kept longer for a rise has its minimum all the same.
        passed = past_minimum(steps, losses, Stop(patience=stop.patience, least=1))
        end = "minimum" if passed else "censored"
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


def trained(
    workload: Workload, corpus: AnyCorpus, run: Run, stop: Stop, device: str
) -> Iterator[Evaluation | curves.Line]:
    """The evaluations of a run as it is trained, then its last line."""
    seen: list[Evaluation] = []
    for evaluation in train(run.sized(workload), corpus, run.seed, stop, device):
        seen.append(evaluation)
        yield evaluation
    yield last_line(workload, run, seen, stop)


def _work(
    connection: Connection,
    run: Run,
    workload: Workload,
    source: str | None,
    stop: Stop,
    device: str,
) -> None:
    """The child: train one run and send what it sees; ends quietly if the parent is gone."""
    end_with_parent()
    try:
        for message in trained(workload, load(workload, source), run, stop, device):
            connection.send(message)
    except BrokenPipeError:
        pass
    finally:
        connection.close()
