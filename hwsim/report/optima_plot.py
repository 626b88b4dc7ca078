"""A picture of several optima: total time against model size, a curve for each machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwsim.estimation import Estimate
from hwsim.report.picture import canvas, plain, write
from hwsim.study.total import Optimum, time_of

COLORS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#9c6b4e")


@dataclass(frozen=True)
class Curve:
    """The estimates of one machine over model sizes, and their optimum."""

    label: str
    answers: Sequence[Estimate]
    found: Optimum


def save(path: Path, panels: Mapping[str, Sequence[Curve]], title: str) -> None:
    """A panel for each title, with its curves.

    A star marks each optimum, a broad line its flat region. Bands are the 80 % intervals of paired
    ratios to the optimum, times the optimum: what all sizes of a machine share is left out. Raises
    InputError for another file type, and SurroundingsError if matplotlib is missing or the file
    can't be written.
    """
    figure = canvas(path, 5.2 * len(panels), 4.2)
    row = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for panel, (name, curves) in zip(row, panels.items(), strict=True):
        for number, curve in enumerate(curves):
            _draw(panel, curve, COLORS[number % len(COLORS)])
        panel.set(xscale="log", yscale="log", title=plain(name), xlabel="parameters")
        panel.grid(alpha=0.3, which="major")
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, fontsize=8)
    row[0].set_ylabel("total seconds")
    figure.suptitle(plain(title))
    write(figure, path)


def _draw(panel: Any, curve: Curve, color: str) -> None:
    found = curve.found
    shown = [number for number, answer in enumerate(curve.answers) if answer.memory.fits]
    x = [curve.answers[number].workload.parameters for number in shown]
    times = [time_of(curve.answers[number]) for number in shown]
    least = time_of(curve.answers[found.best])
    low = [found.ratios[number].low * least for number in shown]
    high = [found.ratios[number].high * least for number in shown]
    panel.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
    panel.plot(x, times, "o-", color=color, ms=3, lw=1, label=plain(curve.label))
    flat = [place for place, number in enumerate(shown) if number in found.flat]
    broad = {"lw": 5, "alpha": 0.5, "solid_capstyle": "round"}
    panel.plot([x[place] for place in flat], [times[place] for place in flat], color=color, **broad)
    best = shown.index(found.best)
    panel.plot(x[best], least, "*", ms=12, color=color, mec="black", mew=0.6)
