"""A heat map: a value over two swept paths, with its least marked (matplotlib).

save_heat(path, xs, ys, values, names, title="", text="{:.3g}".format, ticks=None)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.report import style
from hwsim.report.picture import canvas, write

MOST_TEXTS = 12  # of cells along an axis have their value in them
MOST_TICKS = 12
EMPTY = "no answer, or does not fit in memory"
LETTER = 0.095  # inches
MOST_LINED = 1000  # cells with lines between them, each an object of its own in the file


def save_heat(
    path: Path,
    xs: Sequence[str],
    ys: Sequence[str],
    values: npt.ArrayLike,
    names: tuple[str, str, str],
    title: str = "",
    text: Callable[[float], str] = "{:.3g}".format,
    ticks: Callable[[float, float], list[float]] | None = None,
) -> None:
    """Cells of `values[row][column]`, rows for `ys` (the first below) and columns for `xs`.

    `names` are those of xs, ys and the values. Colors are logarithmic where values are over a
    factor of ten and above 0. What is not finite stays empty (what doesn't fit in memory); a star
    marks the least. `text` writes a value, `ticks` are those between two values. Raises InputError
    for another file type, and SurroundingsError if matplotlib is missing or the file can't be
    written.
    """
    cells = np.ma.masked_invalid(np.asarray(values, dtype=float))
    width, height = min(2.6 + 0.72 * len(xs), 11.0), min(1.8 + 0.42 * len(ys), 8.0)
    figure = canvas(path, max(width, 5.5), max(height, 3.6))
    from matplotlib.colors import LogNorm, Normalize

    panel = figure.subplots()
    low, high = (float(cells.min()), float(cells.max())) if cells.count() else (1.0, 1.0)
    wide = low > 0 and high / low > 10.0
    norm = LogNorm(low, high) if wide else Normalize(low, high)
    line: dict[str, Any] = (
        {"edgecolors": "white", "linewidth": 0.8}
        if cells.size <= MOST_LINED
        else {"rasterized": True}
    )
    grid = panel.pcolormesh(cells, cmap="YlGnBu_r", norm=norm, **line)
    bar = figure.colorbar(grid, ax=panel, pad=0.02)
    bar.set_label(style.named(names[2]))
    _tick(bar, ticks(low, high) if ticks else (), text, wide=wide)
    few = len(xs) <= MOST_TEXTS and len(ys) <= 2 * MOST_TEXTS
    if few:
        _write_in(panel, cells, text, norm)
    if cells.count():
        row, column = np.unravel_index(int(cells.argmin()), cells.shape)
        at = (column + 0.5, row + (0.82 if few else 0.5))
        panel.plot(*at, "*", ms=8, color="white", mec="black", mew=0.6, clip_on=False)
    if cells.count() < cells.size:
        panel.text(
            1.0, 1.01, f"empty: {EMPTY}", ha="right", va="bottom", fontsize=style.SMALL - 1,
            transform=panel.transAxes, color=style.NOW,
        )  # fmt: skip
    _name(panel.xaxis, xs, 0.7 * figure.get_figwidth() / len(xs))
    _name(panel.yaxis, ys)
    style.bare(panel, grid="", title=title, x=names[0], y=names[1])
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.tick_params(length=0)
    panel.set_facecolor("#f0f0f0")
    write(figure, path)


def _tick(bar: Any, places: Sequence[float], text: Callable[[float], str], *, wide: bool) -> None:
    """Values of a color bar: at these places, if they are more than two."""
    from matplotlib.ticker import LogLocator, NullFormatter

    bar.outline.set_visible(False)
    if wide:
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    if len(places) > 2:
        bar.set_ticks(places)
    bar.ax.yaxis.set_major_formatter(lambda value, _: text(value))
    bar.ax.yaxis.set_minor_formatter(NullFormatter())


def _write_in(panel: Any, cells: Any, text: Callable[[float], str], norm: Any) -> None:
    """The value of every cell, light on dark and dark on light."""
    for (row, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            color = "white" if float(norm(value)) < 0.5 else "black"
            panel.text(
                column + 0.5, row + 0.44, text(float(value)),
                ha="center", va="center", fontsize=style.SMALL - 1, color=color,
            )  # fmt: skip


def _name(axis: Any, names: Sequence[str], room: float = math.inf) -> None:
    """Names in the middle of cells: all, or so many that they don't overlap; along x aslant where
    they are wider than the `room` (inches) of a cell."""
    names = [style.short(name) for name in names]
    every = -(-len(names) // MOST_TICKS)
    shown = range(0, len(names), every)
    most = 12 if axis.axis_name == "x" else 24
    style.at(axis, [place + 0.5 for place in shown], [style.named(names[n], most) for n in shown])
    if axis.axis_name == "x" and max(len(names[n]) for n in shown) * LETTER > room * every:
        axis.set_tick_params(rotation=45)
