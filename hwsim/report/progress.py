"""The bar of a long command: how much is done, how long it took, how long it will take."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from hwsim.errors import printable

# The time left follows the speed over all that was done, not over its last moments.
SPEED_PERIOD = 1e6


class _Description(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(printable(task.description))


def make_bar(console: Console) -> Progress:
    """A live bar on a terminal; nothing elsewhere."""
    return Progress(
        _Description(),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=SPEED_PERIOD,
    )
