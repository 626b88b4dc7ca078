"""Pictures of a variation: steps, time per step and total time, with intervals (matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwsim.errors import InputError, SurroundingsError
from hwsim.estimate import Estimate
from hwsim.study.vary import Variation

FORMATS = (".svg", ".png", ".pdf")
STEPS, STEP, TOTAL, FLAT = "#4269d0", "#efb118", "#3ca951", "#d9efdc"


def save(
    path: Path,
    variation: Variation,
    answers: Sequence[Estimate],
    best: int,
    flat: Sequence[int],
) -> None:
    """Three panels over model size (or over the varied field, where parameters stay the same).

    Raises InputError for another file type, and SurroundingsError if matplotlib is missing or the
    file can't be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError("--plot", f"found '{path}'", f"end it in one of {', '.join(FORMATS)}")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SurroundingsError(
            "--plot", "matplotlib is not installed", 'pip install "hwsim[plot]"'
        ) from None
    x, label = _axis(variation, answers)
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    counted = all(answer.convergence and answer.total for answer in answers)
    panels = figure.subplots(1, 3 if counted else 1, squeeze=False)[0]
    if counted:
        _panel(panels[0], x, [a.convergence for a in answers], "steps", "steps to target", STEPS)
        _panel(panels[2], x, [a.total for a in answers], "seconds", "total time [s]", TOTAL)
    _panel(panels[1 if counted else 0], x, [a.step for a in answers], "seconds", "time per step [s]", STEP)
    last, times = panels[-1], [a.total if counted else a.step for a in answers]
    last.axvspan(x[min(flat)], x[max(flat)], color=FLAT, zorder=0, label="within 10 % of optimum")
    least = times[best]
    last.plot([x[best]], [least.seconds if least else 0.0], "*", ms=13, color="black", label="optimum")
    last.legend(frameon=False, fontsize=8)
    for panel in panels:
        panel.set_xlabel(label)
    hardware, work = answers[best].hardware, answers[best].workload
    figure.suptitle(
        f"{work.name} on {answers[best].plan['devices']} x {hardware.device}; bands are 80 % intervals"
    )
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise SurroundingsError(str(path), f"can't be written ({error.strerror})") from None


def _axis(variation: Variation, answers: Sequence[Estimate]) -> tuple[list[float], str]:
    sizes = [float(answer.workload.parameters) for answer in answers]
    if len(set(sizes)) == len(sizes):
        return sizes, "parameters"
    try:
        return [float(value.split()[0]) for value in variation.values], variation.path
    except ValueError:
        raise InputError(
            "--plot", f"'{variation.path}' takes values that are no numbers", "vary a number"
        ) from None


def _panel(
    panel: Any, x: list[float], answers: Sequence[Any], field: str, title: str, color: str
) -> None:
    panel.fill_between(
        x, [a.low for a in answers], [a.high for a in answers], color=color, alpha=0.2, lw=0
    )
    panel.plot(x, [getattr(a, field) for a in answers], "o-", color=color, ms=4)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_title(title, fontsize=10)
    panel.grid(alpha=0.3, which="major")
    panel.spines[["top", "right"]].set_visible(False)
