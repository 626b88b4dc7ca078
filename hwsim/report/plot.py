"""Pictures of a variation: steps, time per step and total time, with intervals (matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwsim.errors import InputError
from hwsim.estimation import Estimate
from hwsim.records import factor_of
from hwsim.report.picture import canvas, plain, write
from hwsim.study.total import Optimum, time_of
from hwsim.study.vary import Variation

STEPS, STEP, TOTAL, FLAT = "#4269d0", "#efb118", "#3ca951", "#e4e4e4"


def save(
    path: Path,
    variation: Variation,
    answers: Sequence[Estimate],
    found: Optimum,
) -> None:
    """Three panels over model size (or over the varied field, where parameters stay the same).

    Raises InputError for another file type, and SurroundingsError if matplotlib is missing or the
    file can't be written.
    """
    figure = canvas(path, 10.5, 3.6)
    best, flat = found.best, found.flat
    x, label = _axis(variation, answers)
    drawn = [
        ("seconds per step", STEP, [(a.step.low, a.step.seconds, a.step.high) for a in answers])
    ]
    counts = [(c.low, c.steps, c.high) for a in answers if (c := a.convergence)]
    totals = [(t.low, t.seconds, t.high) for a in answers if (t := a.total)]
    if len(totals) == len(answers):
        drawn = [("steps to target", STEPS, counts), *drawn, ("total seconds", TOTAL, totals)]
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    for panel, (title, color, bands) in zip(panels, drawn, strict=True):
        low, value, high = zip(*bands, strict=True)
        panel.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
        panel.plot(x, value, "o-", color=color, ms=4)
        panel.set(xscale="log", yscale="log", title=title, xlabel=label)
        panel.grid(alpha=0.3, which="major")
        panel.spines[["top", "right"]].set_visible(False)
    last = panels[-1]
    last.axvspan(x[min(flat)], x[max(flat)], color=FLAT, zorder=0, label="within 10 % of optimum")
    last.plot(x[best], time_of(answers[best]), "*", ms=13, color="black", label="optimum")
    last.legend(frameon=False, fontsize=8)
    devices, hardware = answers[best].plan["devices"], answers[best].hardware
    name = answers[best].workload.name
    figure.suptitle(plain(f"{name} on {devices} x {hardware.device}; bands are 80 % intervals"))
    write(figure, path)


def _axis(variation: Variation, answers: Sequence[Estimate]) -> tuple[list[float], str]:
    sizes = [float(answer.workload.parameters) for answer in answers]
    if len(set(sizes)) == len(sizes):
        return sizes, "parameters"
    try:
        numbers = [factor_of(value) or float(value.split()[0]) for value in variation.values]
        return numbers, variation.path
    except ValueError:
        raise InputError(
            "--plot", f"'{variation.path}' takes values that are no numbers", "vary a number"
        ) from None
