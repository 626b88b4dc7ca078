"""The answers of many points as columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError, near
from hwsim.parallel.program import PARTS

Floats = npt.NDArray[np.float64]

SECONDS = tuple(f"{part}_seconds" for part in PARTS)
TOTALS = ("total_seconds", "total_low", "total_high")
SPENT = ("step_energy", "step_cost", "total_energy", "total_cost")
NUMBERS = ("seconds", "low", "high", *SECONDS, "steps", *TOTALS, "memory_bytes", *SPENT)
WORDS = ("fits", "why")
NAMES = (*NUMBERS, *WORDS)
MANY = {"parts": SECONDS}


def chosen(text: str | None, paths: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns of a text with commas between their names, all by default, in the order of
    `NAMES`, but for those that are varied. Raises InputError for another name.

    >>> chosen("why,seconds")
    ('seconds', 'why')
    """
    wanted: set[str] = set()
    for name in (name.strip() for name in (text or ",".join(NAMES)).split(",")):
        if name not in (*NAMES, *MANY):
            raise InputError("--columns", f"found '{name}'", near(name, (*NAMES, *MANY)))
        wanted.update(MANY.get(name, (name,)))
    return tuple(name for name in NAMES if name in wanted and name not in paths)


@dataclass
class Columns:
    """Numbers by name, NaN where a point has none; whether it fits (1, 0, or -1: not known); why it
    has no answer, empty if it has."""

    size: int
    numbers: dict[str, Floats] = field(default_factory=dict)
    fits: npt.NDArray[np.int8] = field(init=False)
    why: npt.NDArray[np.object_] = field(init=False)

    def __post_init__(self) -> None:
        self.fits = np.full(self.size, -1, dtype=np.int8)
        self.why = np.full(self.size, "", dtype=object)

    def __getitem__(self, name: str) -> Floats:
        """A column of numbers, made where there is none."""
        if name not in self.numbers:
            self.numbers[name] = np.full(self.size, np.nan)
        return self.numbers[name]

    def refuse(self, why: str, where: slice | npt.NDArray[np.bool_] = slice(None)) -> None:
        """Points without an answer."""
        self.why[where] = why
        for name, column in self.numbers.items():
            if name != "memory_bytes":
                column[where] = np.nan

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.why == "", dtype=bool)


def joined(parts: Iterable[Columns]) -> Columns:
    """Columns one below the other."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    found = Columns(sum(part.size for part in parts))
    for name in dict.fromkeys(name for part in parts for name in part.numbers):
        found.numbers[name] = np.concatenate([part[name] for part in parts])
    found.fits = np.concatenate([part.fits for part in parts])
    found.why = np.concatenate([part.why for part in parts])
    return found
