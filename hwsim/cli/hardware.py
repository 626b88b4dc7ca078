"""`hwsim hardware`: what is shipped, what a spec holds, and whether a file is right."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hwsim.hardware import catalog
from hwsim.hardware.figures import figures
from hwsim.hardware.spec import System

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List, show and check hardware files."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ref = Annotated[str, typer.Argument(help="A file, '-' for standard input, or a shipped name.")]


@app.command("list")
def list_hardware(as_json: Json = False) -> None:
    """List the shipped devices and systems.

    Example: hwsim hardware list
    """
    entries = catalog.shipped()
    if as_json:
        _print_json([entry._asdict() for entry in entries])
        return
    table = _table("name", "kind", "description")
    for entry in entries:
        table.add_row(*(Text(cell) for cell in entry))
    _console().print(table)


@app.command()
def show(
    name: Ref,
    sources: Annotated[bool, typer.Option("--sources", help="Say where figures are from.")] = False,
    as_json: Json = False,
) -> None:
    """Show every figure of a device or a system.

    With --json it is the file form, which every --hw reads back.

    Example: hwsim hardware show volta --sources
    """
    system = catalog.load(name, stdin=sys.stdin)
    if as_json:
        _print_json(catalog.file_form(system))
        return
    _print_figures(system, sources)


@app.command()
def check(
    files: Annotated[list[str], typer.Argument(help="Files, or '-' for standard input.")],
) -> None:
    """Check files and print every problem; the exit code is 2 if there is one.

    Example: hwsim hardware check mine.json
    """
    wrong = False
    for file in files:
        found = catalog.problems(file, stdin=sys.stdin)
        for problem in found:
            typer.echo(str(problem), err=True)
        if not found:
            typer.echo(f"{file}: ok")
        wrong = wrong or bool(found)
    if wrong:
        raise typer.Exit(2)


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(help="device, system or alias")] = "device",
) -> None:
    """Print the JSON Schema of a kind of file.

    Example: hwsim hardware schema system
    """
    _print_json(catalog.schema(kind))


def _print_figures(system: System, sources: bool) -> None:
    console = _console()
    console.print(
        Text(f"{system.name}: {system.description}" if system.description else system.name)
    )
    table = _table("field", "value", *(["source"] if sources else []))
    for figure in figures(system):
        cells = figure if sources else figure[:2]
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    for notes in dict.fromkeys((system.notes, system.device.notes)):
        if notes:
            console.print(Text(notes))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("name", "field", "value"))
    return table


def _console() -> Console:
    """Standard output; lines in a pipe are not folded at a terminal's 80 columns."""
    return Console(width=None if sys.stdout.isatty() else 240)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
