"""`hwsim converge`: measure steps to convergence by training, and fit the law.

torch and scipy load when a command runs, not before, so that help and messages need neither.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibration.converge import run_command
from calibration.extras import need
from hwsim.errors import InputError, SurroundingsError
from hwsim.report.console import make_console, plain_table

if TYPE_CHECKING:
    from calibration.converge.curves import Curve
    from hwsim.convergence.law import Law

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Measure steps to convergence by training, and fit their law.",
)


app.command(help=run_command.HELP)(run_command.run)


@app.command(
    help="""Fit steps = a (D/D0)^k1 / (M/M0)^k2 + b to a file of curves, with intervals.

    Example: hwsim converge fit curves.jsonl --out law.json
    """
)
def fit(
    file: Annotated[Path, typer.Argument(help="A file of curves.")],
    out: Annotated[Path | None, typer.Option(help="Write the law here.")] = None,
    name: Annotated[str | None, typer.Option(help="The law's name; the workload's.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    need("scipy", "hwsim converge fit")
    from calibration.converge import curves
    from calibration.converge.fit import fit_law, points, slopes

    law = fit_law(file, name)
    if json_:
        print(json.dumps({"laws": [_record(law)], "prediction": None}, indent=2))
    else:
        _show(law, slopes(points(curves.read(file))))
    if out is not None:
        _write(out, law.model_dump_json(by_alias=True, indent=1) + "\n")


@app.command(
    help="""What a file of curves holds: its finished runs and their steps to the target.

    Example: hwsim converge status curves.jsonl
    """
)
def status(
    file: Annotated[Path, typer.Argument(help="A file of curves.")],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from calibration.converge import curves
    from hwsim.convergence.target import crossing

    found = curves.read(file)
    patience = found.header.stop.patience
    rows = [
        {
            "run": curve.run,
            "parameters": curve.end.parameters,
            "dataset": curve.end.dataset,
            "steps": round(met.steps),
            "minimum": round(met.minimum, 4) if math.isfinite(met.minimum) else None,
            "minimum_steps": round(met.minimum_steps),
            "censored": met.censored,
        }
        for curve in sorted(found.finished.values(), key=_size)
        for met in [crossing(curve.steps, curve.losses, patience=patience)]
    ]
    if json_:
        print(json.dumps({"runs": rows}, indent=2))
        return
    numbers = ("parameters", "dataset", "steps", "minimum", "minimum steps", "censored")
    table = plain_table("run", right=numbers)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    make_console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _size(curve: Curve) -> tuple[int, int, int]:
    return curve.end.dataset, curve.end.hidden, curve.end.seed


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(f"--out {out}", str(error.strerror), "write a file's path") from None
    except OSError as error:
        raise SurroundingsError(str(out), f"can't be written ({error.strerror})") from None
    print(f"wrote {out}", file=sys.stderr)


def _record(law: Law) -> dict[str, object]:
    return {
        "workload": law.workload,
        "target": law.target,
        "form": law.form,
        "parameters": {name: p.model_dump() for name, p in law.parameters.items()},
        "plateau": law.plateau,
        "runs": law.runs,
    }


def _show(law: Law, slopes: list[tuple[float, float, float, int]]) -> None:
    center = law.center
    print(f"{law.workload}: steps to a {law.target}")
    print(f"  S = a (D / {center['data']:.4g})^k1 / (M / {center['model']:.4g})^k2 + b")
    for name, p in law.parameters.items():
        print(f"  {name:2} = {p.value:.4g}   95 % [{p.low:.4g}, {p.high:.4g}]")
    print(
        "  largest model left out, error per e-fold: "
        f"{law.held_out['power-plateau']:.1%} with a plateau, {law.held_out['power']:.1%} without"
    )
    if law.plateau == "not seen":
        print("  no plateau seen: b is not identified by these runs, only bounded")
    print(
        f"  {law.runs} runs, {law.censored} censored; single runs scatter by {law.scatter:.1%}; "
        f"M {law.range['model'][0]:,.0f} to {law.range['model'][1]:,.0f}, "
        f"D {law.range['data'][0]:,.0f} to {law.range['data'][1]:,.0f}"
    )
    for data, slope, half, count in slopes:
        print(
            f"  slope of ln S against ln M at D = {data:,.0f}: "
            f"{slope:.3f} +- {half:.3f} (95 %, {count} runs)"
        )
