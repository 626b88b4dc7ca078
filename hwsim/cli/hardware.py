"""`hwsim hardware`: what is shipped, what a spec holds, and whether a file is right."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from hwsim.cli.options import parse_settings
from hwsim.errors import printable
from hwsim.hardware import budget, catalog
from hwsim.hardware.figures import figures, leaves
from hwsim.hardware.spec import System
from hwsim.report.console import make_console, plain_table

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List, show and check hardware files."
)

ABOUT = ("kind", "description", "notes", "sources")  # shown beside the table or not at all

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
    table = plain_table("name", "kind", "description")
    for entry in entries:
        table.add_row(*entry)
    make_console().print(table)


@app.command()
def show(
    name: Ref,
    sources: Annotated[bool, typer.Option("--sources", help="Say where figures are from.")] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a field first."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show every field of a device or a system, and whether it can be built.

    With --json it is the file form, which every --hw reads back.

    Example: hwsim hardware show volta --sources

    Example: hwsim hardware show hopper --set device.scale.multiprocessors=2x --json > larger.json
    """
    system = catalog.load(name, stdin=sys.stdin)
    if set_:
        system = catalog.override(system, parse_settings(set_))
    for warning in budget.warnings(system.device):
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        _print_json(catalog.file_form(system))
        return
    _print_fields(system, sources)


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
            typer.echo(f"{printable(file)}: ok")
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


def _print_fields(system: System, sources: bool) -> None:
    console = make_console()
    console.print(system.name)
    if system.description:
        console.print(system.description)
    console.print()
    table = plain_table("field", "value", *(["source"] if sources else []))
    for row in _fields(system):
        table.add_row(*(row if sources else row[:2]))
    console.print(table)
    if system.node.pairs:
        links = ", ".join(f"{a}-{b} x{count}" for a, b, count in system.node.pairs)
        console.print(f"\nnode.pairs: {links}")
    for notes in dict.fromkeys((system.notes, system.device.notes)):
        if notes:
            console.print(notes)


def _fields(system: System) -> Iterator[tuple[str, str, str]]:
    """(path, text, source) of every field, in the order of a file; a word has no source."""
    form = catalog.file_form(system)
    for record, printed in ((form, ("name", *ABOUT)), (form["device"], ABOUT)):
        for key in printed:
            record.pop(key, None)
    known = {figure.path: figure for figure in figures(system)}
    for path, value in leaves(form):
        if path in known:
            yield known[path]
        elif value != "":
            yield path, value if isinstance(value, str) else json.dumps(value), ""


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
