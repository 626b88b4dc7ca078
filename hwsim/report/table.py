"""Estimates as tables on the terminal (rich; plain text when stdout is not one)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hwsim.estimate import Estimate
from hwsim.study.vary import Variation
from hwsim.units import MEMORY, seconds_text, si_text


def show(answer: Estimate, *, cite: bool) -> None:
    """One estimate: what was asked, the three figures, the parts, memory, what to know."""
    console = _console()
    _headline(console, answer)
    figures = Table(box=None, pad_edge=False)
    figures.add_column("")
    figures.add_column("value", justify="right")
    figures.add_column("80 % interval", justify="right")
    count, step, total = answer.convergence, answer.step, answer.total
    if count is not None:
        figures.add_row("steps", f"{count.steps:,.0f}", f"{count.low:,.0f} .. {count.high:,.0f}")
    figures.add_row("time per step", seconds_text(step.seconds), _range(step.low, step.high))
    if total is not None:
        figures.add_row(
            "total training time",
            seconds_text(total.seconds),
            _range(total.low, total.high),
            style="bold",
        )
    console.print(figures)
    if count is not None:
        console.print(f"target: {count.target} (law: {count.law})\n")
    console.print(_parts(answer))
    room = answer.memory
    parts = ", ".join(f"{name} {si_text(size, 'B')}" for name, size in room.parts.items() if size)
    console.print(
        f"\nmemory per device: {si_text(room.bytes, 'B')} of {MEMORY.format(room.capacity)} "
        f"({parts})"
    )
    _list(console, "warning", answer.warnings)
    _list(console, "assumed", answer.assumptions)
    if cite:
        _list(console, "source", answer.sources)


def show_points(
    variation: Variation, answers: Sequence[Estimate], best: int, flat: Sequence[int]
) -> None:
    """One row per value of the varied field; the optimum and its flat region are marked."""
    console = _console()
    _headline(console, answers[best])
    rows = Table(box=None, pad_edge=False)
    for name in (variation.path, "parameters", "steps", "time/step", "total", "80 % interval", ""):
        rows.add_column(name, justify="left" if not name else "right")
    for index, (value, answer) in enumerate(zip(variation.values, answers, strict=True)):
        count, total = answer.convergence, answer.total
        mark = "<- optimum" if index == best else "within 10 %" if index in flat else ""
        rows.add_row(
            value,
            si_text(answer.workload.parameters, ""),
            f"{count.steps:,.0f}" if count else "-",
            seconds_text(answer.step.seconds),
            seconds_text(total.seconds) if total else "-",
            _range(total.low, total.high) if total else "-",
            mark if answer.memory.fits else "does not fit in memory",
        )
    console.print(rows)
    ends = [variation.values[min(flat)], variation.values[max(flat)]]
    console.print(
        f"\noptimum at {variation.path} = {variation.values[best]}; "
        f"within 10 % of it from {ends[0]} to {ends[1]}"
    )
    seen: dict[str, None] = {}
    for answer in answers:
        seen.update(dict.fromkeys(answer.warnings))
    _list(console, "warning", list(seen))


def _console() -> Console:
    """Text as it stands: names come from files, and lines in a pipe are not folded."""
    terminal = sys.stdout.isatty()
    return Console(
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        emoji=False,
        highlight=False,
        markup=False,
        soft_wrap=not terminal,
        width=None if terminal else 240,
    )


def _headline(console: Console, answer: Estimate) -> None:
    work, hardware = answer.workload, answer.hardware
    devices = answer.plan["devices"]
    console.print(
        f"{work.name} ({si_text(work.parameters, '')} parameters, batch {work.sizes['batch']}, "
        f"{work.sizes['dtype']}) on {hardware.name}: {devices} x {hardware.device}\n"
    )


def _parts(answer: Estimate) -> Table:
    step = answer.step
    parts = Table(box=None, pad_edge=False)
    parts.add_column("part of a step")
    parts.add_column("seconds", justify="right")
    parts.add_column("share", justify="right")
    for name, seconds in step.parts.items():
        if seconds:
            parts.add_row(name, seconds_text(seconds), f"{seconds / step.seconds:.1%}")
    return parts


def _range(low: float, high: float) -> str:
    return f"{seconds_text(low)} .. {seconds_text(high)}"


def _list(console: Console, label: str, texts: Sequence[str]) -> None:
    if texts:
        console.print()
    for text in texts:
        console.print(f"{label}: {text}")
