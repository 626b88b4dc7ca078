"""The file of a campaign: JSON Lines that a kill at any moment leaves readable.

    {"schema": "hwsim.curves/1", "workload": ..., "setting": {...}, "corpus": {...}, ...}
    {"run": "h64-d25000-s0", "step": 20, "loss": 3.31, "train_loss": 3.62, "seconds": 0.2}
    ...
    {"run": "h64-d25000-s0", "end": "minimum", "hidden": 64, "dataset": 25000, "seed": 0, ...}

The setting is what the runs share; a run that differs says so in `varied`.

A run counts when its last line stands. Lines of unfinished runs, and a last line that was cut in
the middle, are dropped when the campaign goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from hwsim import jsonfile
from hwsim.errors import InputError, SurroundingsError
from hwsim.graph.workload import Count, Label
from hwsim.records import validate

SCHEMA = "hwsim.curves/1"
SHARED = ("workload", "setting", "corpus", "stop")

Line = dict[str, Any]


class Corpus(BaseModel):
    """What the runs are trained on, in `unit`: all of it, and the part for validation.

    `entropy` is the least loss that there can be, in nats per item, where that is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    name: Label
    sha256: str
    # Files of character models alone were written with this name.
    items: Count = Field(validation_alias=AliasChoices("items", "characters"))
    validation: Count
    vocabulary: Count
    unit: Label = "characters"
    entropy: float | None = None


class StopRule(BaseModel):
    """When a run ends: `patience` x the step of its minimum, between two numbers of steps, once its
    loss has risen by the share `rise` above the minimum."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    patience: Annotated[float, Field(gt=1, allow_inf_nan=False, strict=True)]
    least: Count
    most: Count
    rise: Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)] = 0.0


class Header(BaseModel):
    """The first line of a file: what its runs share, and where they were run."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_: Literal["hwsim.curves/1"] = Field("hwsim.curves/1", alias="schema")
    workload: Label
    setting: dict[str, Any]
    corpus: Corpus
    stop: StopRule
    date: str
    machine: str
    versions: dict[str, str]
    command: str

    def line(self) -> Line:
        """As it stands in the file."""
        return self.model_dump(mode="json", by_alias=True)


class End(BaseModel):
    """A run's last line: how it ended, and its sizes."""

    model_config = ConfigDict(frozen=True)
    end: Literal["minimum", "censored", "diverged"]
    hidden: Count
    dataset: Count
    seed: Annotated[int, Field(ge=0, strict=True)]
    parameters: Count
    batch: Count | None = None  # as the setting has it
    varied: dict[str, Any] = Field(default_factory=dict)
    noise: float | None = None  # of the validation loss from one evaluation to the next, a share


@dataclass(frozen=True)
class Curve:
    """A finished run: its last line, and its evaluations in order."""

    run: str
    end: End
    steps: list[int]
    losses: list[float]


@dataclass(frozen=True)
class Curves:
    """What a campaign's file holds: its header, its finished runs and their lines as they stand."""

    header: Header
    finished: dict[str, Curve]
    lines: dict[str, list[str]]


def read(path: Path) -> Curves:
    """The finished runs of a file.

    Raises InputError if the file is no campaign, or a line other than the last is broken.
    """
    text = jsonfile.file_text(str(path), str(path), jsonfile.LARGEST_TABLE)
    lines = list(_lines(path, text.splitlines()))
    if not lines or lines[0][1].get("schema") != SCHEMA:
        raise InputError(
            str(path),
            f"the first line is not a campaign's header ('schema' is not '{SCHEMA}')",
            "give a file written by `hwsim converge run`",
        )
    header = validate(Header, lines[0][1], f"{path}: line 1")
    finished: dict[str, Curve] = {}
    kept: dict[str, list[str]] = {}
    opened: dict[str, list[tuple[int, float]]] = {}
    for text, line in lines[1:]:
        run = str(line.get("run"))
        where = f"{path}: run {run}"
        if "end" in line:
            finished[run] = _finished(where, run, opened.pop(run, []), line)
        else:
            step, loss = _evaluation(where, line)
            curve = opened.setdefault(run, [])
            if curve and step <= curve[-1][0]:  # it begins anew: its first process had died
                curve.clear()
                kept[run] = []
            curve.append((step, loss))
        kept.setdefault(run, []).append(text)
    return Curves(header, finished, {run: kept[run] for run in finished})


def _evaluation(where: str, line: Line) -> tuple[int, float]:
    try:
        step, loss = int(line["step"]), float(line["loss"])
    except (KeyError, TypeError, ValueError, OverflowError):
        step, loss = 0, 0.0
    if step < 1:
        raise InputError(
            where, "an evaluation has no proper 'step' and 'loss'", "remove the run's lines"
        )
    return step, loss


def _finished(where: str, run: str, curve: list[tuple[int, float]], line: Line) -> Curve:
    if not curve:
        raise InputError(where, "it ends without an evaluation", "remove the run's lines")
    end = validate(End, line, where)
    return Curve(run, end, [step for step, _ in curve], [loss for _, loss in curve])


def _lines(path: Path, texts: list[str]) -> Iterator[tuple[str, Line]]:
    """Every line as text and parsed, but for a last one that a kill cut short."""
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            if not isinstance(line, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError) as error:
            if number == len(texts) and number > 1:
                return
            raise InputError(
                f"{path}: line {number}", f"not a JSON object ({error})", "remove the line"
            ) from None
        yield text, line


@contextmanager
def writing(path: Path, header: Header) -> Iterator[tuple[TextIO, set[str]]]:
    """The file open at its end, for one campaign at a time, and the runs that it has finished.

    Raises InputError if it is a directory, if another campaign writes it or if it was measured in
    another setting, and SurroundingsError if the disk refuses or the system has no file locks.
    """
    if os.path.isdir(path):
        raise InputError(str(path), "is a directory", "write a file's path")
    with _disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        with _disk(path):
            done = _resume(path, header)
            file = path.open("a", encoding="utf-8")
        try:
            if file.tell() == 0:
                append(file, header.line())
            yield file, done
        finally:
            with _disk(path):
                file.close()


def append(file: TextIO, line: Line) -> None:
    """One line, handed to the system before this returns: a kill doesn't lose it.

    Raises SurroundingsError if the disk refuses.
    """
    with _disk(file.name):
        file.write(json.dumps(line) + "\n")
        file.flush()


@contextmanager
def _disk(path: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SurroundingsError(
            str(path), f"can't be written ({error.strerror})", "finished runs are kept; run again"
        ) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """A lock that the system lets go when its holder dies, so a kill leaves none behind."""
    try:
        import fcntl
    except ImportError:
        raise SurroundingsError(
            str(path), "can't be locked: this system has no fcntl", "run it on Linux or macOS"
        ) from None
    lock = path.with_name(path.name + ".lock")
    with _disk(lock):
        file = lock.open("w")
    with file:
        with _disk(lock):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Its last holder may have removed it since: then it keeps nobody out.
                held = os.path.samestat(os.fstat(file.fileno()), lock.stat())
            except (BlockingIOError, FileNotFoundError):
                held = False
        if not held:
            raise InputError(
                str(path), "another campaign is writing it", "wait for it, or write elsewhere"
            )
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _resume(path: Path, header: Header) -> set[str]:
    """The runs that the file has finished; all else but its header is dropped from it."""
    if not os.path.exists(path) or path.stat().st_size == 0:
        return set()
    found = read(path)
    _same_campaign(path, found.header, header)
    lines = [json.dumps(found.header.line()), *(x for run in found.lines.values() for x in run)]
    part = path.with_name(path.name + ".part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(part, path)
    return set(found.finished)


def _same_campaign(path: Path, old: Header, new: Header) -> None:
    before, now = old.line(), new.line()
    for key in SHARED:
        if before[key] != now[key]:
            raise InputError(
                f"{path}: {key}",
                f"the file holds runs of {before[key]}, not of {now[key]}",
                "write to another file with --out",
            )
