"""The file of a campaign: JSON Lines that a kill at any moment leaves readable.

    {"schema": "hwsim.curves/1", "workload": ..., "setting": {...}, "corpus": {...}, ...}
    {"run": "h64-d25000-s0", "step": 20, "loss": 3.31, "train_loss": 3.62, "seconds": 0.2}
    ...
    {"run": "h64-d25000-s0", "end": "minimum", "hidden": 64, "dataset": 25000, "seed": 0, ...}

A run counts when its last line stands. Lines of unfinished runs, and a last line that was cut in
the middle, are dropped when the campaign goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from hwsim.errors import InputError, SurroundingsError

SCHEMA = "hwsim.curves/1"
SHARED = ("workload", "setting", "corpus", "stop")
ABOUT = (*SHARED, "date", "machine", "versions", "command")
SIZES = ("hidden", "dataset", "seed", "parameters")

Record = dict[str, Any]


@dataclass
class Curve:
    """A finished run: its sizes and its evaluations in order."""

    run: str
    end: Record
    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


@dataclass
class Curves:
    """What a campaign's file holds: its header and its finished runs."""

    header: Record
    finished: dict[str, Curve]
    lines: dict[str, list[str]]


def read(path: Path) -> Curves:
    """The finished runs of a file.

    Raises InputError if the file is no campaign, or a line other than the last is broken.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"can't be read ({error})", "give a file of curves") from None
    records = list(_records(path, lines))
    if not records or records[0][1].get("schema") != SCHEMA:
        raise InputError(
            str(path),
            f"the first line is not a campaign's header ('schema' is not '{SCHEMA}')",
            "give a file written by `hwsim converge run`",
        )
    header = records[0][1]
    missing = [key for key in ABOUT if key not in header]
    if missing:
        raise InputError(f"{path}: line 1", f"the header has no '{missing[0]}'", "restore the line")
    finished: dict[str, Curve] = {}
    kept: dict[str, list[str]] = {}
    open_runs: dict[str, Curve] = {}
    for line, record in records[1:]:
        run = str(record.get("run"))
        if "end" in record:
            finished[run] = _close(path, open_runs.pop(run, Curve(run, {})), record)
        else:
            curve = open_runs.setdefault(run, Curve(run, {}))
            if _add(path, curve, record):
                kept[run] = []
        kept.setdefault(run, []).append(line)
    return Curves(header, finished, {run: kept[run] for run in finished})


def _add(path: Path, curve: Curve, record: Record) -> bool:
    """Append an evaluation; True if it begins the run anew (its first process had died)."""
    try:
        step, loss = int(record["step"]), float(record["loss"])
    except (KeyError, TypeError, ValueError):
        step, loss = 0, 0.0
    if step < 1:
        raise InputError(
            f"{path}: run {curve.run}",
            "an evaluation has no proper 'step' and 'loss'",
            "remove the run's lines",
        )
    anew = bool(curve.steps) and step <= curve.steps[-1]
    if anew:
        curve.steps, curve.losses = [], []
    curve.steps.append(step)
    curve.losses.append(loss)
    return anew


def _close(path: Path, curve: Curve, record: Record) -> Curve:
    if not curve.steps or not all(isinstance(record.get(key), int) for key in SIZES):
        raise InputError(
            f"{path}: run {curve.run}",
            f"it ends without an evaluation or without its sizes ({', '.join(SIZES)})",
            "remove the run's lines",
        )
    curve.end = record
    return curve


def _records(path: Path, lines: list[str]) -> Iterator[tuple[str, Record]]:
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("not an object")
        except ValueError as error:
            if number == len(lines) and number > 1:
                return  # the last line was cut short by a kill
            raise InputError(
                f"{path}: line {number}", f"not a JSON object ({error})", "remove the line"
            ) from None
        yield line, record


@contextmanager
def writing(path: Path, header: Record) -> Iterator[tuple[TextIO, set[str]]]:
    """The file open at its end, for one campaign at a time, and the runs that it has finished.

    Raises InputError if it is a directory, if another campaign writes it or if it was measured in
    another setting, and SurroundingsError if the disk refuses.
    """
    if path.is_dir():
        raise InputError(str(path), "is a directory", "write a file's path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            done: set[str] = set()
            if path.exists() and path.stat().st_size > 0:
                found = read(path)
                _same_campaign(path, found.header, header)
                done = set(found.finished)
                _rewrite(path, found)
            with path.open("a", encoding="utf-8") as file:
                if file.tell() == 0:
                    append(file, header)
                yield file, done
    except OSError as error:
        raise SurroundingsError(
            str(path), f"can't be written ({error.strerror})", "finished runs are kept; run again"
        ) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """A lock that the system lets go when its holder dies, so a kill leaves none behind."""
    lock = path.with_name(path.name + ".lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                str(path), "another campaign is writing it", "wait for it, or write elsewhere"
            ) from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def append(file: TextIO, record: Record) -> None:
    """One line, handed to the system before this returns: a kill doesn't lose it."""
    file.write(json.dumps(record) + "\n")
    file.flush()


def _rewrite(path: Path, found: Curves) -> None:
    """Only what counts: the header and the finished runs; atomically."""
    text = "\n".join([json.dumps(found.header), *(x for run in found.lines.values() for x in run)])
    part = path.with_name(path.name + ".part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, path)


def _same_campaign(path: Path, old: Record, new: Record) -> None:
    for key in SHARED:
        if old.get(key) != new.get(key):
            raise InputError(
                f"{path}: {key}",
                f"the file holds runs of {old.get(key)}, not of {new.get(key)}",
                "write to another file with --out",
            )
