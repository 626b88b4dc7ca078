"""A JSON object out of a file or a stream, every fault of it met with one clear InputError."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn, TextIO

from hwsim.errors import InputError, SurroundingsError

MOST_BYTES = 1 << 20
STDIN = "standard input"


def read(path: Path) -> str:
    """The text of a file of at most 1 MiB.

    Raises InputError if it is missing, a directory, not readable, too large or not UTF-8.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise InputError(where, "there is no such file", "write the path of a JSON file") from None
    except IsADirectoryError:
        raise InputError(where, "this is a directory", "write the path of a JSON file") from None
    except PermissionError:
        raise InputError(where, "may not be read", "change its permissions") from None
    except OSError as error:
        raise SurroundingsError(where, f"can't be read ({error.strerror})") from None
    if len(content) > MOST_BYTES:
        raise InputError(where, "is larger than 1 MiB", "write one workload per file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(where, "is not UTF-8 text", "save it as a JSON text file") from None


def read_stream(stream: TextIO) -> str:
    """The text of an open stream, at most 1 Mi characters of it.

    Raises InputError if there is more or it is not UTF-8.
    """
    try:
        text = stream.read(MOST_BYTES + 1)
    except UnicodeDecodeError:
        raise InputError(STDIN, "is not UTF-8 text", "send JSON text") from None
    if len(text) > MOST_BYTES:
        raise InputError(STDIN, "is longer than 1 MiB", "send one workload")
    return text


def parse(text: str, where: str) -> dict[str, Any]:
    """The object that `text` holds.

    Raises InputError if it is empty, cut short (with line and column), nested too deep, not an
    object, has a key twice, or holds NaN or Infinity.
    """
    if not text.strip():
        raise InputError(where, "is empty", "write a JSON object: {...}")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            names = [name for name, _ in items]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{where}: {twice}", "found this field twice", "write it once")
        return found

    def constant(literal: str) -> NoReturn:
        raise InputError(where, f"found {literal}, which is not JSON", "write a finite number")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        place = f"{where}: line {error.lineno}, column {error.colno}"
        raise InputError(place, f"is not JSON ({error.msg})", "correct the file there") from None
    except RecursionError:
        raise InputError(where, "is nested too deep", "write a flat JSON object") from None
    except ValueError:  # an integer of more digits than Python converts
        raise InputError(where, "holds a number that is too long", "write fewer digits") from None
    if not isinstance(value, dict):
        raise InputError(where, "is not a JSON object", "write fields in braces: {...}")
    return value
