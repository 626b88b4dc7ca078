"""Estimates as tables on the terminal (rich; plain text when stdout is not one)."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hwsim.convergence.law import GIVEN
from hwsim.estimate import Estimate
from hwsim.report.console import make_console, plain_table
from hwsim.study.vary import Variation
from hwsim.units import bytes_text, seconds_text, si_text


def show(answer: Estimate, *, cite: bool) -> None:
    """One estimate: what was asked, the three figures, the parts, memory, what to know."""
    console = make_console()
    _headline(console, answer)
    figures = plain_table("", right=("value", "80 % interval"))
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
        law = "" if count.law == GIVEN else f" (law: {count.law})"
        console.print(f"target: {count.target}{law}\n")
    console.print(_parts(answer))
    room = answer.memory
    parts = ", ".join(f"{name} {bytes_text(size)}" for name, size in room.parts.items() if size)
    console.print(
        f"\nmemory per device: {bytes_text(room.bytes)} of {bytes_text(room.capacity)} ({parts})"
    )
    _list(console, "warning", answer.warnings)
    _list(console, "assumed", answer.assumptions)
    if cite:
        _list(console, "source", answer.sources)


def show_points(
    variation: Variation, answers: Sequence[Estimate], best: int, flat: Sequence[int]
) -> None:
    """One row per value of the varied field; the optimum and its flat region are marked."""
    console = make_console()
    _headline(console, answers[best])
    numbers = (variation.path, "parameters", "steps", "time/step", "total", "80 % interval")
    rows = plain_table(right=numbers)
    rows.add_column("")
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


def _headline(console: Console, answer: Estimate) -> None:
    work, hardware = answer.workload, answer.hardware
    devices = answer.plan["devices"]
    console.print(
        f"{work.name} ({si_text(work.parameters, '')} parameters, batch {work.sizes['batch']}, "
        f"{work.sizes['dtype']}) on {hardware.name}: {devices} x {hardware.device}\n"
    )


def _parts(answer: Estimate) -> Table:
    step = answer.step
    parts = plain_table("part of a step", right=("seconds", "share"))
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
