"""A JSON object out of a file or a stream: every fault met with one clear InputError; and files
that are written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, TextIO

from hwsim.errors import InputError, SurroundingsError, at, several, shown

LARGEST = 1 << 20  # bytes of one file of specs
LARGEST_TABLE = 1 << 26  # bytes of one file of timings or curves
LARGEST_DATA = 1 << 30  # bytes of a text to train on
STDIN = "standard input"
TOO_DEEP = "found objects nested too deep"


def file_text(path: str, where: str, largest: int = LARGEST) -> str:
    """The text of a UTF-8 file of at most `largest` bytes. Raises InputError."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(largest + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(where, f"found no file {path}", "write a path that exists") from None
    except IsADirectoryError:
        raise InputError(where, "found a directory", "write the path of a file in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        what = f"found a file that can't be read ({reason})"
        raise InputError(where, what, "make it readable or write another path") from None
    return _decoded(data, where, largest)


def stream_text(stream: TextIO | None, largest: int = LARGEST) -> str:
    """The text of standard input, at most `largest` bytes of it. Raises InputError."""
    if stream is None:
        raise InputError("-", "found no standard input", "write a file or a shipped name")
    raw = getattr(stream, "buffer", None)
    if raw is not None:
        return _decoded(raw.read(largest + 1), STDIN, largest)
    return _decoded(stream.read(largest + 1).encode(errors="surrogatepass"), STDIN, largest)


def _decoded(data: bytes, where: str, largest: int) -> str:
    if len(data) > largest:
        raise InputError(where, f"found more than {largest >> 20} MiB", "write a smaller file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"found bytes that are not UTF-8 text (at byte {error.start})"
        raise InputError(where, what, "save it as text in UTF-8") from None


@contextmanager
def replaced(path: Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """A stream that becomes the file `path` at the end; after a fault all is as it was before.

    What is no file (a pipe, a device) is written as it comes. Raises SurroundingsError if the
    disk refuses.
    """
    place = Path(os.path.realpath(path))  # a link stays one
    special = os.path.exists(place) and not os.path.isfile(place)
    part = place if special else place.with_name(place.name + ".part")
    try:
        with open(part, mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
        if not special:
            os.replace(part, place)
    except OSError as error:
        raise SurroundingsError(str(path), f"can't be written ({error.strerror})") from None
    finally:
        if not special:
            with suppress(OSError):
                part.unlink(missing_ok=True)


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys stood there twice."""

    twice: tuple[str, ...] = ()


def read_object(text: str, where: str) -> dict[str, Any]:
    """The JSON object in `text`, without "$schema".

    Raises InputError for text that is empty or not JSON, for another value than an object, and
    for duplicate keys or numbers that are not finite (all of them in `problems`).
    """
    if not text.strip():
        raise InputError(where, "found an empty file", "write a JSON object, {...}")
    try:
        found = json.loads(text, object_pairs_hook=_pairs)
        doubtful = list(_faults_of_json(found, where, ""))
    except json.JSONDecodeError as error:
        place = f"{where}: line {error.lineno}, column {error.colno}"
        raise InputError(place, _json_fault(error, text), "write valid JSON") from None
    except ValueError:
        raise InputError(
            where, "found a number with thousands of digits", "write a shorter one"
        ) from None
    except RecursionError:
        raise InputError(where, TOO_DEEP, "write a flat file") from None
    if not isinstance(found, dict):
        raise InputError(where, f"found {shown(found)}", "write one JSON object, {...}")
    if doubtful:
        raise several(doubtful)
    return {key: value for key, value in found.items() if key != "$schema"}


def _faults_of_json(value: Any, where: str, path: str) -> Iterator[InputError]:
    """Duplicate keys and numbers that JSON does not have, everywhere below `value`."""
    if isinstance(value, _Object):
        for key in value.twice:
            place = at(where, f"{path}.{key}".lstrip("."))
            yield InputError(place, "found the key twice in one object", "write it once")
        for key, inner in value.items():
            yield from _faults_of_json(inner, where, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _faults_of_json(inner, where, f"{path}.{number}".lstrip("."))
    elif isinstance(value, float) and not math.isfinite(value):
        yield InputError(at(where, path), f"found {shown(value)}", "write a finite number")


def _pairs(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        found.twice = tuple(key for key in found if keys.count(key) > 1)
    return found


def _json_fault(error: json.JSONDecodeError, text: str) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return "found the end of a file that is cut off"
    return f"found text that is not JSON ({error.msg})"
