"""A command line run in a forked child with little memory and time, and what is wrong with the end
that it took."""

from __future__ import annotations

import faulthandler
import io
import json
import math
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple

from lines import Input

from hwsim.cli.main import COMMANDS, FULL

CODES = (0, 2, 3, 4, 130)
SECONDS = 10
MEMORY = 1536 << 20  # bytes of data
LONGEST = 20_000  # characters of a message
# All that moves a cursor, colors, or turns the direction of what follows.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Outcome(NamedTuple):
    """How a child ended: its exit code (minus a signal), what it wrote, seconds and bytes."""

    code: int
    out: str
    err: str
    seconds: float
    memory: int


def run(asked: Input) -> Outcome:
    """The outcome in a child of its own."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os._exit(_in_child(asked, out.fileno(), err.fileno()))
        _, status, used = os.wait4(child, 0)
        texts = [_text(stream) for stream in (out, err)]
    seconds = time.perf_counter() - begun
    return Outcome(os.waitstatus_to_exitcode(status), *texts, seconds, used.ru_maxrss << 10)


def faults(asked: Input, found: Outcome) -> list[str]:
    """What is wrong with an outcome; nothing if bad input was met at the door."""
    wrong = []
    if found.code < 0:
        wrong.append(f"killed by {signal.Signals(-found.code).name}")
    elif found.code not in CODES:
        wrong.append(f"exit code {found.code}")
    if "Traceback" in found.err or "Warning:" in found.err:
        wrong.append("a traceback or a warning")
    if found.code in (2, 3, 4) and not (found.err + found.out).strip():
        wrong.append("no message")
    if FULL in found.err:
        wrong.append("memory without end")
    if UNSAFE.search(found.err) or UNSAFE.search(found.out):
        wrong.append("control characters")
    if len(found.err) > LONGEST:
        wrong.append("a message without end")
    if (
        found.code == 0
        and "--json" in asked.words
        and found.out.strip()
        and "--help" not in asked.words
    ):
        try:
            lines = "sweep" in asked.words and "--out" not in asked.words  # one object each
            for text in found.out.splitlines() if lines else [found.out]:
                json.loads(text, parse_constant=_no_number)
        except ValueError as error:
            wrong.append(f"no JSON: {error}")
    return wrong


def _no_number(name: str) -> None:
    raise ValueError(name)


def _text(stream: io.BufferedRandom) -> str:
    stream.seek(0)
    return stream.read(1 << 24).decode("utf-8", "replace")


def _in_child(asked: Input, out: int, err: int) -> int:
    """The exit code; the streams are those of the input."""
    read, write = os.pipe()
    if os.fork() == 0:  # the writer, since a pipe holds but 64 KiB
        os.close(read)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        with open(write, "wb") as stream:
            stream.write(asked.stdin)
        os._exit(0)
    os.close(write)
    for number, descriptor in enumerate((read, out, err)):
        os.dup2(descriptor, number)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(open(number, mode, closefd=False), encoding="utf-8", errors=errors)  # noqa: SIM115
        for number, mode, errors in (
            (0, "rb", "strict"),
            (1, "wb", "strict"),
            (2, "wb", "backslashreplace"),
        )
    )
    os.chdir(asked.folder)
    os.environ.update(asked.environment | {"COLUMNS": "100"})
    _limit()
    from hwsim.cli.main import run as hwsim

    try:
        code = hwsim(list(asked.words))
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    return code


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    most = math.ceil(SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most + 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.register(signal.SIGXCPU, file=sys.stderr.fileno(), chain=True)
    signal.setitimer(signal.ITIMER_REAL, 6 * SECONDS)  # others may use the processor


def prepare() -> None:
    """Import what commands import: children are forked of this process."""
    for name in COMMANDS:
        import_module(f"hwsim.cli.{name}")
    for name in ("validate_cli", "calibrate_cli", "cli", "validation.outcomes"):
        import_module(f"calibration.{name}")
    for name in ("scipy.optimize", "matplotlib.figure", "workloads.charlm", "workloads.resnet"):
        with suppress(ImportError):
            import_module(name)
