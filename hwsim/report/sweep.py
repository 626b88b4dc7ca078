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


def line(found: Summary) -> str:
    """Points, their rate, and how many have an answer and fit."""
    points, seconds = found.points, found.seconds
    rate = f"{points / seconds:,.0f} points/s" if seconds > 0 else "at once"
    kept = f", behind {found.first:,} that were there" if found.first else ""
    which = "" if not found.first else "of all " if found.whole else "of the new ones "
    return (
        f"{points:,} {'point' if points == 1 else 'points'} in {seconds_text(seconds)} "
        f"({rate}){kept}: {which}{found.digest.answered:,} answered, "
        f"{found.digest.fit:,} fit in memory"
    )


def best_line(task: Task, found: Summary) -> str:
    """The best point: its settings and its time."""
    best = found.digest.best[0]
    told = ", ".join(f"{path}={text}" for path, text in task.axes.settings(best.number).items())
    whole = "training" if "steps" in best.figures and best.figures["steps"] > 0 else "step"
    new = "" if found.whole else " of the new rows"
    return f"shortest {whole}{new}: {seconds_text(best.seconds)} at {told}"


def show_gap(console: Console, task: Task, gap: Gap, *, each: bool) -> None:
    """How far the closed form is off; with `each` the step of each point that was simulated."""
    if each:
        paths = task.axes.paths
        table = plain_table("row", *paths, right=("closed form", "events", "off"))
        for one in gap.every:
            settings, seconds = task.axes.settings(one.number), (one.closed, one.events)
            times = ("-" if math.isnan(time) else seconds_text(time) for time in seconds)
            off = "-" if math.isnan(one.off) else f"{one.off:.2%}"
            table.add_row(str(one.number), *(settings[path] for path in paths), *times, off)
        console.print(table)
    if gap.points:
        off = f"{gap.median:.2%} off in the middle, {gap.most:.2%} at most"
        console.print(f"closed form against the events of {gap.points} points: {off}")
    else:
        console.print("no point that was simulated has a closed form to compare with")


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
        "points": found.points,
        "before": found.first,
        "whole": found.whole,
        "seconds": found.seconds,
        "answered": digest.answered,
        "fit": digest.fit,
        "best": [
            {"row": one.number, "settings": task.axes.settings(one.number)} | _known(one.figures)
            for one in digest.best
        ],
        "events": _compared(task, gap) if gap else None,
    }


def _compared(task: Task, gap: Gap) -> dict[str, Any]:
    every = [
        {"row": one.number, "settings": task.axes.settings(one.number)}
        | _known({"closed": one.closed, "events": one.events})
        | ({"why": one.why} if one.why else {})
        for one in gap.every
    ]
    return {"points": gap.points, **_known({"median": gap.median, "most": gap.most}), "each": every}


def _known(figures: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def draw(path: Path, task: Task, digest: Digest) -> None:
    """A heat map of the times over the two axes of a sweep."""
    from hwsim.report.heat_plot import save_heat
    from hwsim.report.style import durations

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
        (names[0], names[1], f"time of a {whole}"),
        f"{subject.workload.name} on {subject.system.name}",
        seconds_text,
        durations,
    )
