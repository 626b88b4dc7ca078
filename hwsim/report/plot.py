"""Pictures of a variation: steps, time per step and total time, with intervals (matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hwsim.estimation import Estimate
from hwsim.report import style
from hwsim.report.picture import canvas, plain, write
from hwsim.study.total import Optimum, time_of
from hwsim.study.vary import Variation

MOST_TICKS = 6
STEPS, STEP, TOTAL, FLAT = "#4269d0", "#efb118", "#3ca951", "#e4e4e4"


def save(
    path: Path,
    variation: Variation,
    answers: Sequence[Estimate],
    found: Optimum,
    numbers: Sequence[float] | None = None,
) -> None:
    """Three panels over model size, or over the varied field, where parameters stay the same.

    `numbers` are the values of the field; without them its values stand side by side. What doesn't
    fit in memory is drawn hollow. Raises InputError for another file type, and SurroundingsError if
    matplotlib is missing or the file can't be written.
    """
    figure = canvas(path, 10.5, 3.6)
    across = _axis(variation, answers, numbers)
    order = sorted(range(len(answers)), key=lambda number: across.places[number])
    x = [across.places[number] for number in order]
    best, flat = order.index(found.best), [order.index(number) for number in found.flat]
    answers = [answers[number] for number in order]
    large = [place for place, answer in enumerate(answers) if not answer.memory.fits]
    drawn = [("time per step", STEP, [(a.step.low, a.step.seconds, a.step.high) for a in answers])]
    counts = [(c.low, c.steps, c.high) for a in answers if (c := a.convergence)]
    totals = [(t.low, t.seconds, t.high) for a in answers if (t := a.total)]
    if len(totals) == len(answers):
        drawn = [("steps to target", STEPS, counts), *drawn, ("total time", TOTAL, totals)]
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    for panel, (title, color, bands) in zip(panels, drawn, strict=True):
        low, value, high = zip(*bands, strict=True)
        panel.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
        panel.plot(x, value, "o-", color=color, ms=4)
        panel.plot(
            [x[n] for n in large], [value[n] for n in large], "o", color=color, mfc="white", ms=5,
            label=style.LARGE if large else None,
        )  # fmt: skip
        panel.set_yscale("log")
        style.bare(panel, title=title, x=across.label)
        (style.numbers_on if title.startswith("steps") else style.seconds_on)(panel.yaxis)
        _ticks(panel, across, order)
    last = panels[-1]
    last.axvspan(x[min(flat)], x[max(flat)], color=FLAT, zorder=0, label="within 10 % of optimum")
    last.plot(x[best], time_of(answers[best]), "*", ms=13, color="black", label="optimum")
    style.legend(last)
    devices, hardware = answers[best].plan["devices"], answers[best].hardware
    name = answers[best].workload.name
    figure.suptitle(plain(f"{name} on {devices} x {hardware.device}; bands are 80 % intervals"))
    write(figure, path)


class _Across(NamedTuple):
    """Where points are, what is written there (numbers without it), and of what."""

    places: list[float]
    texts: list[str]
    label: str
    log: bool


def _axis(
    variation: Variation, answers: Sequence[Estimate], numbers: Sequence[float] | None
) -> _Across:
    sizes = [float(answer.workload.parameters) for answer in answers]
    if len(set(sizes)) == len(sizes):
        return _Across(sizes, [], "parameters", log=True)
    texts = [style.short(text) for text in variation.values]
    if numbers is None:
        return _Across(list(map(float, range(len(texts)))), texts, variation.path, log=False)
    return _Across(list(numbers), texts, variation.path, log=min(numbers) > 0)


def _ticks(panel: Any, across: _Across, order: Sequence[int]) -> None:
    """Values where points are, as they were written; no more than there is room for."""
    if across.log:
        panel.set_xscale("log")
    if not across.texts:
        style.numbers_on(panel.xaxis)
        return
    every = -(-len(order) // MOST_TICKS)
    shown = order[::every]
    style.at(
        panel.xaxis,
        [across.places[number] for number in shown],
        [style.named(across.texts[number], 14) for number in shown],
    )
    panel.tick_params(axis="x", labelsize=style.SMALL, rotation=30 if len(shown) > 3 else 0)
