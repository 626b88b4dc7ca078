"""Estimates as tables on the terminal (rich; plain text when stdout is not one)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from hwsim.convergence.law import GIVEN
from hwsim.estimation import Estimate
from hwsim.report.console import make_console, plain_table
from hwsim.spending.record import Spending
from hwsim.study.total import Optimum
from hwsim.study.vary import Variation
from hwsim.units import bytes_text, energy_text, mass_text, money_text, seconds_text, si_text


def show(answer: Estimate, *, cite: bool) -> None:
    """One estimate: what was asked, the three figures, the parts, memory, what to know."""
    console = make_console()
    headline(console, answer)
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
    _spent(figures, answer)
    console.print(figures)
    if count is not None:
        law = "" if count.law == GIVEN else f" (law: {count.law})"
        console.print(f"target: {count.target}{law}\n{_batch(answer)}")
    console.print(_parts("part of a step", step.parts))
    if total is not None and total.parts["steps"] < total.seconds:
        console.print()
        console.print(_parts("part of the training", total.parts))
    room = answer.memory
    parts = ", ".join(f"{name} {bytes_text(size)}" for name, size in room.parts.items() if size)
    console.print(
        f"\nmemory per device: {bytes_text(room.bytes)} of {bytes_text(room.capacity)} ({parts})"
    )
    _list(console, "warning", answer.warnings)
    _list(console, "assumed", answer.assumptions)
    if cite:
        _list(console, "source", answer.sources)


def show_points(variation: Variation, answers: Sequence[Estimate], found: Optimum) -> None:
    """One row per value of the varied field; the optimum and its flat region are marked.

    `/ optimum` is a ratio of paired draws, `fastest` the share of draws in which a point is the
    best of all.
    """
    console = make_console()
    headline(console, answers[found.best])
    batches = len({answer.workload.items_per_step for answer in answers}) > 1
    rows = _columns(variation, batches=batches)
    for index, (value, answer) in enumerate(zip(variation.values, answers, strict=True)):
        count, total, over = answer.convergence, answer.total, found.ratios[index]
        mark = "<- optimum" if index == found.best else "within 10 %" if index in found.flat else ""
        rows.add_row(
            value,
            si_text(answer.workload.parameters, ""),
            f"{count.steps:,.0f}" if count else "-",
            *(_samples(answer) if batches else ()),
            seconds_text(answer.step.seconds),
            seconds_text(total.seconds) if total else "-",
            _range(total.low, total.high) if total else "-",
            f"{over.value:.2f}",
            f"{over.low:.2f} .. {over.high:.2f}",
            f"{found.fastest[index]:.0%}",
            mark if answer.memory.fits else "does not fit in memory",
        )
    console.print(rows)
    console.print(f"\n{_optimum(variation, found)}")
    seen: dict[str, None] = {}
    for answer in answers:
        seen.update(dict.fromkeys(answer.warnings))
    _list(console, "warning", list(seen))


def _columns(variation: Variation, *, batches: bool) -> Table:
    kinds = ("batch", "samples", "efficiency") if batches else ()
    numbers = (variation.path, "parameters", "steps", *kinds, "time/step", "total")
    rows = plain_table(right=(*numbers, "80 % interval", "/ optimum", "80 %", "fastest"))
    rows.add_column("")
    return rows


def _samples(answer: Estimate) -> tuple[str, str, str]:
    """The batch, all samples of the training, and what a small batch would need of them."""
    batch, count = answer.workload.sizes["batch"], answer.convergence
    if count is None:
        return f"{batch:,}", "-", "-"
    share = "-" if count.efficiency is None else f"{count.efficiency:.0%}"
    return f"{batch:,}", si_text(count.samples, ""), share


def _batch(answer: Estimate) -> str:
    """A line on what the batch costs, where the law knows."""
    batch, count = answer.workload.sizes["batch"], answer.convergence
    if count is None or count.efficiency is None:
        return ""
    small = f"a small one would need {count.efficiency:.0%} of the {si_text(count.samples, '')}"
    return f"batch {batch:,}: {small} samples (critical batch {count.critical_batch:,.0f})\n"


def _optimum(variation: Variation, found: Optimum) -> str:
    values = variation.values
    told = f"optimum at {variation.path} = {values[found.best]}"
    if variation.in_order:
        told += f" (80 %: {_span(values[found.low], values[found.high])})"
    return (
        f"{told}; within 10 % of it from {_span(values[min(found.flat)], values[max(found.flat)])}"
    )


def _span(first: str, last: str) -> str:
    return f"{first} to {last}"


def headline(console: Console, answer: Estimate) -> None:
    work, hardware = answer.workload, answer.hardware
    devices = answer.plan["devices"]
    console.print(
        f"{work.name} ({si_text(work.parameters, '')} parameters, batch {work.sizes['batch']}, "
        f"{work.sizes['dtype']}) on {hardware.name}: {devices} x {hardware.device}\n"
    )


def _spent(figures: Table, answer: Estimate) -> None:
    """Rows of what the training takes besides time, or a step where there is no count."""
    energy, cost = answer.energy, answer.cost
    rows: list[tuple[str, Spending | None, Callable[[float], str]]] = [
        ("energy", energy, energy_text),
        ("carbon (CO2e)", energy.carbon if energy else None, mass_text),
        ("cost", cost, money_text),
    ]
    for label, spent, text in rows:
        if spent is None:
            continue
        amount = spent.total or spent.step
        each = "" if spent.total else " per step"
        ends = f"{text(amount.low)} .. {text(amount.high)}"
        figures.add_row(label + each, text(amount.value), ends)


def _parts(title: str, parts: Mapping[str, float]) -> Table:
    whole = sum(parts.values())
    rows = plain_table(title, right=("seconds", "share"))
    for name, seconds in parts.items():
        if seconds:
            rows.add_row(name, seconds_text(seconds), f"{seconds / whole:.1%}")
    return rows


def _range(low: float, high: float) -> str:
    return f"{seconds_text(low)} .. {seconds_text(high)}"


def _list(console: Console, label: str, texts: Sequence[str]) -> None:
    if texts:
        console.print()
    for text in texts:
        console.print(f"{label}: {text}")
