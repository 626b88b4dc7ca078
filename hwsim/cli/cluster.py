"""`hwsim cluster`: a Dask cluster of this machine, for `--scheduler` of other commands."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from hwsim.errors import InputError, SurroundingsError

app = typer.Typer()
MOST = 1024
LOOPBACK = "127.0.0.1"


@app.command(
    epilog="Example: hwsim cluster --workers 8, then hwsim sweep ... --scheduler "
    "tcp://127.0.0.1:8786. Others join by dask worker ADDRESS."
)
def command(
    workers: Annotated[
        int | None, typer.Option(help="Processes of one thread; as many as cores.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; whoever reaches it can run code here.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(help="Port of the scheduler; 0: any.")] = 8786,
) -> None:
    """Start a scheduler and workers on this machine, until Ctrl-C; on loopback unless told."""
    number = workers if workers is not None else os.cpu_count() or 1
    if not 0 <= number <= MOST:
        raise InputError("--workers", f"found {number}", f"write 0 to {MOST:,}")
    if not 0 <= port < 2**16:
        raise InputError("--port", f"found {port}", f"write 0 to {2**16 - 1}")
    try:
        from hwsim.cluster import listening
    except ImportError as error:
        if error.name not in ("dask", "distributed"):
            raise
        instead = 'pip install "hwsim[cluster]"'
        raise SurroundingsError("hwsim cluster", "dask is not installed", instead) from None
    with listening(host, port, number) as address:
        print(address, flush=True)
        while True:
            time.sleep(3600)
