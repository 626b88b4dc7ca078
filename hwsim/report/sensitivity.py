"""A study of sensitivity as tables on the terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hwsim.report.console import make_console, plain_table
from hwsim.report.table import headline
from hwsim.study.sensitivity.effects import Change, Effect
from hwsim.study.sensitivity.enough import CLOSE
from hwsim.study.sensitivity.study import Sensitivity
from hwsim.units import seconds_text


def show(found: Sensitivity, limited: Mapping[str, float]) -> None:
    """Elasticities, finite changes and where more stops to pay; then what limits the step."""
    console = make_console()
    base = found.base
    headline(console, base)
    total = f", total training time {seconds_text(base.total.seconds)}" if base.total else ""
    console.print(f"time per step {seconds_text(base.step.seconds)}{total}\n")
    apart = any(abs(one.step - one.total.value) > 1e-6 for one in found.effects)
    of_all = ("total",) if apart else ()
    numbers = ("now", "elasticity", *of_all, "80 %", "half", "twice", "pays until", "to gain")
    rows = plain_table("figure", right=numbers)
    rows.add_column("")
    paths = {one.path for one in found.effects}
    for one in found.effects:
        rows.add_row(
            one.path,
            one.text,
            f"{one.step:+.3f}",
            *((f"{one.total.value:+.3f}",) if apart else ()),
            f"{one.total.low:+.3f} .. {one.total.high:+.3f}",
            _ratio(one.halved),
            _ratio(one.doubled),
            *_enough(one),
            _note(one, paths),
        )
    console.print(rows)
    console.print(
        f"\nelasticity: what 1 % more of a figure does to the time, in %; half, twice: the time "
        f"over that of now\npays until: there a step is within {CLOSE:.0%} of that with an "
        f"infinitely fast figure, which would save what there is to gain"
    )
    if found.fixed > 0.005:
        console.print(f"no rate or time of the machine moves {found.fixed:.1%} of the step")
    limits = plain_table("critical path limited by", right=("seconds", "share"))
    whole = sum(limited.values())
    for name, seconds in limited.items():
        limits.add_row(name, seconds_text(seconds), f"{seconds / whole:.1%}")
    console.print()
    console.print(limits)


def record(found: Sensitivity, limited: Mapping[str, float]) -> dict[str, Any]:
    """Plain JSON values under stable keys."""
    return {
        "schema": "hwsim.sensitivity/1",
        "estimate": found.base.record(),
        "figures": [asdict(one) | {"jumps": one.jumps} for one in found.effects],
        "without": list(found.without),
        "left_out": found.left_out,
        "fixed": found.fixed,
        "limits": dict(limited),
    }


def _ratio(change: Change | None) -> str:
    if change is None:
        return "-"
    return f"{change.step:.3f}" if change.fits else "does not fit"


def _enough(one: Effect) -> tuple[str, str]:
    """Where it stops to pay, and what an infinitely fast one would save of the step."""
    if one.enough is None:
        return "-", "-"
    gain = f"{1.0 - one.enough.least:.1%}"
    return ("at no value" if one.enough.factor is None else one.enough.text), gain


def _note(one: Effect, paths: set[str]) -> str:
    told = [f"moves {', '.join(path for path in one.moves if path in paths)}"] if one.moves else []
    if one.jumps:
        told.append(f"jumps: {one.local:+.3f} for 0.1 %")
    return "; ".join(told)
