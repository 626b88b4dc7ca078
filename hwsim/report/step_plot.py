"""One step: its operators under the roofline, and its parts beside them (matplotlib).

save_step(path, dots, peaks, bandwidth, parts, title="")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hwsim.report import style
from hwsim.report.breakdown_plot import draw_breakdown
from hwsim.report.picture import canvas, write
from hwsim.report.roofline_plot import Dot, draw_roofline


def save_step(
    path: Path,
    dots: Sequence[Dot],
    peaks: Mapping[str, float],
    bandwidth: float,
    parts: Mapping[str, float],
    title: str = "",
) -> None:
    """Two panels: see `save_roofline` and `save_breakdown`.

    Raises InputError for another file type, and SurroundingsError if matplotlib is missing or the
    file can't be written.
    """
    figure = canvas(path, 9.6, 4.4)
    left, right = figure.subplots(1, 2, width_ratios=[4, 1])
    draw_roofline(left, dots, peaks, bandwidth)
    draw_breakdown(right, [""], [parts], label="time per step")
    figure.suptitle(style.named(title, 90), fontsize=11)
    write(figure, path)
