"""`hwsim converge fit` of a table: laws printed, another table's rows predicted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from calibration.measurement import text_of
from hwsim.errors import InputError, printable
from hwsim.report.console import say

HEAD = 4096  # bytes that tell what a file is


def recognized(path: Path) -> bool:
    """Whether the file's first line is that of a table of steps; False if it can't be read."""
    from calibration.converge.tables import rows

    try:
        with path.open("rb") as stream:
            return rows.recognized(stream.read(HEAD).decode("utf-8-sig", errors="replace"))
    except (OSError, ValueError):
        return False


def fit(file: Path, predict: Path | None, predictions: Path | None, *, as_json: bool) -> None:
    """Fit the table, predict another one if asked to, print both."""
    from calibration.converge.tables import laws, records, rows, score

    if predictions is not None and predict is None:
        raise InputError("--predictions", "found it without --predict", "write --predict OTHER")
    found = laws.fit(rows.parse(text_of(str(file)), str(file)))
    if not found.groups:
        raise InputError(str(file), "found no row with steps", "fill the column steps")
    other = rows.parse(text_of(str(predict)), str(predict)) if predict else []
    answers = score.answers(found, other)
    if predictions is not None:
        score.write(predictions, answers)
        say(f"wrote {predictions}")
    laws_ = records.records(found)
    summary = score.summary(answers) if predict else None
    if as_json:
        print(json.dumps({"laws": laws_, "prediction": summary}, indent=2))
        return
    _show(laws_)
    if summary is not None:
        _tell(summary, [said for _, said in answers if isinstance(said, str)])


def _show(laws: list[dict[str, Any]]) -> None:
    from hwsim.report.console import make_console, plain_table

    console = make_console()
    numbers = ("S_min", "B_crit", "95 %", "scatter", "batches")
    table = plain_table("workload", "target", *numbers, "S_min is", right=numbers)
    others = []
    for law in laws:
        p = law["parameters"]
        if "B_crit" not in p:
            others.append(law)
            continue
        table.add_row(
            law["workload"],
            law["target"],
            f"{p['S_min']['value']:,.4g}",
            f"{p['B_crit']['value']:,.4g}",
            f"{p['B_crit']['low']:,.3g} to {p['B_crit']['high']:,.3g}",
            f"{p['scatter']['value']:.1%}",
            str(law["runs"]),
            law["plateau"],
        )
    console.print(table)
    console.print("\nsteps = S_min (1 + B_crit / batch); predictions average over sharper forms")
    for law in others:
        told = ", ".join(
            f"{name} {p['value']:.3g} ({p['low']:.3g} to {p['high']:.3g})"
            for name, p in law["parameters"].items()
        )
        console.print(f"{law['workload']}, {law['target']} ({law['runs']} rows): {told}")


def _tell(summary: dict[str, Any], reasons: list[str]) -> None:
    if summary["median"] is None:
        print(f"\n{summary['cases']} rows predicted, none measured")
    else:
        print(
            f"\n{summary['cases']} rows predicted: error {summary['median']:.1%} (median), "
            f"{summary['p90']:.1%} (90th percentile); inside the 80 % interval "
            f"{summary['coverage80']:.0%}, inside the 95 % interval {summary['coverage95']:.0%}"
        )
    for why in dict.fromkeys(reasons):
        print(printable(f"not predicted, {reasons.count(why)}: {why}"))
