"""Scaling: time and efficiency against the number of devices (matplotlib).

save_scaling(path, devices, curves, title="", label="time per step", weak=False, large=())
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwsim.report import style
from hwsim.report.picture import canvas, write

MOST_TICKS = 10


def save_scaling(
    path: Path,
    devices: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    title: str = "",
    label: str = "time per step",
    *,
    weak: bool = False,
    large: Sequence[float] = (),
) -> None:
    """Two panels over `devices` (rising): times of each curve beside the ideal ones of the first,
    and efficiency. Points with `large` numbers of devices don't fit in memory: they are hollow.

    Efficiency is that against the curve's first point that fits (d0, t0): t0 d0 / (t d), and with
    `weak`, where the work grows with the devices, t0 / t. What is not finite is left out. Raises
    InputError for another file type, and SurroundingsError if matplotlib is missing or the file
    can't be written.
    """
    figure = canvas(path, 9.0, 3.8)
    left, right = figure.subplots(1, 2)
    for number, (name, times) in enumerate(curves.items()):
        points = [(d, t) for d, t in zip(devices, times, strict=True) if math.isfinite(t)]
        if not points:
            continue
        first, least = next((one for one in points if one[0] not in large), points[0])
        color = style.COLORS[number % len(style.COLORS)]
        used, seconds = zip(*points, strict=True)
        left.plot(used, seconds, "o-", ms=4, color=color, label=style.named(name))
        if number == 0:
            ideal = [least if weak else least * first / d for d in used]
            left.plot(used, ideal, "--", lw=1, color=style.NOW, label="ideal", zorder=1)
        shares = [(least if weak else least * first / d) / t for d, t in points]
        right.plot(used, shares, "o-", ms=4, color=color)
        hollow = {"color": color, "mfc": "white", "ms": 5}
        told = style.LARGE if large and number == 0 else None
        for panel, values in ((left, seconds), (right, shares)):
            some = [(d, v) for d, v in zip(used, values, strict=True) if d in large]
            if some:
                panel.plot(*zip(*some, strict=True), "o", label=told, **hollow)
    for panel in (left, right):
        panel.set_xscale("log", base=2)
        _count(panel.xaxis, devices)
    left.set_yscale("log")
    right.axhline(1.0, ls="--", lw=1, color=style.NOW, zorder=1)
    right.set_ylim(0.0, max(1.05, right.get_ylim()[1]))
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    style.bare(left, x="devices", y=label)
    style.seconds_on(left.yaxis)
    style.bare(right, x="devices", y="weak efficiency" if weak else "efficiency")
    style.legend(left)
    figure.suptitle(style.named(title, 90), fontsize=11)
    write(figure, path)


def _count(axis: Any, devices: Sequence[float]) -> None:
    every = -(-len(devices) // MOST_TICKS)
    style.at(axis, devices[::every], [f"{one:,.0f}" for one in devices[::every]])
