"""A picture of predicted against measured seconds (matplotlib)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibration.predict import Prediction
from calibration.validation.outcomes import Outcome
from hwsim.errors import InputError
from hwsim.report.picture import canvas, check, plain, write
from hwsim.units import seconds_text

FACTOR = 1.25  # the band around what was measured
FARTHEST = 4.0  # factor at the edge of the lower panel, where all beyond it is drawn
INK, BAND = "#333333", "#d9d9d9"
# Kind of table -> what it is called and its color (Okabe and Ito 2008, told apart by all eyes).
KINDS = {
    "pointwise": ("elementwise", "#e69f00"),
    "gemm": ("products", "#0072b2"),
    "convolution": ("convolutions", "#cc79a7"),
    "recurrent": ("recurrences", "#56b4e9"),
    "collective": ("collectives", "#009e73"),
    "transformer-step": ("steps", "#d55e00"),
    "moe-step": ("steps of mixtures", "#000000"),
}
Pairs = list[tuple[float, float]]


def save(path: Path, found: Sequence[Outcome], split: str = "none") -> None:
    """Log-log with a color for each kind of table, or for each source of a single kind; below, how
    far off each case is. The band is within a factor of 1.25.

    Raises InputError for another file type and where nothing was measured, SurroundingsError if
    matplotlib is missing or the file can't be written.
    """
    check(path)
    points = _points(found)
    if not points:
        raise InputError("--plot", "found no case that is both measured and predicted", "add one")
    figure = canvas(path, 6.0, 7.1)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    every = np.array([pair for pairs in points.values() for pair in pairs])
    ends = np.array([every.min() / 1.5, every.max() * 1.5])
    above.fill_between(ends, ends / FACTOR, ends * FACTOR, color=BAND, lw=0)
    below.axhspan(1 / FACTOR, FACTOR, color=BAND, lw=0)
    for place, (name, pairs) in enumerate(points.items()):
        _draw(above, below, name, pairs, place)
    above.plot(ends, ends, color=INK, lw=0.8)
    below.axhline(1, color=INK, lw=0.8)
    held = f"held out, parameters fitted to every other {split}"
    origin = "predicted with what is shipped" if split == "none" else held
    figure.suptitle(f"{len(every):,} cases, {origin}; band: within a factor of 1.25", fontsize=10)
    _axes(above, below, ends)
    write(figure, path)


def _points(found: Sequence[Outcome]) -> Mapping[str, Pairs]:
    """(measured, predicted) by kind of table, those of most cases first; by source of one kind."""
    scored = [
        (outcome.suite, (outcome.measurement.seconds, outcome.answer.seconds))
        for outcome in found
        if isinstance(outcome.answer, Prediction) and outcome.measurement.seconds is not None
    ]
    alone = len({kind for (kind, _), _ in scored}) == 1
    points: dict[str, Pairs] = defaultdict(list)
    for (kind, source), pair in scored:
        points[source if alone else kind].append(pair)
    return dict(sorted(points.items(), key=lambda item: -len(item[1])))


def _draw(above: Any, below: Any, name: str, pairs: Pairs, place: int) -> None:
    measured, predicted = np.array(pairs).T
    label, color = KINDS.get(name, (name, f"C{place % 10}"))
    off = predicted / measured
    inside = np.mean(np.abs(np.log(off)) <= np.log(FACTOR))
    told = f"{plain(label)}: {inside:.0%} of {len(pairs):,}".replace("%", " %")
    # Thousands of points are an image in a vector file, too.
    look = {"color": color, "ms": 3.2, "mew": 0, "alpha": 0.5, "zorder": 3, "rasterized": True}
    above.plot(measured, predicted, "o", label=told, **look)
    below.plot(measured, np.clip(off, 1 / FARTHEST, FARTHEST), "o", clip_on=False, **look)


def _axes(above: Any, below: Any, ends: Any) -> None:
    def text(seconds: float, _: int) -> str:
        return f"{seconds:,.0f} s" if seconds >= 1 else seconds_text(seconds)

    above.set(xscale="log", yscale="log", xlim=ends, ylim=ends, ylabel="predicted")
    below.set(yscale="log", ylim=(1 / FARTHEST, FARTHEST))
    below.set(xlabel="measured", ylabel="predicted / measured")
    for axis in (below.xaxis, above.yaxis):
        axis.set_major_formatter(text)
    below.set_yticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    below.minorticks_off()
    for panel in (above, below):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="#eeeeee", lw=0.6)
        panel.set_axisbelow(True)
    legend = above.legend(frameon=False, fontsize=9, loc="upper left", markerscale=2)
    legend.set_title("within the band", prop={"size": 9})
    legend.set_zorder(5)
