"""The console and the table that all commands print with."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hwsim.errors import printable

UNFOLDED = 100_000  # columns of what is no terminal; rich allocates nothing for them


class _Console(Console):
    """Whose texts can't take hold of the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


def say(text: str) -> None:
    """A line to a person, on standard error."""
    print(printable(text), file=sys.stderr)


def make_console(*, stderr: bool = False) -> Console:
    """Standard output (or error) as it is at this moment.

    Text appears as it stands, since names come from files: no markup, no emoji codes, no
    highlighting, and control characters as escapes. Lines that don't go to a terminal are never
    folded. With NO_COLOR no code is sent.
    """
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return _Console(
        stderr=stderr,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        emoji=False,
        highlight=False,
        markup=False,
        soft_wrap=not terminal,
        width=None if terminal else UNFOLDED,
    )


def plain_table(*left: str, right: tuple[str, ...] = (), **options: Any) -> Table:
    """A table without rules: its `left` columns, then the `right` ones, aligned so.

    The first column stays whole; where a terminal is narrow, the others are folded, never cut.
    """
    table = Table(box=None, pad_edge=False, **options)
    for name in (*left, *right):
        table.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=not table.columns,
            overflow="fold",
        )
    return table
