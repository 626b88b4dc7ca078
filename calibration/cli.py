"""`hwsim converge`: measure steps to convergence by training, and fit the law.

torch and scipy load when a command runs, not before, so that help and messages need neither.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibration.converge import fit_command
from calibration.extras import need
from hwsim.cli.options import parse_settings
from hwsim.errors import InputError
from hwsim.graph import workload as workloads
from hwsim.report.console import make_console, plain_table
from hwsim.study.vary import whole_numbers
from workloads.charlm import CharLM

if TYPE_CHECKING:
    from calibration.converge.curves import Curve

HIDDEN, DATASET = "workload.hidden", "workload.dataset"
GRID = {HIDDEN: "32,64,128,256,512", DATASET: "8000,25000,75000"}
GIVEN_ELSEWHERE = {
    "hidden": f"write --vary {HIDDEN}=64 or more widths",
    "dataset": f"write --vary {DATASET}=25000 or more sizes",
    "corpus": "write --corpus FILE",
    "vocabulary": "leave it out: it is the corpus's; --corpus FILE gives another text",
}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Measure steps to convergence by training, and fit their law.",
)


@app.command(
    help="""Train a grid of model sizes, data sizes and seeds; go on where a stopped one ended.

    Example: hwsim converge run --model charlm-small --out curves.jsonl
    """
)
def run(
    model: Annotated[str, typer.Option(help="charlm or charlm-small, or a JSON file.")],
    out: Annotated[Path, typer.Option(help="The file of curves, one JSON line per evaluation.")],
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=LO:HI:N", help=f"A list or range of {HIDDEN} or of {DATASET}."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Seeds of each cell.")] = 2,
    corpus: Annotated[
        Path | None, typer.Option(help="A UTF-8 text; by default the topics of Python's help.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Processes, one thread each; all cores.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set a field.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1.05, help="A run ends at this multiple of its best step.")
    ] = 1.6,
    min_steps: Annotated[int, typer.Option(min=1, help="No run ends before.")] = 400,
    max_steps: Annotated[int, typer.Option(min=1, help="Every run ends here (censored).")] = 40_000,
) -> None:
    need("torch", "hwsim converge run")
    from calibration.converge.campaign import campaign, grid
    from calibration.converge.corpus import load
    from calibration.converge.progress import CampaignProgress
    from calibration.converge.train import Stop

    if not math.isfinite(patience):
        raise InputError("--patience", f"found {patience}", "write a number above 1, such as 1.6")
    if min_steps > max_steps:
        raise InputError(
            "--min-steps", f"found {min_steps}, above --max-steps {max_steps}", "write fewer"
        )
    workload = _workload(model, set_ or [])
    sizes = _grid(vary or [])
    text = load(corpus)
    runs = grid(sizes[HIDDEN], sizes[DATASET], range(seeds))
    stop = Stop(patience, min_steps, max_steps)
    processes = jobs or os.cpu_count() or 1
    with CampaignProgress(runs) as progress:
        campaign(workload, text, runs, out, stop=stop, jobs=processes, on_event=progress.event)
    print(f"{len(runs)} runs are in {out}: fit them with `hwsim converge fit {out}`")


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
