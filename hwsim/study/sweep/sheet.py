"""The file of a sweep: rows in order as they come, and how far they go after an interruption.

Beside FILE lies FILE.sweep, which says of which sweep the rows are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from hwsim import jsonfile
from hwsim.errors import InputError, SurroundingsError
from hwsim.study.sweep.form import Style

SCHEMA = "hwsim.sweep/1"
CHUNK = 1 << 22


class Sheet:
    """Rows behind a header; `rows` is how many there are.

    A new file must not be there yet; with `resume` its whole rows are kept, `last` is the last of
    them, and a half-written one is not. Raises InputError if the file is of another sweep, or of
    none, SurroundingsError if it can't be read or written: whole rows stay in it then.
    """

    def __init__(
        self, path: Path, header: bytes, identity: Mapping[str, Any], *, resume: bool
    ) -> None:
        self.path, self.rows, self.last = path, 0, b""
        side = path.with_name(path.name + ".sweep")
        told = json.dumps({"schema": SCHEMA, **identity}, indent=1) + "\n"
        if path.exists() and not path.is_file():
            raise InputError("--out", f"found that '{path}' is no file", "name a file")
        try:
            if path.exists() and path.stat().st_size and not resume:
                instead = "add --resume to go on with it, or name another"
                raise InputError("--out", f"found that '{path}' is there already", instead)
            if resume and _begun(path, header):
                _check(path, side, identity, header)
                self.stream: BinaryIO = path.open("r+b", buffering=0)
                self._recover(header)
            else:
                with jsonfile.replaced(side) as stream:
                    stream.write(told)
                self.stream = path.open("wb", buffering=0)
                self.end = 0
                self._write(header)
        except OSError as error:
            raise self._fault(error) from None

    def write(self, text: bytes, rows: int) -> None:
        """Some more rows, all or none of them."""
        try:
            self._write(text)
        except OSError as error:
            raise self._fault(error) from None
        self.rows += rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self.stream.truncate(self.end)
            self.stream.close()
        except OSError as failed:
            if kind is None:
                raise self._fault(failed) from None

    def _write(self, text: bytes) -> None:
        view = memoryview(text)
        while view:
            view = view[self.stream.write(view) :]
        self.end += len(text)

    def _recover(self, header: bytes) -> None:
        """Count whole rows, and stand behind the last one."""
        lines = 0
        place = self.end = self.stream.seek(len(header))
        while chunk := self.stream.read(CHUNK):
            lines += chunk.count(b"\n")
            last = chunk.rfind(b"\n")
            if last >= 0:
                self.end = place + last + 1
            place += len(chunk)
        self.rows = lines
        self.stream.truncate(self.end)
        begin = max(len(header), self.end - CHUNK)
        self.stream.seek(begin)
        self.last = self.stream.read(self.end - begin).rstrip(b"\n").rpartition(b"\n")[2]

    def _fault(self, error: OSError) -> SurroundingsError:
        kept = f"{self.rows:,} rows are kept; go on with --resume" if self.rows else ""
        return SurroundingsError(str(self.path), f"can't be written ({error.strerror})", kept)


def _begun(path: Path, header: bytes) -> bool:
    """Whether there is a file with more than a piece of the header."""
    if not path.exists():
        return False
    with path.open("rb") as stream:
        there = stream.read(len(header) + 1)
    return bool(there) and not (there != header and header.startswith(there))


def _check(path: Path, side: Path, identity: Mapping[str, Any], header: bytes) -> None:
    """Raises InputError, with what differs, for a file of another sweep."""
    if not side.exists():
        what = f"found no {side.name} beside it that says of which sweep it is"
        raise InputError(str(path), what, "name another file")
    found = jsonfile.read_object(jsonfile.file_text(str(side), str(side)), str(side))
    wanted = json.loads(json.dumps(identity))
    differs = [name for name in wanted if found.get(name) != wanted[name]]
    if differs:
        what = f"found another sweep, which differs in: {', '.join(differs)}"
        raise InputError(str(path), what, "write the same options, or name another file")
    with path.open("rb") as stream:
        if stream.read(len(header)) != header:
            raise InputError(str(path), "found the rows of another sweep", "name another file")


def style_of(path: Path | None, *, as_json: bool) -> Style:
    """csv or jsonl, by what a file's name ends in. Raises InputError for another end.

    >>> style_of(Path("out.jsonl"), as_json=False)
    'jsonl'
    """
    if path is None:
        return "jsonl" if as_json else "csv"
    styles: dict[str, Style] = {".csv": "csv", ".jsonl": "jsonl"}
    style = styles.get(path.suffix.lower())
    if style is None:
        raise InputError("--out", f"found '{path}'", "end it in .csv or .jsonl")
    return style
