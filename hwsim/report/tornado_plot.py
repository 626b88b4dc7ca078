"""A tornado: how a time changes with each figure, halved and doubled (matplotlib).

save_tornado(path, names, halved, doubled, title="", label="time over that of now")
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hwsim.report import style
from hwsim.report.picture import canvas, write

LEAST = 1.04  # the axis goes at least so far either way


def save_tornado(
    path: Path,
    names: Sequence[str],
    halved: Sequence[float],
    doubled: Sequence[float],
    title: str = "",
    label: str = "time over that of now",
) -> None:
    """Two bars for each name, the first name on top: times over that of now, on a logarithmic axis.

    A ratio that is not finite has no bar. Raises InputError for another file type, and
    SurroundingsError if matplotlib is missing or the file can't be written.
    """
    figure = canvas(path, 8.0, 1.3 + 0.34 * max(len(names), 3))
    panel = figure.subplots()
    ratios = [ratio for ratio in (*halved, *doubled) if math.isfinite(ratio) and ratio > 0]
    far = max([LEAST, *ratios, *(1.0 / ratio for ratio in ratios)]) ** 1.25
    panel.set_xscale("log")
    panel.set_xlim(1.0 / far, far)
    places = range(len(names))
    for values, offset, color, told in (
        (halved, -0.19, style.COLORS[1], "half of it"),
        (doubled, 0.19, style.COLORS[0], "twice as much"),
    ):
        known = [value if math.isfinite(value) and value > 0 else 1.0 for value in values]
        at = [place + offset for place in places]
        panel.barh(at, [v - 1.0 for v in known], 0.36, left=1.0, color=color, label=told)
        for place, value in zip(at, known, strict=True):
            if abs(math.log(value)) > 0.005:
                side = "left" if value > 1.0 else "right"
                gap = (3 if value > 1.0 else -3, 0)
                panel.annotate(
                    f"{value:.2f}", (value, place), gap, textcoords="offset points",
                    ha=side, va="center", fontsize=style.SMALL - 1,
                )  # fmt: skip
    panel.axvline(1.0, color=style.NOW, lw=0.8)
    style.at(panel.yaxis, places, [style.named(name) for name in names])
    panel.set_ylim(len(names) - 0.4, -0.6)
    style.at(panel.xaxis, *_ticks(far))
    style.bare(panel, grid="x", title=title, x=label)
    panel.tick_params(axis="y", length=0)
    style.legend(panel, loc="lower right")
    write(figure, path)


def _ticks(far: float) -> tuple[list[float], list[str]]:
    """Ratios that fill an axis up to `far`, as many above 1 as below.

    >>> _ticks(2.1)[1]
    ['0.5', '0.67', '1', '1.5', '2']
    """
    steps = [(1.02,), (1.05, 1.1), (1.1, 1.2), (1.25, 1.5), (1.5, 2.0), (2.0, 4.0), (4.0, 16.0)]
    chosen = [step for step in steps if step[-1] <= far][-1]
    if far > 64.0:
        chosen = (10.0 ** int(math.log10(far)),)
    places = [*(1.0 / one for one in reversed(chosen)), 1.0, *chosen]
    return places, [f"{place:.3g}" if place >= 0.95 else f"{place:.2g}" for place in places]
