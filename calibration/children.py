"""Processes of a command's own: Ctrl-C is their parent's affair, and they end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def interrupts_held() -> Iterator[None]:
    """A child that starts in here never sees Ctrl-C; its parent does once the child has started.

    The mask is what the child inherits. It holds in one thread only, so the handler waits as well.
    """
    resource_tracker.ensure_running()  # its own start would let interrupts through again
    seen: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if seen:
            signal.raise_signal(signal.SIGINT)


def end_with_parent() -> None:
    """To be called in a child: a killed parent closes its pipes, but a child that is busy would
    notice minutes later."""
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
