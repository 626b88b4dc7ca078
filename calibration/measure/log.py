"""The file of measurements, one line each as soon as it is measured, that a kill leaves readable.

A file that exists is continued if its measurements were made under the same conditions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from calibration import measurement
from calibration.measure.place import conditions
from calibration.measurement import Case, Measurement, Provenance
from hwsim.errors import InputError, SurroundingsError, shown
from hwsim.report.console import say

BEGIN = b'{"shape":'  # of every line
Append = Callable[[Measurement], None]


def held(path: Path, provenance: Provenance) -> set[Case]:
    """The cases that the file holds; none where it is not there.

    Raises InputError for a file of something else, or measured under other conditions.
    """
    if not os.path.exists(path):
        return set()
    with _refusals(path), path.open("rb") as file:
        return _cases(path, _whole_lines(path, file), provenance)


@contextmanager
def writing(path: Path, provenance: Provenance) -> Iterator[Append]:
    """Appends measurements to the file, for one process at a time.

    Raises as `held` does, InputError if another process is writing it or it can't be a file, and
    SurroundingsError if the disk refuses; what was appended stands.
    """
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    with file:
        _lock(path, file)
        with _refusals(path):
            lines = _whole_lines(path, file)
            _cases(path, lines, provenance)
            if len(lines) < file.tell():
                say(f"{path}: dropped a last line that was cut short")
                file.truncate(len(lines))
        yield lambda measured: _append(path, file, measured)


def _append(path: Path, file: BinaryIO, measured: Measurement) -> None:
    line = measured.model_dump_json(exclude_none=True, exclude={"row"}) + "\n"
    data = line.encode()
    with _refusals(path):
        while data:
            data = data[file.write(data) :]


def _whole_lines(path: Path, file: BinaryIO) -> bytes:
    """All but a last line that a kill cut short. Raises InputError for one that is no such."""
    file.seek(0)
    data = file.read()
    lines = data[: data.rfind(b"\n") + 1]
    rest = data[len(lines) :]
    if rest[: len(BEGIN)] != BEGIN[: len(rest)]:
        what = "the last line is no measurement and has no end"
        raise InputError(str(path), what, "write to another file")
    return lines


def _cases(path: Path, lines: bytes, provenance: Provenance) -> set[Case]:
    text = lines.decode(errors="replace")
    if not text.strip():
        return set()
    found = measurement.parse(text, str(path))
    now = conditions(provenance)
    for one in found:
        for name, before in conditions(one.provenance).items():
            if before != now[name]:
                raise InputError(
                    f"{path}: provenance.{name}",
                    f"found measurements of {shown(before)}, but now it is {shown(now[name])}",
                    "write to another file",
                )
    return {one.case for one in found}


def _lock(path: Path, file: BinaryIO) -> None:
    """The system lets it go when its holder dies."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            str(path), "another process is writing it", "wait for it, or write elsewhere"
        ) from None


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(str(path), str(error.strerror), "write a file's path") from None
    except OSError as error:
        what = f"can't be written ({error.strerror})"
        raise SurroundingsError(str(path), what, "what was measured is kept; run again") from None
