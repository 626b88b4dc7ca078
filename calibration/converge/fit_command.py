"""`hwsim converge fit`: the law of a campaign's curves, printed and written.

scipy loads when the command runs, not before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibration.extras import need
from hwsim.errors import InputError, SurroundingsError

if TYPE_CHECKING:
    from hwsim.convergence.law import Law

HELP = """Fit steps = a (D/D0)^k1 / (M/M0)^k2 + b to a file of curves, with intervals;
or the steps' dependence on batch, model size and loss to a CSV table of steps to targets.

Example: hwsim converge fit curves.jsonl --out law.json

Example: hwsim converge fit steps_to_target.csv --predict other.csv --predictions out.csv
"""


def fit(
    file: Annotated[Path, typer.Argument(help="A file of curves, or a table of steps.")],
    out: Annotated[Path | None, typer.Option(help="Write the law here.")] = None,
    name: Annotated[str | None, typer.Option(help="The law's name; the workload's.")] = None,
    predict: Annotated[
        Path | None, typer.Option(help="A table like FILE, whose steps are predicted.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write the prediction of each of its rows to this CSV.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from calibration.converge.tables import command

    if command.recognized(file):
        _only_for("curves", {"--out": out, "--name": name})
        command.fit(file, predict, predictions, as_json=json_)
        return
    _only_for("a table of steps to targets", {"--predict": predict, "--predictions": predictions})
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


def _only_for(kind: str, given: Mapping[str, object]) -> None:
    """Raises InputError for options that FILE's kind doesn't have."""
    for option, value in given.items():
        if value is not None:
            raise InputError(option, f"found it, but FILE isn't {kind}", "leave it out")


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
