"""`hwsim software`: which profiles there are, and what one says, fact by fact."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from hwsim.parallel import preset
from hwsim.report.console import make_console, plain_table
from hwsim.software import catalog
from hwsim.software.spec import facts

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Profiles of frameworks: how the software of some years runs a step.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_software(as_json: Json = False) -> None:
    """List the shipped profiles.

    Example: hwsim software list
    """
    found = [catalog.load(name) for name in catalog.names()]
    columns = ("name", "released", "after", "description")
    if as_json:
        _print_json([one.model_dump(include=set(columns)) for one in found])
        return
    table = plain_table(*columns)
    for one in found:
        table.add_row(one.name, one.released, one.after or "", one.description)
    make_console().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A shipped name, or a JSON file.")],
    as_json: Json = False,
) -> None:
    """Show what a profile says, and where each fact is from.

    With --json it is the file form, which --set software=FILE reads back.

    Example: hwsim software show megatron-2021
    """
    found = catalog.load(name)
    preset.defaults(found)  # is a plan's
    if as_json:
        _print_json(catalog.file_form(found))
        return
    console = make_console()
    console.print(found.name)
    if found.description:
        console.print(found.description)
    lineage = " <- ".join(catalog.lineage(found)[1:])
    told = [text for text in (found.released, lineage and f"after {lineage}") if text]
    if told:
        console.print("; ".join(told))
    console.print()
    table = plain_table("fact", "value", "source")
    for fact in facts(found):
        table.add_row(*fact)
    console.print(table)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
