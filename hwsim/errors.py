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

from collections.abc import Sequence


class HwsimError(Exception):
    """Where it happened, what was found there and what to write instead (may be empty)."""

    exit_code = 1

    def __init__(self, where: str, what: str, instead: str = "") -> None:
        self.where, self.what, self.instead = where, what, instead
        super().__init__(where, what, instead)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.instead}" if self.instead else text

    def inside(self, where: str) -> HwsimError:
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


class UnitError(InputError):
    """A quantity without a unit, with an unknown one, or with one of another dimension."""


class DoesNotFit(HwsimError):  # noqa: N818
    """The plan can't run on this machine."""

    exit_code = 3


class SurroundingsError(HwsimError):
    """Something outside hwsim failed: disk, process, missing extra."""

    exit_code = 4
