"""What a search found, as tables: its space, the best plans, and why the others lose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwsim.report.console import make_console, plain_table
from hwsim.study.search.fields import DEGREES
from hwsim.study.search.record import FATES, VALUES, rest_text, value_text
from hwsim.units import bytes_text, seconds_text

SMALL = 1e-3  # of the best step: smaller differences are not told


def show(told: Mapping[str, Any]) -> None:
    """The space, the best plans and what became of all others."""
    console = make_console()
    _show_space(told)
    if told["best"]:
        _show_best(told)
    fates = plain_table("configurations", "", title_justify="left")
    fates.columns[0].justify = "right"
    for name, count in told["counts"].items():
        if count:
            fates.add_row(f"{count:,}", FATES[name])
    console.print()
    console.print(fates)
    console.print(f"\n{_certain(told)}")
    if told["certain"] < len(told["best"]) and told["complete"]:
        console.print("without a number: the next best of those evaluated (--certain N for more)")
    if told["reordered"]:
        console.print("the event simulation ranks them otherwise: see its column")


def _show_space(told: Mapping[str, Any]) -> None:
    console = make_console()
    first = told["spaces"][0]
    rows = plain_table("field", "values")
    devices = ", ".join(f"{number:,}" for number in told["devices"])
    ways = "way" if first["degrees"] == 1 else "ways"
    many = "device" if devices == "1" else "devices"
    rows.add_row("degrees", f"{first['degrees']:,} {ways} to share {devices} {many}")
    for name, values in first["fields"].items():
        if len(values) > 1:
            rows.add_row(name, ", ".join(value_text(value) for value in values))
    console.print(rows)
    more = len(told["spaces"])
    of = f" of {more:,} subjects" if more > 1 else ""
    console.print(f"{told['configurations']:,} configurations{of}\n")


def _show_best(told: Mapping[str, Any]) -> None:
    console = make_console()
    what, text = VALUES[told["for"]]
    best = told["best"]
    names = [*best[0]["settings"]]
    degrees = [n for n in DEGREES if any(one["plan"][n] > 1 for one in best)] or ["dp"]
    checked = any(one["engine"] == "closed" and one["events"] is not None for one in best)
    right = ("", what, *(["by events"] if checked else []), "memory")
    rows = plain_table(*names, *degrees, "plan", right=right)
    del rows.columns[:]
    for name in ("", *names, *degrees):
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_column("plan", overflow="fold")
    for name in right[1:]:
        rows.add_column(name, justify="right")
    rows.add_column("step, against the best", overflow="fold")
    for number, one in enumerate(best, start=1):
        events = one["events"]
        rows.add_row(
            str(number) if number <= told["certain"] else "",
            *(one["settings"].values()),
            *(str(one["plan"][name]) for name in degrees),
            rest_text(one["plan"]),
            text(one["value"]),
            *([text(events) if events is not None else "-"] if checked else []),
            bytes_text(one["memory"]["bytes"]),
            _loses(one, best[0]) if number > 1 else "",
        )
    console.print(rows)


def _loses(one: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """The parts of a step that differ most."""
    least = SMALL * best["step"]["seconds"]
    large = [(part, more) for part, more in one["loses"].items() if abs(more) >= least]
    if not large:
        return "the same within 0.1 %"
    return ", ".join(
        f"{'+' if more > 0 else '-'}{seconds_text(abs(more))} {part}" for part, more in large
    )


def _certain(told: Mapping[str, Any]) -> str:
    took = f"in {seconds_text(told['seconds'])}"
    if not told["best"]:
        return f"nothing is feasible, {took}" if told["complete"] else f"nothing yet, {took}"
    if told["complete"]:
        return f"the first is the best of the space for certain, {took}"
    value = told["best"][0]["value"]
    gap = 1.0 - (told["bound"] or 0.0) / value if value else 0.0
    return f"interrupted: the best of the space is at most {max(gap, 0.0):.2%} below, {took}"
