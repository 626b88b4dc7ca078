"""`hwsim converge`: measure steps to convergence by training, and fit the law.

torch and scipy load when a command runs, not before, so that help and messages need neither.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibration.converge import fit_command, run_command
from hwsim.report.console import make_console, plain_table

if TYPE_CHECKING:
    from calibration.converge.curves import Curve

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Measure steps to convergence by training, and fit their law.",
)

app.command(name="run", help=run_command.HELP)(run_command.run)
app.command(name="fit", help=fit_command.HELP)(fit_command.fit)


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
