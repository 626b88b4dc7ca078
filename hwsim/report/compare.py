"""Estimates side by side, as tables on the terminal and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from hwsim.estimation import Estimate
from hwsim.report.console import make_console, plain_table
from hwsim.study.compare import Against, Change
from hwsim.study.objectives import SPENT, figures
from hwsim.study.total import Ratio
from hwsim.units import bytes_text, energy_text, mass_text, money_text, seconds_text

SCHEMA = "hwsim.compare/1"
MACHINE = ("device.", "node.", "network.", "nodes", "hardware.topology", "hardware.network")
MOST_FIELDS = 16  # from which on figures of a machine are only counted
TEXTS = {"energy": energy_text, "cost": money_text, "carbon": mass_text}
AXES: dict[str, tuple[str, Callable[[float], str]]] = {
    "step": ("time per step", seconds_text),
    "steps": ("steps", "{:,.0f}".format),
    "total": ("time of training", seconds_text),
    "memory": ("memory of a device", bytes_text),
    "energy": ("energy", energy_text),
    "cost": ("cost", money_text),
    "carbon": ("carbon (CO2e)", mass_text),
    "devices": ("devices", "{:,.0f}".format),
}
NOISE = 1e-9  # of the whole: what a part differs by for rounding


def show(
    names: Sequence[str],
    answers: Sequence[Estimate],
    changes: Sequence[Against],
    best: int | None,
    shares: Sequence[float | None],
    front: Sequence[int] | None = None,
) -> None:
    """The figures of each, then what is different from the first: seconds, reasons."""
    console = make_console()
    console.print(_side_by_side(names, answers, best, shares, front))
    console.print()
    least = NOISE * answers[0].step.seconds
    kinds = [
        kind
        for kind in {kind: None for change in changes for kind in change.parts}
        if any(abs(change.parts[kind]) > least for change in changes)
    ]
    apart = any(change.step.apart for change in changes)
    numbers = ("step", "80 %", *kinds, "total", "80 %", "/ first", "80 %")
    rows = plain_table(
        f"against {names[0]}", right=(*numbers, *(("apart",) if apart else ()), "faster")
    )
    for name, change in zip(names[1:], changes, strict=True):
        told = change.total or change.step
        rows.add_row(
            name,
            *_seconds(change.step),
            *(_signed(change.parts[kind], least) for kind in kinds),
            *_seconds(change.total),
            f"{told.ratio.value:.3g}",
            _ratios(told.ratio),
            *((_ratios(told.apart),) if apart else ()),
            "-" if change.faster is None else f"{change.faster:.0%}",
        )
    console.print(rows)
    _spending(console, names, changes)
    for name, change in zip(names[1:], changes, strict=True):
        _why(console, names[0], name, change)
    _warn(console, names, answers)
    _notes(console, answers, changes)


def _spending(console: Console, names: Sequence[str], changes: Sequence[Against]) -> None:
    """Differences of energy, cost and carbon."""
    kinds = [kind for kind in SPENT if any(kind in change.spent for change in changes)]
    if not kinds:
        return
    heads = tuple(head for kind in kinds for head in (kind, "80 %", "/ first", "80 %"))
    rows = plain_table(f"against {names[0]}", right=heads)
    for name, change in zip(names[1:], changes, strict=True):
        cells: list[str] = []
        for kind in kinds:
            told = change.spent.get(kind)
            if told is None:
                cells += ["-"] * 4
                continue
            low, high = (_more(kind, end) for end in (told.low, told.high))
            ratio = f"{told.ratio.value:.3g}"
            cells += [_more(kind, told.value), f"{low} .. {high}", ratio, _ratios(told.ratio)]
        rows.add_row(name, *cells)
    console.print()
    console.print(rows)


def record(
    names: Sequence[str],
    answers: Sequence[Estimate],
    changes: Sequence[Against],
    best: int | None,
    shares: Sequence[float | None],
) -> dict[str, Any]:
    """Plain JSON values under stable keys."""
    against = [None, *(_plain(change) for change in changes)]
    return {
        "schema": SCHEMA,
        "points": [
            {"name": name, "estimate": answer.record(), "fastest": share, "against_first": change}
            for name, answer, share, change in zip(names, answers, shares, against, strict=True)
        ],
        "fastest": best,
    }


def _side_by_side(
    names: Sequence[str],
    answers: Sequence[Estimate],
    best: int | None,
    shares: Sequence[float | None],
    front: Sequence[int] | None,
) -> Any:
    spent = [figures(answer) for answer in answers]
    more = [name for name in ("energy", "cost") if any(one[name] is not None for one in spent)]
    rows = plain_table(
        "",
        right=("steps", "time/step", "80 %", "total", "80 %", "memory", *more, "fastest"),
    )
    rows.add_column("")
    for number, (name, answer, one) in enumerate(zip(names, answers, spent, strict=True)):
        count, step, total = answer.convergence, answer.step, answer.total
        mark = "<- fastest" if number == best else ""
        if front is not None and number in front:
            mark = f"{mark} on the front".strip()
        share = shares[number]
        rows.add_row(
            name,
            f"{count.steps:,.0f}" if count else "-",
            seconds_text(step.seconds),
            _range(step.low, step.high),
            seconds_text(total.seconds) if total else "-",
            _range(total.low, total.high) if total else "-",
            bytes_text(answer.memory.bytes),
            *(_spent(kind, one[kind]) for kind in more),
            "-" if share is None else f"{share:.0%}",
            mark if answer.memory.fits else "does not fit in memory",
        )
    return rows


def _why(console: Console, first: str, name: str, change: Against) -> None:
    """What was asked or assumed otherwise."""
    machine = {path: pair for path, pair in change.fields.items() if path.startswith(MACHINE)}
    shown = {path: pair for path, pair in change.fields.items() if path not in machine}
    if "hardware.device" not in shown and len(shown) + len(machine) <= MOST_FIELDS:
        shown, machine = shown | machine, {}
    lines = [f"{path} {_text(a)} -> {_text(b)}" for path, (a, b) in shown.items()]
    if machine:
        lines.append(f"{len(machine)} figures of the machine (--json tells which)")
    least = NOISE * max(map(abs, change.causes.values()), default=0.0)
    told = {kind: one for kind, one in change.causes.items() if abs(one) > least}
    if len(told) > 1:
        by = ", ".join(f"{_signed(seconds)} {kind}" for kind, seconds in told.items())
        lines.append(f"total: {by}")
    lines += [f"assumed: {text}" for text in change.assumed]
    lines += [f"assumed for {first} alone: {text}" for text in change.dropped]
    if lines:
        console.print(f"\n{name}")
    for line in lines:
        console.print(f"  {line}")


def _warn(console: Console, names: Sequence[str], answers: Sequence[Estimate]) -> None:
    """Warnings, once each; those of some points with their names."""
    told: dict[str, list[str]] = {}
    for name, answer in zip(names, answers, strict=True):
        for text in answer.warnings:
            told.setdefault(text, []).append(name)
    if told:
        console.print()
    for text, whose in told.items():
        some = f"{', '.join(whose)}: " if len(whose) < len(names) else ""
        console.print(f"warning: {some}{text}")


def _notes(console: Console, answers: Sequence[Estimate], changes: Sequence[Against]) -> None:
    notes = []
    if any(not change.total.paired for change in changes if change.total):
        notes.append("a file keeps no draws of a total: such intervals are the widest possible")
    if any(change.step.apart for change in changes):
        notes.append(
            "intervals take the error of a time per step to be the same on all devices; "
            "'apart' takes it to be each device's own"
        )
    if any(answer.energy is None for answer in answers):
        notes.append("energy is not known where a device states no power limit")
    if notes:
        console.print()
    for note in notes:
        console.print(f"note: {note}")


def _seconds(change: Change | None) -> tuple[str, str]:
    if change is None:
        return ("-", "-")
    return _signed(change.value), f"{_signed(change.low)} .. {_signed(change.high)}"


def _ratios(ratio: Ratio | None) -> str:
    return f"{ratio.low:.3g} .. {ratio.high:.3g}" if ratio else "-"


def _signed(seconds: float, least: float = 0.0) -> str:
    """A difference for a reader; 0 where it is no more than `least`.

    >>> _signed(-0.0031), _signed(0.0), _signed(1e-18, least=1e-9)
    ('-3.1 ms', '0', '0')
    """
    if abs(seconds) <= least:
        return "0"
    return f"{'-' if seconds < 0 else '+'}{seconds_text(abs(seconds))}"


def _spent(kind: str, value: float | None) -> str:
    return "-" if value is None else TEXTS[kind](value)


def _more(kind: str, value: float) -> str:
    """A difference for a reader.

    >>> _more("cost", -12.5), _more("energy", 3.6e6), _more("carbon", 0.0)
    ('-12.5 USD', '+1 kWh', '0')
    """
    if value == 0:
        return "0"
    return ("-" if value < 0 else "+") + TEXTS[kind](abs(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _range(low: float, high: float) -> str:
    return f"{seconds_text(low)} .. {seconds_text(high)}"


def _plain(change: Against) -> dict[str, Any]:
    found = asdict(change)
    for name in ("step", "total"):
        told = getattr(change, name)
        if told is not None:
            found[name] = {"seconds": told.value, **_finite_change(told)}
    found["spent"] = {
        kind: {"value": told.value, **_finite_change(told)} for kind, told in change.spent.items()
    }
    found["fields"] = {path: list(pair) for path, pair in change.fields.items()}
    return found


def _finite_change(change: Change) -> dict[str, Any]:
    """All but its value."""
    return {
        "low": change.low,
        "high": change.high,
        "ratio": _finite(change.ratio),
        "paired": change.paired,
        "apart": _finite(change.apart) if change.apart else None,
    }


def _finite(ratio: Ratio) -> dict[str, float | None]:
    """JSON has no infinity."""
    return {key: value if math.isfinite(value) else None for key, value in asdict(ratio).items()}
