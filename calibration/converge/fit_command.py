"""`hwsim converge fit`: the law of training curves, printed and written, and tried on other runs.

scipy loads when the command runs, not before.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibration.extras import need
from hwsim.convergence.target import Target
from hwsim.errors import InputError, SurroundingsError, printable
from hwsim.report.console import say

if TYPE_CHECKING:
    from hwsim.convergence.law import Law

HELP = """Fit steps = a (D/D0)^k1 / (M/M0)^k2 + b to a file of curves, with intervals;
or the steps' dependence on batch, model size and loss to a CSV table of steps to targets.

FILE is what `hwsim converge run` writes, or a CSV with the columns run, parameters, data, batch,
step and loss.

Example: hwsim converge fit curves.jsonl --out law.json

Example: hwsim converge fit steps_to_target.csv --predict other.csv --predictions out.csv
"""


def fit(
    file: Annotated[Path, typer.Argument(help="A file of curves, or a table of steps.")],
    out: Annotated[Path | None, typer.Option(help="Write the law here.")] = None,
    name: Annotated[str | None, typer.Option(help="The law's name; the workload's.")] = None,
    loss: Annotated[
        float | None, typer.Option(help="Target: this validation loss, for all runs.")
    ] = None,
    within: Annotated[
        float | None, typer.Option(help="Target: this share above a run's own minimum; 0.01.")
    ] = None,
    patience: Annotated[
        float | None,
        typer.Option(help="A run has passed its minimum at this multiple of its step."),
    ] = None,
    predict: Annotated[
        Path | None, typer.Option(help="Predict the runs, or the rows, of this file; compare.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write row,predicted,low,high,why of each of these here.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from calibration.converge.tables import command

    if command.recognized(file):
        curves_alone = {"--out": out, "--name": name, "--loss": loss, "--within": within}
        _only_for("curves", curves_alone | {"--patience": patience})
        command.fit(file, predict, predictions, as_json=json_)
        return
    need("scipy", "hwsim converge fit")
    target = _target(loss, within)
    if patience is not None and not 1.0 < patience < math.inf:
        raise InputError("--patience", f"found {patience}", "write a number above 1, such as 1.6")
    if predictions is not None and predict is None:
        raise InputError("--predictions", "found no file to predict", "add --predict FILE")
    _fit_curves(file, name, target, patience, (predict, predictions), out, json_)


def _fit_curves(
    file: Path,
    name: str | None,
    target: Target,
    patience: float | None,
    other: tuple[Path | None, Path | None],
    out: Path | None,
    json_: bool,
) -> None:
    from calibration.converge import law_report, runs
    from calibration.converge import predictions as others
    from calibration.converge.fit import law_of
    from calibration.converge.fitting.points import one_setting, points
    from calibration.converge.fitting.slopes import slopes

    found = runs.read(file, patience=patience)
    law = law_of(found, name, target)
    scores: dict[str, Any] | None = None
    if other[0] is not None:
        predicted = others.predictions(law, other[0], patience)
        scores = others.scores(predicted)
        if other[1] is not None:
            _check(other[1], "--predictions")
            others.write(other[1], predicted)
            say(f"wrote {other[1]}")
    if json_:
        print(json.dumps({"laws": [law_report.record(law)], "prediction": scores}, indent=2))
    else:
        rows, _ = points(one_setting(found.runs), target, found.patience)
        told = law_report.lines(law, slopes(rows))
        told += [law_report.score_line(scores)] if scores else []
        print(printable("\n".join(told)))
    if out is not None:
        _write(out, law)


def _only_for(kind: str, given: Mapping[str, object]) -> None:
    """Raises InputError for options that FILE's kind doesn't have."""
    for option, value in given.items():
        if value is not None:
            raise InputError(option, f"found it, but FILE isn't {kind}", "leave it out")


def _target(loss: float | None, within: float | None) -> Target:
    for option, value in (("--loss", loss), ("--within", within)):
        if value is not None and not 0.0 < value < math.inf:
            raise InputError(option, f"found {value}", "write a number above 0")
    if loss is None:
        return Target() if within is None else Target(value=100.0 * within)
    if within is not None:
        raise InputError("--within", "found it with --loss", "leave one of them out")
    return Target("absolute_loss", loss)


def _check(path: Path, option: str) -> None:
    if os.path.isdir(path) or not os.path.isdir(path.parent):
        raise InputError(f"{option} {path}", "found no place for a file", "write a file's path")


def _write(out: Path, law: Law) -> None:
    text = law.model_dump_json(by_alias=True, indent=1) + "\n"
    try:
        out.write_text(text, encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(f"--out {out}", str(error.strerror), "write a file's path") from None
    except OSError as error:
        raise SurroundingsError(str(out), f"can't be written ({error.strerror})") from None
    say(f"wrote {out}")
