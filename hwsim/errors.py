"""Everything that hwsim raises on purpose, and the exit code that the command line turns it into.

    HwsimError                 1   (never raised itself)
    |-- InputError             2   a file, a field, an option: where, what was found, what to write
    |   `-- UnitError          2   a quantity without its unit, or with another one's
    |-- DoesNotFit             3   the plan needs more memory than a device has: bytes by part
    `-- SurroundingsError      4   the disk is full, a worker died, an extra is not installed

An error speaks in three parts, because a reader asks three things:

>>> str(InputError("volta.json: device.memory.bandwidth", "found '900' without a unit",
...                "write '900 GB/s'"))
"volta.json: device.memory.bandwidth: found '900' without a unit; write '900 GB/s'"
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Self

MOST = 2000  # characters of each part of a message


class HwsimError(Exception):
    """Where it happened, what was found there and what to write instead (may be empty)."""

    exit_code = 1

    def __init__(self, where: str, what: str, instead: str = "") -> None:
        self.where, self.what, self.instead = where, what, instead
        super().__init__(where, what, instead)

    def __str__(self) -> str:
        where, what, instead = (printable(text, MOST) for text in self.args)
        text = f"{where}: {what}" if where else what
        return f"{text}; {instead}" if instead else text

    def inside(self, where: str) -> Self:
        """The same error seen from further out: ``where`` goes in front of its place."""
        place = f"{where}: {self.where}" if self.where else where
        return type(self)(place, self.what, self.instead)


class InputError(HwsimError):
    """Bad input; `problems` holds every fault when one file has several."""

    exit_code = 2

    def __init__(
        self, where: str, what: str, instead: str = "", problems: Sequence[InputError] = ()
    ) -> None:
        super().__init__(where, what, instead)
        self.problems: tuple[InputError, ...] = tuple(problems)

    @property
    def each(self) -> tuple[InputError, ...]:
        """The faults that this error stands for: itself, where it is one."""
        return self.problems or (self,)


class UnitError(InputError):
    """A quantity without a unit, with an unknown one, or with one of another dimension."""


class DoesNotFit(HwsimError):  # noqa: N818
    """The plan can't run on this machine."""

    exit_code = 3


class SurroundingsError(HwsimError):
    """Something outside hwsim failed: disk, process, missing extra."""

    exit_code = 4


def several(problems: Sequence[InputError], hint: str = "") -> InputError:
    """One error for all `problems`: it speaks of the first, counts the others and adds `hint`.

    >>> str(several([InputError("a", "is bad", "mend it"), InputError("b", "too")]))
    'a: is bad; mend it (and 1 more)'
    """
    first, more = problems[0], len(problems) - 1
    count = f"(and {more} more{hint and ': '}{hint})" if more else ""
    return InputError(first.where, first.what, f"{first.instead} {count}".strip(), problems)


def at(where: str, path: Sequence[int | str] | str) -> str:
    """`where` with a dotted path behind it.

    >>> at("volta.json", ("node", "devices")), at("workload.", ("hidden",))
    ('volta.json: node.devices', 'workload.hidden')
    """
    dotted = path if isinstance(path, str) else ".".join(str(part) for part in path)
    if where.endswith((".", " ")):
        return where + dotted
    return f"{where}: {dotted}" if dotted else where


def printable(text: str, most: int | None = None) -> str:
    """The text with escapes for what moves a cursor, colors or turns round what follows; cut in its
    middle to `most` characters.

    Lines and tabs stay. Every text of a file or an argument passes here on its way to a terminal.

    >>> printable("volta\\x1b[31m"), printable("abcdefghijkl", 9)
    ('volta\\\\x1b[31m', 'ab ... kl')
    """
    if most is not None and len(text) > most:
        half = (most - 5) // 2
        text = f"{text[:half]} ... {text[-half:]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shown(value: Any) -> str:
    """A value as JSON, cut short."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else f"{text[:56]} ..."


def near(name: str, names: Iterable[str]) -> str:
    """The correction of a wrong name: the nearest, or all of them where none is near."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    if not close:
        close = [known for known in names if name and (known in name or name in known)][:1]
    return f"did you mean '{close[0]}'?" if close else "write one of " + ", ".join(names)
