"""Rows as text: CSV, or JSON Lines; a block at a time through one format.

Ten digits of a number are written. A cell of what is not known is empty, or null.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hwsim.study.sweep.axes import Span
from hwsim.study.sweep.columns import NAMES, NUMBERS, Columns

Style = Literal["csv", "jsonl"]

DIGITS = "%.10g"
FITS = {1: "true", 0: "false"}
_PLAIN = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$")


@dataclass(frozen=True)
class Form:
    """The style of rows, and the columns behind those of the paths."""

    style: Style = "csv"
    columns: tuple[str, ...] = NAMES

    def header(self, paths: Sequence[str]) -> bytes:
        """The first line; JSON Lines have none."""
        if self.style == "jsonl":
            return b""
        return (",".join(_quoted(name) for name in (*paths, *self.columns)) + "\n").encode()

    def rows(self, boxes: Sequence[Sequence[Span]], found: Columns) -> bytes:
        """The rows of the points of some boxes, one after the other, with what was found."""
        begins = [begin for box in boxes for begin in self._begins(box)]
        names = [name for name in self.columns if name in NUMBERS]
        numbers = np.empty((found.size, len(names)))
        for column, name in enumerate(names):
            numbers[:, column] = found.numbers.get(name, np.nan)
        known = np.isfinite(numbers)
        if known.all() and found.answered.all() and len(set(found.fits.tolist())) == 1:
            end = self._end((True,) * len(names), int(found.fits[0]), "")
            template = end.join(begins) + end
            return (template % tuple(numbers.ravel().tolist())).encode()
        ends: dict[tuple[int, int, str], str] = {}
        codes = known @ (1 << np.arange(len(names)))
        rows = []
        kinds = zip(codes.tolist(), found.fits.tolist(), found.why.tolist(), strict=True)
        for begin, kind in zip(begins, kinds, strict=True):
            end = ends.get(kind, "")
            if not end:
                mask = tuple(bool(kind[0] >> bit & 1) for bit in range(len(names)))
                end = ends[kind] = self._end(mask, *kind[1:])
            rows.append(begin + end)
        return ("".join(rows) % tuple(numbers[known].tolist())).encode()

    def begin(self, point: Sequence[Span]) -> bytes:
        """The row of one point, up to its columns."""
        (text,) = self._begins(point)
        return (text % ()).encode()

    def _begins(self, box: Sequence[Span]) -> list[str]:
        """The cells of the paths, row by row, up to those of the columns."""
        begins = ["" if self.style == "csv" else "{"]
        for span in box:
            cells = [
                self._cells(path, texts)
                for path, texts in zip(span.axis.paths, span.texts, strict=True)
            ]
            places = cells[0] if len(cells) == 1 else list(map("".join, zip(*cells, strict=True)))
            begins = [begin + place for begin in begins for place in places]
        return begins

    def _cells(self, path: str, texts: Sequence[str]) -> list[str]:
        together = "".join(texts)
        if self.style == "csv":
            special = any(mark in together for mark in ',"\r\n')
            cells = [f"{_quoted(text) if special else text}," for text in texts]
        else:
            key = json.dumps(path)
            special = not (together.isascii() and together.isprintable()) or (
                '"' in together or "\\" in together
            )
            cells = [
                f"{key}: {text}, "
                if text[-1].isdigit() and _PLAIN.match(text)
                else f"{key}: {json.dumps(text)}, "
                if special
                else f'{key}: "{text}", '
                for text in texts
            ]
        return [_escaped(cell) for cell in cells] if "%" in path + together else cells

    def _end(self, known: Sequence[bool], fits: int, why: str) -> str:
        """The columns of a row as a format of the numbers that are known."""
        marks = iter(known)
        cell: dict[str, Callable[[], str]] = {
            "fits": lambda: FITS.get(fits, ""),
            "why": lambda: _escaped(_quoted(why) if self.style == "csv" else json.dumps(why)),
        }
        cells = [
            (cell[name]() if name in cell else DIGITS if next(marks) else "")
            for name in self.columns
        ]
        if self.style == "csv":
            return ",".join(cells) + "\n"
        pairs = zip(self.columns, cells, strict=True)
        return ", ".join(f"{json.dumps(name)}: {text or 'null'}" for name, text in pairs) + "}\n"


def _quoted(text: str) -> str:
    """A CSV cell on one line."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([" ".join(text.splitlines())])
    found = line.getvalue()
    return "" if found == '""' else found


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
