"""What the pictures share: colors, axes, texts as they stand, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwsim.report.picture import canvas, write

# Observable's ten categorical colors, as in the other pictures.
PALETTE = ("#4269d0", "#efb118", "#3ca951", "#ff725c", "#a463f2", "#6cc5b0", "#9c6b4e", "#97bbf5")
INK, FAINT = "#333333", "#8a8a8a"
# How a lower bound is drawn: longer than a dot, and pointing to where the value may be.
BOUND = {"marker": r"$\uparrow$", "ms": 10, "mew": 0.3, "ls": "none"}
SUFFIXES = (".svg", ".png")
SMALL = 8
LEAST_SPAN = 3.0  # of a logarithmic axis, end over end


def figure(folder: Path, width: float, height: float) -> Any:
    """An empty figure. Raises SurroundingsError if matplotlib is missing."""
    return canvas(folder / "figure.svg", width, height)


def save(drawn: Any, folder: Path, name: str) -> list[Path]:
    """Written as SVG and PNG. Raises SurroundingsError if the disk refuses."""
    paths = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    for path in paths:
        write(drawn, path)
    return paths


def dress(panel: Any, *, title: str, x: str, y: str, log: str = "xy") -> None:
    """Grid, titles and scales of a panel; `log` names its logarithmic axes."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel.set_title(title, fontsize=10)
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    for name, axis, scale in (
        ("x", panel.xaxis, panel.set_xscale),
        ("y", panel.yaxis, panel.set_yscale),
    ):
        if name not in log:
            continue
        scale("log")
        low, high = getattr(panel, f"get_{name}lim")()
        if high < LEAST_SPAN * low:  # else the luck of seeds fills the panel
            room = math.sqrt(LEAST_SPAN * low / high)
            low, high = getattr(panel, f"set_{name}lim")(low / room, high * room)
        if high / low < 40:  # a decade or so: digits between the powers of ten, too
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > 4 else range(1, 10)))
        axis.set_major_formatter(FuncFormatter(_number))
        axis.set_minor_formatter(NullFormatter())
    panel.grid(alpha=0.3, which="major")
    panel.spines[["top", "right"]].set_visible(False)


def missing(panel: Any, title: str) -> None:
    """A panel for which there are no runs."""
    panel.set_title(title, fontsize=10)
    panel.text(0.5, 0.5, "not measured", ha="center", va="center", color=FAINT)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_color("#dddddd")


def colors(count: int) -> list[Any]:
    """So many colors for sizes in order, from dark to light."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.92 * i / max(count - 1, 1)) for i in range(count)]


def legend(panel: Any, **options: Any) -> None:
    """A legend without a frame, if the panel has labels."""
    if panel.get_legend_handles_labels()[0]:
        panel.legend(frameon=False, fontsize=SMALL, title_fontsize=SMALL, **options)


def legend_below(panel: Any, title: str = "", columns: int = 2) -> None:
    """A legend under the panel, where it covers nothing; `title` above its entries."""
    legend(
        panel,
        title=title,
        loc="upper left",
        bbox_to_anchor=(0.0, -0.17),
        ncols=columns,
        alignment="left",
        borderaxespad=0.0,
    )


def short(count: float) -> str:
    """A count in few characters.

    >>> short(8000), short(38119), short(1_480_000), short(640)
    ('8k', '38.1k', '1.48M', '640')
    """
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= scale:
            return f"{count / scale:.3g}{letter}"
    return f"{count:.3g}"


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that leave room around the values, on a logarithmic scale."""
    low, high = min(values), max(values)
    room = (high / low) ** 0.08 if high > low else 1.5
    return low / room, high * room


def _number(value: float, _: int) -> str:
    if value >= 1000:
        return short(value)
    return f"{value:g}"
