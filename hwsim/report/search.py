"""What a search found: its space, the best plans, and why the others lose; and how far it is."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.live import Live
from rich.text import Text

from hwsim.parallel.plan import Plan
from hwsim.report.console import make_console, plain_table
from hwsim.study.search.best import State
from hwsim.study.search.find import Asked, Result, differing, losses
from hwsim.study.search.space import Space
from hwsim.units import bytes_text, energy_text, money_text, seconds_text

TOLD = 3  # parts of a step that tell why it loses
SMALL = 1e-3  # of the best step: smaller differences are not told
DEGREES = ("dp", "tp", "pp", "cp", "ep")
VALUES = {
    "step": ("time per step", seconds_text),
    "total": ("total training time", seconds_text),
    "cost": ("cost", money_text),
    "energy": ("energy", energy_text),
}
FATES = {
    "impossible": "impossible: they don't divide batch, layers or operators",
    "equal": "equal to another one",
    "large": "need more memory than there is",
    "worse": "pruned: their lower bound is above what was found",
    "limited": "beyond a limit",
    "evaluated": "evaluated",
    "open": "left open by the interrupt",
}


class Progress:
    """One line on stderr while a search goes on, where that is a terminal."""

    def __init__(self) -> None:
        self.live: Live | None = None
        self.begun, self.most = time.monotonic(), 0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            console = make_console(stderr=True)
            self.live = Live(console=console, transient=True, refresh_per_second=5)
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def show(self, state: State) -> None:
        if self.live is not None:
            self.live.update(Text(self.line(state)))

    def line(self, state: State) -> str:
        """How many configurations may still be better, the best one, and seconds left if the rest
        goes on as it went."""
        self.most = max(self.most, state.left)
        done = 1.0 - state.left / self.most if self.most else 1.0
        words = [f"{state.left:,} of {state.tally.total:,} configurations may be better"]
        if state.best is not None:
            gap = 1.0 - state.bound / state.best.value if state.best.value else 0.0
            words.append(
                f"best {state.best.value:.6g}, at most {max(gap, 0.0):.2%} above the least"
            )
        if 0 < done < 1:
            words.append(f"about {seconds_text(state.seconds * (1 - done) / done)} left")
        return f"{seconds_text(state.seconds)}: " + "; ".join(words)


def record(result: Result, asked: Asked, named: Mapping[int, Mapping[str, str]]) -> dict[str, Any]:
    """Plain JSON values under stable keys; `named` are the settings of subjects by their id."""
    found = result.found
    return {
        "schema": "hwsim.search/1",
        "for": asked.aim,
        "limits": asked.limits._asdict(),
        "devices": list(asked.devices),
        "spaces": [_space(one, named[id(one.subject)]) for one in result.spaces],
        "configurations": found.tally.total,
        "counts": {name: found.tally.counts[name] for name in FATES},
        "complete": found.complete,
        "bound": found.bound if found.bound < math.inf else None,
        "certain": found.certain,
        "seconds": found.seconds,
        "reordered": result.reordered,
        "best": [
            {
                "settings": dict(named[id(answer.subject)]),
                "plan": differing(answer.plan, result.spaces),
                "value": answer.value,
                "events": answer.value if event is None and not answer.closed else event,
                "engine": "closed" if answer.closed else "events",
                "step": {"seconds": answer.seconds, "parts": dict(answer.parts)},
                "memory": {"bytes": answer.bytes},
                "loses": losses(answer, found.best[0]),
            }
            for answer, event in zip(found.best, result.events, strict=True)
        ],
    }


def _space(one: Space, settings: Mapping[str, str]) -> dict[str, Any]:
    fields = {name: list(values) for name, values in one.columns.items()}
    return {
        "settings": dict(settings),
        "degrees": len(one.shapes),
        "fields": fields,
        "configurations": one.size,
    }


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
    rows.add_row("degrees", f"{first['degrees']:,} ways to share {devices} devices")
    for name, values in first["fields"].items():
        if len(values) > 1:
            rows.add_row(name, ", ".join(_value(value) for value in values))
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
            _rest(one["plan"]),
            text(one["value"]),
            *([text(events) if events is not None else "-"] if checked else []),
            bytes_text(one["memory"]["bytes"]),
            _loses(one, best[0]) if number > 1 else "",
        )
    console.print(rows)


def _rest(plan: Mapping[str, Any]) -> str:
    """The fields of a plan that are not what they are by default, but for its degrees."""
    found = []
    for name, value in plan.items():
        default = Plan.model_fields[name].default
        if name not in DEGREES and (value != default or name == "micro_batch"):
            plain = value is True
            found.append(name if plain else f"{name} {_value(value)}")
    return ", ".join(found)


def plan_text(plan: Plan) -> str:
    """A plan's fields that are not what they are by default."""
    fields = {name: getattr(plan, name) for name in Plan.model_fields}
    degrees = [f"{name} {fields[name]}" for name in DEGREES if fields[name] > 1]
    rest = _rest({name: value for name, value in fields.items() if name != "placement"})
    return ", ".join([*degrees, *([rest] if rest else [])])


def _loses(one: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """The parts of a step that differ most."""
    least = SMALL * best["step"]["seconds"]
    large = [(part, more) for part, more in one["loses"].items() if abs(more) >= least][:TOLD]
    if not large:
        return "the same within 0.1 %"
    return ", ".join(
        f"{'+' if more > 0 else '-'}{seconds_text(abs(more))} {part}" for part, more in large
    )


def _value(value: Any) -> str:
    if isinstance(value, (tuple, list)):  # a schedule and its chunks on each stage
        schedule, virtual = value
        return f"{schedule} x {virtual}" if virtual > 1 else str(schedule)
    if isinstance(value, float):
        return bytes_text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _certain(told: Mapping[str, Any]) -> str:
    took = f"in {seconds_text(told['seconds'])}"
    if not told["best"]:
        return f"nothing is feasible, {took}" if told["complete"] else f"nothing yet, {took}"
    if told["complete"]:
        return f"the first is the best of the space for certain, {took}"
    value = told["best"][0]["value"]
    gap = 1.0 - (told["bound"] or 0.0) / value if value else 0.0
    return f"interrupted: the best of the space is at most {max(gap, 0.0):.2%} below, {took}"
