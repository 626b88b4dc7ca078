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


<<<<<<< HEAD
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
=======
def _workload(model: str, settings: list[str]) -> CharLM:
    workload = workloads.load(model)
    if not isinstance(workload, CharLM):
        raise InputError(
            "--model",
            f"found '{model}'",
            "write charlm or charlm-small: only these are trained yet",
        )
    fields = {}
    for path, value in parse_settings(settings).items():
        root, _, field = path.partition(".")
        if root != "workload":
            raise InputError(f"--set {path}", "found no such field", "write workload.FIELD=VALUE")
        if field in GIVEN_ELSEWHERE:
            raise InputError(
                f"--set {path}", "found what this command sets itself", GIVEN_ELSEWHERE[field]
            )
        fields[field] = value
    sized = workloads.override(workload, fields)
    if sized.dtype != "fp32":
        raise InputError("workload.dtype", f"found {sized.dtype}", "write fp32: runs train in it")
    return sized


def _grid(texts: list[str]) -> dict[str, tuple[int, ...]]:
    """The sizes of both axes, as given or by default."""
    given: dict[str, str] = {}
    for text in texts:
        path, _, values = text.partition("=")
        if path not in GRID:
            raise InputError(f"--vary {path}", "found no such axis", f"write {' or '.join(GRID)}")
        if path in given:
            raise InputError(f"--vary {path}", "found twice", "write it once")
        given[path] = values
    chosen = GRID | given
    return {path: whole_numbers(path, values) for path, values in chosen.items()}
>>>>>>> s6-A
