"""`hwsim workload`: which workloads there are, and what a step of one computes."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from hwsim.cli.options import parse_settings
from hwsim.graph.workload import Workload, find, load, override, registered
from hwsim.report.console import make_console, plain_table
from hwsim.units import si_text

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Models to train: what one step of them computes.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """The workloads that are installed.

    Example: hwsim workload list
    """
    rows = [(name, find(name)) for name in sorted(registered())]
    if as_json:
        shown = [{"name": n, "unit": kind.unit, "description": _line(kind)} for n, kind in rows]
        typer.echo(json.dumps(shown, indent=2))
        return
    table = plain_table("workload", "counted in", "what it is")
    for name, kind in rows:
        table.add_row(name, kind.unit, _line(kind))
    make_console().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A registered name, a JSON file, or - for stdin.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fields, parameters, FLOPs and saved bytes of one step, a row for each layer.

    FLOPs are those of matrix products. Saved bytes are kept from forward to backward.

    Example: hwsim workload show charlm --set hidden=4096 --set dtype=bf16
    """
    changes = parse_settings(settings or ())
    changes = {path.removeprefix("workload."): value for path, value in changes.items()}
    workload = override(load(name), changes)
    found = summary(workload)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    console = make_console()
    console.print(_fields(found["workload"]))
    console.print()
    console.print(_layers(found))


def summary(workload: Workload) -> dict[str, Any]:
    """One step of the whole batch: numbers for the step and for each layer."""
    graph = workload.graph()
    return {
        "workload": workload.file_form(),
        "items_per_step": graph.tokens,
        "parameters": graph.parameters,
        "forward_flops": graph.forward_flops,
        "backward_flops": graph.backward_flops,
        "flops_per_step": graph.matrix_flops,
        "saved_bytes": graph.saved_bytes,
        "layers": [
            {
                "name": layer.name,
                "repeat": layer.repeat,
                "parameters": layer.parameters,
                "forward_flops": layer.forward_flops,
                "backward_flops": layer.backward_flops,
                "saved_bytes": layer.saved_bytes(graph.dtype),
            }
            for layer in graph.layers
        ],
    }


def _line(kind: type[Workload]) -> str:
    return (kind.__doc__ or "").strip().split("\n")[0]


def _fields(fields: dict[str, Any]) -> Table:
    table = plain_table("field", "value")
    for name, value in fields.items():
        table.add_row(name, "" if value is None else str(value))
    return table


def _layers(found: dict[str, Any]) -> Table:
    table = plain_table("layer", show_footer=True)
    table.columns[0].footer = "step"
    columns = (
        ("parameters", ""),
        ("forward_flops", "FLOP"),
        ("backward_flops", "FLOP"),
        ("saved_bytes", "B"),
    )
    for key, unit in columns:
        heading = key.removesuffix("_flops").replace("_", " ")
        table.add_column(heading, si_text(found[key], unit), justify="right")
    for layer in found["layers"]:
        times = f" x {layer['repeat']}" if layer["repeat"] > 1 else ""
        table.add_row(layer["name"] + times, *(si_text(layer[key], unit) for key, unit in columns))
    return table
