"""How far a search is, on one line of stderr; rich is loaded where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hwsim.study.search.best import State
from hwsim.units import seconds_text

if TYPE_CHECKING:
    from rich.live import Live


class Progress:
    """One line on stderr while a search goes on, where that is a terminal; `text` tells values."""

    def __init__(self, text: Callable[[float], str]) -> None:
        self.text = text
        self.live: Live | None = None
        self.begun, self.most = time.monotonic(), 0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.live import Live

            from hwsim.report.console import make_console

            console = make_console(stderr=True)
            self.live = Live(console=console, transient=True, refresh_per_second=5)
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def show(self, state: State) -> None:
        if self.live is not None:
            from rich.text import Text

            self.live.update(Text(self.line(state)))

    def line(self, state: State) -> str:
        """How many configurations may still be better, the best one, and seconds left if the rest
        goes on as it went."""
        self.most = max(self.most, state.left)
        done = 1.0 - state.left / self.most if self.most else 1.0
        words = [f"{state.left:,} of {state.tally.total:,} configurations may be better"]
        if state.best is not None:
            gap = 1.0 - state.bound / state.best.value if state.best.value else 0.0
            words.append(
                f"best {self.text(state.best.value)}, at most {max(gap, 0.0):.2%} above the least"
            )
        if 0 < done < 1:
            words.append(f"about {seconds_text(state.seconds * (1 - done) / done)} left")
        return f"{seconds_text(state.seconds)}: " + "; ".join(words)
