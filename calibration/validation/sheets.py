"""The tables of a validation: rows of text from its record, for a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hwsim.errors import printable
from hwsim.units import seconds_text

Suite = dict[str, Any]
COMPARED = ("cases", "median", "roofline median", "null median", "skill", "in 80 %", "in 95 %")
ERRORS = ("mape", "median", "p90", "bias")
PARTS = 3  # of a worst case are printed


class Sheet(NamedTuple):
    """A title, the columns that are words and those that are numbers, and their rows."""

    title: str
    words: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def overview(suites: Sequence[Suite]) -> Sheet:
    """One line a suite; those that a calibration was fitted to are marked."""
    rest = ("roofline median", "null median", "skill", "repeat floor", "in 80 %", "in 95 %")
    rows = [
        (
            suite["name"] + (" *" if suite["in_sample"] else ""),
            f"{suite['cases']:,}",
            f"{len(suite['skipped']):,}",
            *(percent((suite["hwsim"] or {}).get(name)) for name in ERRORS),
            *_beside(suite),
            percent(suite["repeat_floor"]),
            percent(suite["coverage80"]),
            percent(suite["coverage95"]),
        )
        for suite in suites
    ]
    return Sheet("Suites", ("suite",), ("cases", "skipped", *ERRORS, *rest), rows)


def devices(suites: Sequence[Suite]) -> Sheet:
    """One line a device of a suite."""
    rows = [_line(suite, part["device"], part) for suite in suites for part in suite["devices"]]
    return Sheet("By device", ("suite", "device"), COMPARED, rows)


def strata(suites: Sequence[Suite]) -> Sheet:
    """One line a stratum of a suite, such as small and large messages."""
    rows = [_line(suite, part["name"], part) for suite in suites for part in suite["strata"]]
    return Sheet("By stratum", ("suite", "stratum"), COMPARED, rows)


def coverage(suites: Sequence[Suite]) -> Sheet:
    """Shares of cases inside the intervals, and the same with equal weight for each cluster."""
    rows = []
    for suite in suites:
        found = suite["clustered"]
        if found is None:
            continue
        shares: list[str] = []
        for name in ("coverage80", "coverage95"):
            one = found[name]
            reach = f"{percent(one['low'])} .. {percent(one['high'])}"
            known = reach if one["low"] is not None else "-"
            shares += [percent(suite[name]), percent(one["value"]), known]
        rows.append((suite["name"], f"{suite['cases']:,}", f"{found['clusters']:,}", *shares))
    ends = ("in 80 %", "clustered 80 %", "its 90 %", "in 95 %", "clustered 95 %", "its 90 %")
    return Sheet("Coverage", ("suite",), ("cases", "clusters", *ends), rows)


def worst(suites: Sequence[Suite]) -> Sheet:
    """The worst cases with the largest of their parts."""
    rows = [
        (
            suite["name"],
            case["case"],
            parts_text(case["parts"]),
            f"{case['row']}",
            seconds_text(case["measured"]),
            seconds_text(case["predicted"]),
        )
        for suite in suites
        for case in suite["worst"]
    ]
    words = ("suite", "case", "largest parts")
    return Sheet("Worst cases", words, ("row", "measured", "predicted"), rows)


def parts_text(parts: Iterable[dict[str, Any]]) -> str:
    """The largest parts of a prediction, each with what it is booked to.

    >>> parts_text([{"name": "product", "compute": 2e-3}, {"name": "start", "launch": 1e-5}])
    'product compute 2 ms, start launch 10 us'
    """
    booked = [
        (seconds, f"{part['name']} {bound}")
        for part in parts
        for bound, seconds in part.items()
        if bound != "name" and seconds
    ]
    largest = sorted(booked, reverse=True)[:PARTS]
    return ", ".join(f"{name} {seconds_text(seconds)}" for seconds, name in largest)


def markdown(sheet: Sheet) -> str:
    """The table in Markdown under its title.

    >>> print(markdown(Sheet("Title", ("a",), ("b",), [("x", "1")])))
    ## Title
    <BLANKLINE>
    | a | b |
    |---|---:|
    | x | 1 |
    """
    lines = [(*sheet.words, *sheet.numbers), *sheet.rows]
    head, *rows = ["| " + " | ".join(map(_cell, line)) + " |" for line in lines]
    rule = "|" + "---|" * len(sheet.words) + "---:|" * len(sheet.numbers)
    return "\n".join([f"## {sheet.title}", "", head, rule, *rows])


def _cell(text: str) -> str:
    return printable(text).replace("\n", " ").replace("|", r"\|")


def percent(value: float | None) -> str:
    """A share as a percentage, or - for None.

    >>> percent(0.0666), percent(12.0), percent(None)
    ('6.7 %', '1,200 %', '-')
    """
    if value is None:
        return "-"
    return f"{value:.1%}".replace("%", " %") if abs(value) < 10 else f"{100 * value:,.0f} %"


def _line(suite: Suite, name: str, part: dict[str, Any]) -> tuple[str, ...]:
    return (
        suite["name"],
        name,
        f"{part['cases']:,}",
        percent((part["hwsim"] or {}).get("median")),
        *_beside(part),
        percent(part["coverage80"]),
        percent(part["coverage95"]),
    )


def _beside(part: dict[str, Any]) -> tuple[str, str, str]:
    skill = part["skill"]
    return (
        percent((part["roofline"] or {}).get("median")),
        percent((part["null"] or {}).get("median")),
        "-" if skill is None else f"{skill:.2f}",
    )
