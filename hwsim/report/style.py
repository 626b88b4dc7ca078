"""How all pictures of studies look: colors, a bare panel, names as they stand, round ticks."""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
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
NARROW = 4.0
ROUND = [
    *(decade * one for decade in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0) for one in (1, 2, 5)),
    *(10.0, 20.0, 30.0),
    *(60.0 * one for one in (1, 2, 5, 10, 20, 30)),
    *(3600.0 * one for one in (1, 2, 5, 10)),
    *(86400.0 * one * ten for ten in (1, 10, 100, 1000, 10000) for one in (1, 2, 5)),
]
"""Round times, s."""
LARGE = "does not fit in memory"


def named(text: str, most: int = 60) -> str:
    """A name as it stands, cut short: a dollar sign begins no formula.

    >>> named("$x$"), named("a" * 9, 5)
    ('\\\\$x\\\\$', 'aa...')
    """
    return plain(text if len(text) <= most else text[: most - 3] + "...")


def short(text: str) -> str:
    """A quantity with three digits; other texts as they are.

    >>> short("197.435 GB/s"), short("1519.49 GB/s"), short("fp32"), short("2x"), short("1024")
    ('197 GB/s', '1,519 GB/s', 'fp32', '2x', '1024')
    """
    number, space, unit = text.partition(" ")
    try:
        value = float(number)
    except ValueError:
        return text
    if not space:
        return text
    return f"{value:,.0f} {unit}" if 1e3 <= value < 1e5 else f"{value:.3g} {unit}"


def distinct(names: Sequence[str]) -> list[str]:
    """Names without the words that all of them have (but for a last one), paths by their last part
    where that says which.

    >>> distinct(["hopper plan.dp=8", "hopper plan.dp=8 plan.zero=1"])
    ['dp=8', 'zero=1']
    >>> distinct(["dp 8, micro_batch 16", "dp 8, micro_batch 16, zero 1", "dp 8, zero 1"])
    ['micro_batch 16', 'micro_batch 16, zero 1', 'zero 1']
    """
    if len(set(names)) < 2:
        return list(names)
    mark = _mark(names)
    words = [name.split(mark) for name in names]
    common = set(words[0]).intersection(*words[1:])
    left = [[word for word in some if word not in common] or some[-1:] for some in words]
    paths = {word.partition("=")[0] for some in left for word in some if "=" in word}
    ends = Counter(path.rpartition(".")[2] for path in paths)

    def shorter(word: str) -> str:
        path, equals, value = word.partition("=")
        end = path.rpartition(".")[2]
        return f"{end}={value}" if equals and ends[end] == 1 else word

    return [mark.join(map(shorter, some)) for some in left]


def _mark(names: Sequence[str]) -> str:
    """What stands between the words of names."""
    return ", " if any(", " in name for name in names) else " "


def folded(text: str, width: int = 14, lines: int = 5) -> str:
    """A name in lines of about so many letters: its words, those that are longer broken at dots and
    signs of equality; cut short behind the last line.

    >>> folded("hopper plan.dp=8"), folded("device.memory.bandwidth=2x", 14, 2)
    ('hopper\\nplan.dp=8', 'device.memory.\\nbandwidth=2x')
    >>> folded("dp 8, micro_batch 16, zero 1")
    'dp 8,\\nmicro_batch 16,\\nzero 1'
    """
    mark = _mark([text])
    pieces: list[str] = []
    for word in text.split(mark):
        parts = re.findall(r"[^.=]*[.=]?", word)[:-1] if len(word) > width else [word]
        pieces += [*parts[:-1], parts[-1] + mark]
    made = [""]
    for piece in pieces:
        if made[-1] and len(made[-1]) + len(piece.rstrip(", ")) > width:
            made.append("")
        made[-1] += piece
    made[-1] = made[-1].removesuffix(mark)
    made = [line for one in made for line in textwrap.wrap(one.strip(), width + 1)]
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
    low, high = axis.get_view_interval()
    if low > 0 and high > 60.0:
        at(axis, places := durations(low, high), [seconds_text(one) for one in places])


def durations(low: float, high: float) -> list[float]:
    """Round times between two, no more than eight.

    >>> durations(50.0, 700.0)
    [60.0, 120.0, 300.0, 600.0]
    """
    found = [one for one in ROUND if low <= one <= high]
    return found[:: -(-len(found) // 8)] if found else []


def numbers_on(axis: Any, text: Callable[[float], str] | None = None) -> None:
    """Round ticks of a logarithmic axis of numbers, large and small ones with SI prefixes, or as
    `text` writes them."""
    if text is seconds_text:
        seconds_on(axis)
    else:
        _round(axis, text or _number)


def _number(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e4 else si_text(value, "")


def _round(axis: Any, text: Callable[[float], str]) -> None:
    """1, 2 and 5 of every decade where few are seen, then 1 and 3, else powers of ten; even steps
    within less than a factor of `NARROW`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    wide = high / low if low > 0 else math.inf
    subs = (1.0, 2.0, 5.0) if wide < 50.0 else (1.0, 3.0) if wide < 1000.0 else (1.0,)
    axis.set_major_locator(MaxNLocator(5) if wide < NARROW else LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axis.set_minor_formatter(NullFormatter())
