"""How all pictures of studies look: colors, a bare panel, names as they stand, round ticks."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from hwsim.report.picture import plain
from hwsim.units import seconds_text, si_text

COLORS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#9c6b4e", "#97bbf5", "#9498a0")
PARTS = {
    **{"compute": COLORS[0], "memory": COLORS[6], "launch": COLORS[1], "communication": COLORS[2]},
    **{"bubble": "#d4d4d4", "update": COLORS[4]},
}
FASTER, SLOWER, NOW, PALE = COLORS[4], COLORS[2], "#555555", "#c8c8c8"
SMALL = 8  # points


def named(text: str, most: int = 60) -> str:
    """A name as it stands, cut short: a dollar sign begins no formula.

    >>> named("$x$"), named("a" * 9, 5)
    ('\\\\$x\\\\$', 'aa...')
    """
    return plain(text if len(text) <= most else text[: most - 3] + "...")


def folded(text: str, width: int = 14, lines: int = 3) -> str:
    """A name in lines of so many letters, cut short behind the last one.

    >>> folded("hopper plan.dp=8"), folded("device.memory.bandwidth", 14, 1)
    ('hopper\\nplan.dp=8', 'device.memo...')
    """
    made = textwrap.wrap(text, width)
    if len(made) > lines:
        made = [*made[: lines - 1], made[lines - 1][: width - 3] + "..."]
    return "\n".join(map(plain, made))


def bare(panel: Any, *, grid: str = "both", title: str = "", x: str = "", y: str = "") -> None:
    """A panel without its upper and right edge, with a faint grid along "x", "y" or "both"."""
    panel.set_axisbelow(True)
    if grid:
        panel.grid(axis=grid, alpha=0.3, which="major")
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_title(named(title), fontsize=10)
    panel.set_xlabel(named(x))
    panel.set_ylabel(named(y))


def legend(panel: Any, **options: Any) -> None:
    """A small legend without a frame, where there is something to tell."""
    if panel.get_legend_handles_labels()[0]:
        panel.legend(frameon=False, fontsize=SMALL, **options)


def at(axis: Any, places: Sequence[float], texts: Sequence[str]) -> None:
    """Ticks at these places of an axis, no others."""
    axis.set_ticks(list(places), labels=list(texts))
    axis.set_ticks([], minor=True)


def seconds_on(axis: Any) -> None:
    """Round ticks of a logarithmic axis of seconds, as durations."""
    _round(axis, seconds_text)


def numbers_on(axis: Any) -> None:
    """Round ticks of a logarithmic axis of numbers, large and small ones with SI prefixes."""
    _round(axis, lambda value: f"{value:g}" if 1e-3 <= value < 1e4 else si_text(value, ""))


def _round(axis: Any, text: Callable[[float], str]) -> None:
    """1, 2 and 5 of every decade where few are seen, else powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    few = low > 0 and high / low < 300.0
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axis.set_minor_formatter(NullFormatter())
