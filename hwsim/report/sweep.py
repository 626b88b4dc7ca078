"""What came of a sweep: a line or two on standard error, and its best points."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from hwsim.report.console import plain_table
from hwsim.study.sweep.digest import Best, Digest
from hwsim.study.sweep.run import Gap, Summary
from hwsim.study.sweep.task import Task
from hwsim.units import bytes_text, seconds_text

NOTHING = Digest()


def line(found: Summary) -> str:
    """Points, their rate, and how many have an answer and fit."""
    points, seconds = found.digest.points, found.seconds
    rate = f"{points / seconds:,.0f} points/s" if seconds > 0 else "at once"
    kept = f", behind {found.first:,} that were there" if found.first else ""
    return (
        f"{points:,} points in {seconds_text(seconds)} ({rate}){kept}: "
        f"{found.digest.answered:,} answered, {found.digest.fit:,} fit in memory"
    )


def best_line(task: Task, best: Best) -> str:
    """The best point: its settings and its time."""
    told = ", ".join(f"{path}={text}" for path, text in task.axes.settings(best.number).items())
    whole = "training" if "steps" in best.figures and best.figures["steps"] > 0 else "step"
    return f"shortest {whole}: {seconds_text(best.seconds)} at {told}"


def gap_line(gap: Gap) -> str:
    """How far the closed form is off."""
    if not gap.points:
        return "no point that was drawn has a closed form to compare with its events"
    off = f"{gap.median:.2%} off in the middle, {gap.most:.2%} at most"
    return f"closed form against the events of {gap.points} points: {off}"


def show_best(console: Console, task: Task, best: tuple[Best, ...]) -> None:
    """The best points, one per row."""
    paths = task.axes.paths
    table = plain_table("#", *paths, right=("time/step", "steps", "total", "memory"))
    for place, one in enumerate(best):
        figures, settings = one.figures, task.axes.settings(one.number)
        steps, total = figures.get("steps", 0.0), figures.get("total_seconds", 0.0)
        table.add_row(
            str(place + 1),
            *(settings[path] for path in paths),
            seconds_text(figures["seconds"]),
            f"{steps:,.0f}" if steps > 0 else "-",
            seconds_text(total) if total > 0 else "-",
            bytes_text(figures["memory_bytes"]),
        )
    console.print(table)


def record(task: Task, found: Summary, gap: Gap | None) -> dict[str, Any]:
    """The summary as plain JSON values."""
    digest = found.digest
    return {
        "schema": "hwsim.sweep-summary/1",
        "points": digest.points,
        "before": found.first,
        "seconds": found.seconds,
        "answered": digest.answered,
        "fit": digest.fit,
        "best": [
            {"row": one.number, "settings": task.axes.settings(one.number)} | _known(one.figures)
            for one in digest.best
        ],
        "events": gap._asdict() if gap and gap.points else None,
    }


def _known(figures: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def draw(path: Path, task: Task, digest: Digest) -> None:
    """A heat map of the times over the two axes of a sweep."""
    from hwsim.report.heat_plot import save_heat

    down, across = task.axes.axes
    names = [" and ".join(axis.paths) for axis in (across, down)]
    xs, ys = (
        [", ".join(row) for row in zip(*axis.texts(0, axis.size), strict=True)]
        for axis in (across, down)
    )
    whole = "training" if digest.best[0].figures.get("steps", 0.0) > 0 else "step"
    subject = task.subject
    save_heat(
        path,
        xs,
        ys,
        np.reshape(digest.times, (down.size, across.size)),
        (names[0], names[1], f"seconds of a {whole}"),
        f"{subject.workload.name} on {subject.system.name}",
        seconds_text,
    )
