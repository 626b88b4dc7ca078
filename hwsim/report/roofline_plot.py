"""A roofline with operators as dots (Williams, Waterman, Patterson 2009; matplotlib).

save_roofline(path, dots, peaks, bandwidth, title="")
draw_roofline(panel, dots, peaks, bandwidth)
Dot(name, intensity [FLOP/B], rate [FLOP/s], seconds, bound)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwsim.report import style
from hwsim.report.picture import canvas, write
from hwsim.units import si_text

BELOW = 17  # points, of a name below a dot
NAMED = 6  # of the slowest operators have their name beside them
LARGEST = 260.0  # square points, of an operator that takes all of the time


@dataclass(frozen=True)
class Dot:
    """An operator: FLOP per byte, the FLOP/s that it reaches, its seconds, what bounds it."""

    name: str
    intensity: float
    rate: float
    seconds: float
    bound: str


def save_roofline(
    path: Path,
    dots: Sequence[Dot],
    peaks: Mapping[str, float],
    bandwidth: float,
    title: str = "",
) -> None:
    """The roofs of `peaks` (name -> FLOP/s) and of a `bandwidth` (B/s), and what operators reach.

    The area of a dot is the operator's share of all seconds, its color what bounds it. Raises
    InputError for another file type, and SurroundingsError if matplotlib is missing or the file
    can't be written.
    """
    figure = canvas(path, 6.6, 4.4)
    panel = figure.subplots()
    draw_roofline(panel, dots, peaks, bandwidth)
    panel.set_title(style.named(title), fontsize=10)
    write(figure, path)


def draw_roofline(
    panel: Any, dots: Sequence[Dot], peaks: Mapping[str, float], bandwidth: float
) -> None:
    """The same in a panel that is there."""
    shown = [dot for dot in dots if dot.intensity > 0 and dot.rate > 0]
    ridges = [peak / bandwidth for peak in peaks.values()]
    reach = [dot.intensity for dot in shown]
    low, high = min([*ridges, *reach]) / 4.0, max([*ridges, *reach]) * 25.0
    panel.set(xscale="log", yscale="log", xlim=(low, high))
    for name, peak in peaks.items():
        panel.plot([peak / bandwidth, high], [peak, peak], color=style.NOW, lw=1)
        text = f"{style.named(name)}, {si_text(peak, 'FLOP/s')}"
        panel.annotate(
            text, (high, peak), (-2, 3), textcoords="offset points", ha="right",
            fontsize=style.SMALL, zorder=5,
        )  # fmt: skip
    top = max(peaks.values())
    panel.plot([low, top / bandwidth], [low * bandwidth, top], color=style.NOW, lw=1)
    whole = sum(dot.seconds for dot in shown) or 1.0
    for bound in dict.fromkeys(dot.bound for dot in shown):
        own = [dot for dot in shown if dot.bound == bound]
        sizes = [14.0 + LARGEST * dot.seconds / whole for dot in own]
        color = style.PARTS.get(bound, style.NOW)
        panel.scatter(
            [dot.intensity for dot in own], [dot.rate for dot in own], sizes,
            color=color, alpha=0.75, lw=0.5, ec="white", zorder=3,
        )  # fmt: skip
        panel.scatter([], [], 30, color=color, label=f"bound by {bound}")
    floor = min([*(dot.rate for dot in shown), top / 100.0]) / 4.0
    panel.set_ylim(floor, top * 3.0)
    style.bare(panel, x="FLOP per byte of memory traffic", y="FLOP/s")
    _slope(panel, bandwidth, low, floor, top)
    _names(panel, shown, list(peaks.values()))
    style.legend(panel, loc="lower right")


def _slope(panel: Any, bandwidth: float, low: float, floor: float, top: float) -> None:
    """The bandwidth, left of its roof."""
    begin = max(low, floor / bandwidth)
    middle = begin * (top / bandwidth / begin) ** 0.5
    panel.annotate(
        si_text(bandwidth, "B/s"), (middle, middle * bandwidth), (-6, 3),
        textcoords="offset points", ha="right", fontsize=style.SMALL,
    )  # fmt: skip


def _names(panel: Any, shown: Sequence[Dot], peaks: Sequence[float]) -> None:
    """Names of the slowest, right of their dots or below, where nothing else is."""
    panel.figure.draw_without_rendering()  # so that places in pixels are those of the picture
    (left, _), (right, _) = panel.transAxes.transform([(0.0, 0.0), (1.0, 0.0)])
    places = [panel.transData.transform((dot.intensity, dot.rate)) for dot in shown]
    roofs = [panel.transData.transform((1.0, peak))[1] + 3 for peak in peaks]  # with their names
    taken = [(x - 3, x + 3, y) for x, y in places] + [(0.0, right, y) for y in roofs]
    named = 0
    for number in sorted(range(len(shown)), key=lambda n: -shown[n].seconds):
        (x, y), text = places[number], style.named(shown[number].name, 28)
        long = 12 + 5.0 * len(text)
        others = taken[:number] + taken[number + 1 :]
        for side, begin, down in (("left", x + 5, 3), ("center", x - long / 2, BELOW)):
            end = begin + long
            free = all(b < begin or a > end or abs(y - down - at) > 9 for a, b, at in others)
            if free and left < begin and end < right and named < NAMED:
                panel.annotate(
                    text, (shown[number].intensity, shown[number].rate),
                    (7 if side == "left" else 0, -down), textcoords="offset points", ha=side,
                    fontsize=style.SMALL - 1, zorder=4,
                )  # fmt: skip
                taken.append((begin, end, y - down))
                named += 1
                break
