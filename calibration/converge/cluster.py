"""The runs of a campaign on a Dask cluster: each is a task of one worker.

A task sends its evaluations when it has ended, so that a lost worker costs its current run alone,
which Dask starts again elsewhere. What is sent can be read without this package: a worker would
die of a message that it can't read, where a task only fails.
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import dask

from hwsim import cluster
from hwsim.cluster import distributed  # quiet
from hwsim.errors import SurroundingsError

if TYPE_CHECKING:
    from calibration.converge.campaign import Died, Message, Run
    from calibration.converge.corpora.corpus import AnyCorpus
    from calibration.converge.train import Stop
    from hwsim.graph.workload import Workload

LOOK = 5.0  # seconds, between two looks at whether there are workers
WITHOUT_WORKERS = 60.0  # seconds: a worker that died is back sooner
# The corpus may be larger than what Dask warns of.
SETTINGS = {"distributed.admin.large-graph-warning-threshold": "1 TB"}
KEPT = "finished runs are kept; run the same command again"

Given = tuple["Workload", "Stop", str]


class Cluster:
    """An executor of campaigns; raises SurroundingsError if the cluster isn't there or goes away.

    `given` is what the runs share. The corpus is a task's result: Dask makes it again if it is lost
    with its worker, unlike scattered data.
    """

    def __init__(
        self,
        scheduler: str,
        corpus: AnyCorpus,
        given: Given,
        jobs: int | None,
    ) -> None:
        from calibration.converge.campaign import versions

        self.scheduler, self.given, self.jobs = scheduler, given, jobs
        self.versions = versions()
        self.tasks: dict[distributed.Future, Run] = {}
        self.ended: SimpleQueue[distributed.Future] = SimpleQueue()
        with self._failures(), dask.config.set(SETTINGS):
            self.client = cluster.connected(scheduler)
            self.corpus = self.client.submit(
                bytes, pickle.dumps(corpus), key=f"hwsim-corpus-{uuid.uuid4().hex}"
            )

    @property
    def slots(self) -> int:
        with self._failures():
            return self.jobs or sum(self.client.nthreads().values())

    def start(self, run: Run) -> None:
        key = f"hwsim-{run.name}-{uuid.uuid4().hex}"
        given = pickle.dumps((run, *self.given))

        def here(*given: Any) -> bytes:  # local functions are sent by value
            from calibration.converge.cluster import train_task

            return train_task(*given)

        with self._failures():
            task = self.client.submit(
                here, key, self.versions, given, self.corpus, key=key, pure=False
            )
            self.tasks[task] = run
            task.add_done_callback(self.ended.put)

    def messages(self) -> list[tuple[Run, Message]]:
        with self._failures():
            task = self._next()
            run = self.tasks.pop(task)
            if task.status == "error":
                return [(run, _death(run, task.exception()))]
            return [(run, message) for message in pickle.loads(task.result())]

    def kill(self) -> None:
        """Releases the tasks: one that is being trained sees it at its next evaluation."""
        with suppress(OSError, TimeoutError):
            self.client.close(cluster.CONNECT)

    def _next(self) -> distributed.Future:
        idle = 0.0
        while idle < WITHOUT_WORKERS:
            try:
                return self.ended.get(timeout=LOOK)
            except Empty:
                idle = 0.0 if self.client.nthreads() else idle + LOOK
        raise SurroundingsError(
            self.scheduler,
            f"has had no worker for {WITHOUT_WORKERS:.0f} s",
            f"start one: dask worker {self.scheduler} --nthreads 1",
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise SurroundingsError(
                self.scheduler,
                f"a worker can't import {error.name or error}",
                'pip install "hwsim[measure,cluster]" there',
            ) from None
        except (OSError, CancelledError) as error:
            raise SurroundingsError(
                self.scheduler, f"the cluster is lost ({type(error).__name__})", KEPT
            ) from None


def _death(run: Run, error: BaseException) -> Died:
    """What a task failed of, if it is worth another attempt; raises what isn't."""
    from calibration.converge.campaign import Died

    if isinstance(error, distributed.KilledWorker):  # Dask has tried again already
        deaths = error.allowed_failures + 1
        raise SurroundingsError(run.name, f"the run died {deaths} times with its worker", KEPT)
    if isinstance(error, (SurroundingsError, ImportError)):
        raise error
    said = str(error).partition("\n")[0]
    return Died(f"{type(error).__name__}: {said}")


def train_task(key: str, versions: dict[str, str], given: bytes, corpus: bytes) -> bytes:
    """In a worker: train one run; what it sees, or nothing once nobody waits for it.

    Raises SurroundingsError if the worker is none for this campaign.
    """
    worker = distributed.get_worker()
    _check(worker, versions)
    from calibration.converge.campaign import trained

    run, workload, stop, device = pickle.loads(given)
    seen: list[Message] = []
    for message in trained(workload, pickle.loads(corpus), run, stop, device):
        seen.append(message)
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            return b""
    return pickle.dumps(seen)


def _check(worker: distributed.Worker, versions: dict[str, str]) -> None:
    """Training seeds its whole process, which is why a worker may have but one thread."""
    from calibration.converge.campaign import versions as versions_here

    threads = worker.state.nthreads
    if threads != 1:
        raise SurroundingsError(
            worker.address,
            f"the worker has {threads} threads, but a run needs a process of its own",
            "start it with --nthreads 1, and as many --nworkers as it has cores",
        )
    for package, found in versions_here().items():
        if found.partition("+")[0] != versions[package].partition("+")[0]:  # +cpu, +cu130
            raise cluster.mismatch(worker.address, "the worker", package, found, versions[package])
