"""A Pareto front: two figures of many answers, and those that no other beats in both (matplotlib).

save_pareto(path, xs, ys, front, names, labels=(), title="", texts=None, large=())
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from hwsim.report import style
from hwsim.report.picture import canvas, write

Text = Callable[[float], str]
MOST_LABELS = 10
MOST_DRAWN = 2000  # points, of which each is an object of its own in the file


def save_pareto(
    path: Path,
    xs: Sequence[float],
    ys: Sequence[float],
    front: Sequence[int],
    names: tuple[str, str],
    labels: Sequence[str] = (),
    title: str = "",
    texts: tuple[Text, Text] | None = None,
    large: Collection[int] = (),
) -> None:
    """All points, and the `front` (their numbers) joined; both axes are better towards 0. Those of
    the numbers in `large` don't fit in memory; `texts` write the values of the axes.

    `labels`, one for each point, are written beside few points, else beside those of the front.
    Axes are logarithmic where all values are above 0. What is not finite is left out. Raises
    InputError for another file type, and SurroundingsError if matplotlib is missing or the file
    can't be written.
    """
    figure = canvas(path, 7.0, 4.6)
    panel = figure.subplots()
    known = [n for n, (x, y) in enumerate(zip(xs, ys, strict=True)) if math.isfinite(x + y)]
    finite, chosen, large = set(known), set(front), set(large)
    best = sorted(finite & chosen, key=lambda n: (xs[n], -ys[n]))
    beside = chosen | large
    rest = [n for n in known if n not in beside]
    outside = [n for n in known if n in large]
    panel.scatter(
        [xs[n] for n in rest], [ys[n] for n in rest], 14, color=style.PALE, label="others",
        rasterized=len(rest) > MOST_DRAWN,
    )  # fmt: skip
    if outside:
        panel.scatter(
            [xs[n] for n in outside], [ys[n] for n in outside], 18, marker="x", lw=1,
            color=style.PALE, label=style.LARGE,
        )  # fmt: skip
    line = {"where": "post", "color": style.COLORS[0], "lw": 1}
    panel.step([xs[n] for n in best], [ys[n] for n in best], **line)
    panel.plot(
        [xs[n] for n in best], [ys[n] for n in best], "o", ms=5, color=style.COLORS[0],
        label="no other is better in both",
    )  # fmt: skip
    panel.margins(0.25 if labels else 0.08, 0.12)
    for values, scale, axis, text in (
        (xs, panel.set_xscale, panel.xaxis, texts and texts[0]),
        (ys, panel.set_yscale, panel.yaxis, texts and texts[1]),
    ):
        if known and min(values[n] for n in known) > 0:
            scale("log")
            panel.autoscale_view()
            style.numbers_on(axis, text or None)
    style.bare(panel, title=title, x=names[0], y=names[1])
    if labels:
        named = known if len(known) <= MOST_LABELS else best
        labels = style.distinct(labels)
        _label(panel, [(xs[n], ys[n], labels[n]) for n in sorted(named, key=lambda n: xs[n])])
    style.legend(panel, loc="lower left")  # where no point can be
    write(figure, path)


def _label(panel: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Labels of points that are far enough from the last one that has one."""
    last = -math.inf, math.inf
    every = max(-(-len(points) // MOST_LABELS), 1)
    for x, y, text in points[::every]:
        across, up = panel.transData.transform((x, y))
        if across - last[0] < 60 and abs(last[1] - up) < 12:
            continue
        last = across, up
        panel.annotate(
            style.named(text, 36), (x, y), (5, 4), textcoords="offset points",
            ha="left", va="bottom", fontsize=style.SMALL - 1,
        )  # fmt: skip
