"""The blocks of a sweep on a Dask cluster: each is a task of whichever worker is free.

Results come back as the text of rows, which are written in their order: the file is the same as
that of one machine. A block that is lost with its worker is answered again elsewhere.
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import dask

from hwsim import cluster
from hwsim.cluster import distributed  # quiet
from hwsim.errors import SurroundingsError
from hwsim.study.sweep.executor import AHEAD, Block, in_order, packed_run
from hwsim.study.sweep.task import Done, Task

LOOK = 5.0  # seconds, between two looks at whether there are workers
WITHOUT_WORKERS = 60.0  # seconds: a worker that died is back sooner
PACKAGES = ("hwsim", "numpy")  # of which workers must have the same release
SETTINGS = {"distributed.admin.large-graph-warning-threshold": "1 TB"}
KEPT = "rows that were written are kept; go on with --resume"


class Cluster:
    """The workers of a scheduler; raises SurroundingsError if they aren't there or go away."""

    def __init__(self, scheduler: str) -> None:
        self.scheduler = scheduler
        self.client = cluster.connected(scheduler)

    def map(self, task: Task, blocks: Iterable[Block]) -> Iterator[Done]:
        wanted = {package: version(package) for package in PACKAGES}

        def here(packed: bytes, first: int, end: int) -> Any:  # local functions are sent by value
            from hwsim.study.sweep.cluster import run_there

            return run_there(packed, first, end, wanted)

        try:
            with dask.config.set(SETTINGS):
                name = f"hwsim-sweep-{uuid.uuid4().hex}"
                # A task's result: Dask makes it again if it is lost with its worker.
                packed = self.client.submit(bytes, pickle.dumps(task), key=name)

                def start(block: Block) -> distributed.Future:
                    return self.client.submit(here, packed, *block, key=f"{name}-{block[0]}")

                slots = max(sum(self.client.nthreads().values()), 1)
                yield from in_order(blocks, start, self._result, AHEAD * slots)
        except distributed.KilledWorker:
            raise SurroundingsError(self.scheduler, "workers die of a block", KEPT) from None
        except ImportError as error:
            what = f"a worker can't import {error.name or error}"
            raise SurroundingsError(self.scheduler, what, "pip install hwsim there") from None
        except (OSError, CancelledError) as error:
            what = f"the cluster is lost ({type(error).__name__})"
            raise SurroundingsError(self.scheduler, what, KEPT) from None
        finally:
            with suppress(OSError, TimeoutError):
                self.client.close(cluster.CONNECT)

    def _result(self, future: distributed.Future) -> Done:
        idle = 0.0
        while idle < WITHOUT_WORKERS:
            try:
                found = future.result(timeout=LOOK)
            except TimeoutError:
                idle = 0.0 if self.client.nthreads() else idle + LOOK
            else:
                return Done(*found)
        raise SurroundingsError(
            self.scheduler,
            f"has had no worker for {WITHOUT_WORKERS:.0f} s",
            f"start one: dask worker {self.scheduler}",
        )


def run_there(packed: bytes, first: int, end: int, wanted: dict[str, str]) -> tuple[Any, ...]:
    """In a worker: a block of a task. Raises SurroundingsError for another release of a package."""
    for package, release in wanted.items():
        if version(package) != release:
            where = distributed.get_worker().address
            raise cluster.mismatch(where, "the worker", package, version(package), release)
    return tuple(packed_run(packed, first, end))
