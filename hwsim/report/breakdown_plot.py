"""Where the time goes: the parts of a step, or of a training, stacked for each point (matplotlib).

save_breakdown(path, names, parts, title="", label="time per step", x="", large=())
draw_breakdown(panel, names, parts, label="time per step", x="", large=())
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwsim.report import style
from hwsim.report.picture import canvas, write
from hwsim.units import seconds_text

MOST_TICKS = 16
THIN = 0.06  # of the highest bar: thinner parts have no share written in them


def save_breakdown(
    path: Path,
    names: Sequence[str],
    parts: Sequence[Mapping[str, float]],
    title: str = "",
    label: str = "time per step",
    x: str = "",
    large: Sequence[int] = (),
) -> None:
    """A bar for each name, of its `parts` in seconds; those of the numbers in `large`, which don't
    fit in memory, are pale.

    Raises InputError for another file type, and SurroundingsError if matplotlib is missing or the
    file can't be written.
    """
    wide = max(max((len(name) for name in names), default=0) / 28.0, 0.62)
    figure = canvas(path, min(3.4 + min(wide, 1.2) * len(names), 12.0), 4.0)
    panel = figure.subplots()
    draw_breakdown(panel, names, parts, label=label, x=x, large=large)
    panel.set_title(style.named(title), fontsize=10)
    write(figure, path)


def draw_breakdown(
    panel: Any,
    names: Sequence[str],
    parts: Sequence[Mapping[str, float]],
    label: str = "time per step",
    x: str = "",
    large: Sequence[int] = (),
) -> None:
    """The same in a panel that is there."""
    names = style.distinct(names)
    kinds = dict.fromkeys(kind for one in parts for kind, seconds in one.items() if seconds > 0)
    colors = _colors(kinds)
    base = [0.0] * len(names)
    highest = max((sum(one.values()) for one in parts), default=0.0) or 1.0
    few = len(names) <= MOST_TICKS
    for kind in kinds:
        heights = [max(one.get(kind, 0.0), 0.0) for one in parts]
        bars = panel.bar(range(len(names)), heights, 0.7, base, color=colors[kind])
        for place in large:
            bars[place].set_alpha(0.25)
        for place, height in enumerate(heights):
            if few and height > THIN * highest:
                share = height / sum(parts[place].values())
                dark = kind in ("compute", "communication", "update") and place not in large
                panel.text(
                    place, base[place] + height / 2, f"{share:.0%}",
                    ha="center", va="center", fontsize=style.SMALL - 1,
                    color="white" if dark else "black",
                )  # fmt: skip
        base = [low + height for low, height in zip(base, heights, strict=True)]
    for place in large:
        panel.text(
            place, base[place], "does not fit", ha="center", va="bottom",
            fontsize=style.SMALL - 1, color=style.NOW,
        )  # fmt: skip
    every = -(-len(names) // MOST_TICKS)
    shown = range(0, len(names), every)
    style.at(panel.xaxis, shown, [style.folded(names[n], _width(len(shown))) for n in shown])
    panel.set_xlim(-0.6, len(names) - 0.4)
    panel.set_ylim(0.0, 1.05 * highest)
    style.bare(panel, grid="y", x=x, y=label)
    panel.yaxis.set_major_formatter(lambda value, _: seconds_text(value) if value else "0")
    panel.tick_params(axis="x", length=0, labelsize=style.SMALL + 1)
    from matplotlib.patches import Patch

    panel.legend(
        handles=[Patch(color=colors[kind], label=kind) for kind in reversed(kinds)],
        frameon=False, fontsize=style.SMALL, loc="upper left", bbox_to_anchor=(1.0, 1.0),
    )  # fmt: skip


def _colors(kinds: Mapping[str, None]) -> dict[str, str]:
    """Parts of a step have colors of their own, others the next free ones."""
    free = iter(2 * style.COLORS)
    return {kind: style.PARTS.get(kind) or next(free) for kind in kinds}


def _width(count: int) -> int:
    """Letters in a line below a bar, of so many."""
    return 14 if count <= 6 else 10 if count <= 10 else 7
