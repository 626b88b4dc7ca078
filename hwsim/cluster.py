"""A Dask cluster to compute on: one of this machine, or the scheduler at an address, looked at
before it is trusted.

To be imported where a cluster is asked for, and nowhere before: dask comes with an extra.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask

from hwsim.errors import SurroundingsError

# What the client would log is told by errors here.
with dask.config.set(logging={"distributed": "critical", "distributed.client": "critical"}):
    import distributed
    from distributed.versions import VersionMismatchWarning, get_versions

__all__ = ["CONNECT", "connected", "distributed", "listening", "mismatch"]

CONNECT = 5.0  # seconds, until there is an answer
# Ctrl-C reaches workers too, whom the scheduler sends away.
DEAF = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


def connected(scheduler: str) -> distributed.Client:
    """A client of the scheduler at an address.

    Raises SurroundingsError if none answers there, or if it or a worker has another release of
    Python or of Dask.
    """
    try:
        # A client would wait without end for a server that isn't Dask's to speak.
        found = asyncio.run(asyncio.wait_for(_versions(scheduler), CONNECT))
    except Exception as error:  # such a server may answer anything
        raise SurroundingsError(
            scheduler,
            f"no Dask scheduler answers ({type(error).__name__})",
            "start one with `hwsim cluster`, or write its address",
        ) from None
    _check_release(scheduler, "the scheduler", found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)  # what matters is looked at
        client = distributed.Client(scheduler, timeout=CONNECT, set_as_default=False)
    for worker, found in client.get_versions()["workers"].items():
        _check_release(worker, "the worker", found)
    return client


def mismatch(where: str, who: str, package: str, found: str, wanted: str) -> SurroundingsError:
    """The error of two releases of a package."""
    return SurroundingsError(
        where, f"{who} has {package} {found}, this machine {wanted}", "install the same on both"
    )


async def _versions(scheduler: str) -> Any:
    async with distributed.rpc(scheduler) as remote:
        return await remote.versions(packages=[])


def _check_release(where: str, who: str, found: Any) -> None:
    """They must be the same for functions and messages to be read."""
    wanted = get_versions()["packages"]
    for package in ("python", "distributed"):
        if found["packages"][package] != wanted[package]:
            raise mismatch(where, who, package, found["packages"][package], wanted[package])


@contextmanager
def listening(host: str, port: int, workers: int) -> Iterator[str]:
    """The address of a scheduler with so many workers, processes of one thread. Every port of
    theirs is on `host` alone. Raises SurroundingsError if none can be opened there."""
    pages = f"{host}:0"  # where no address is told, Dask's are on all interfaces
    try:
        made = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host=host,
            scheduler_port=port,
            dashboard_address=pages,
            worker_dashboard_address=pages,
            silence_logs="CRITICAL",
            preload=DEAF,
        )
    except (OSError, RuntimeError) as error:
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        what = f"no scheduler can listen there ({reason})"
        raise SurroundingsError(f"{host}:{port}", what, "write another --host or --port") from None
    with made:
        yield made.scheduler_address
