"""`hwsim calibrate`: measure this machine, fit parameters to measured times, show a calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from calibration.extras import need
from hwsim.errors import InputError

ALL = "all"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Measure this machine, fit parameters to measured times, or show a calibration.",
)


@app.command(
    help="""Fit a calibration to what `hwsim calibrate run` measured, for --hw local.

    Example: hwsim calibrate fit mine.jsonl

    With --out, fit published tables too: one JSON file a device in that folder, and with --device
    all also one for each architecture, and the default, which has links and framework code.

    Example: hwsim calibrate fit gemm.csv recurrent.csv --device v100-pcie-16gb --out fitted

    With --advise nothing is fitted: the ten measurements are named that would narrow the interval
    of an estimate most, and --out is a file of cases for hwsim calibrate run --cases.

    Example: hwsim calibrate fit --advise --hw volta --model charlm --out cases.jsonl
    """
)
def fit(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="CSV tables or JSON Lines; - is stdin."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write to; it is made.")] = None,
    device: Annotated[
        str, typer.Option(help="A device of the tables, or all; that of tables which name none.")
    ] = ALL,
    borrow: Annotated[
        bool, typer.Option("--borrow", help="Also what was measured on another machine.")
    ] = False,
    advise: Annotated[
        bool, typer.Option("--advise", help="Name measurements for an estimate instead.")
    ] = False,
    hw: Annotated[str | None, typer.Option(help="With --advise: as in hwsim estimate.")] = None,
    model: Annotated[str | None, typer.Option(help="With --advise: as in hwsim estimate.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="With --advise.")
    ] = None,
) -> None:
    _refuse_unused(out, device, borrow=borrow, advise=advise)
    if advise:
        from calibration.advice import command as advice_cli

        advice_cli.show(files or (), hw, model, set_ or (), out)
        return
    if hw or model or set_:
        raise InputError("--hw, --model or --set", "found without --advise", "add --advise")
    if not files:
        raise InputError("FILE", "found none", "give measurements: CSV tables or JSON Lines")
    need("scipy", "hwsim calibrate fit")
    from calibration.fitting import command as fit_command

    if out is not None:
        fit_command.fit_tables(files, out, device)
        return
    if not borrow:
        need("torch", "hwsim calibrate fit")
    fit_command.fit_local(files, borrow=borrow)


def _refuse_unused(out: Path | None, device: str, *, borrow: bool, advise: bool) -> None:
    """Raises InputError for an option that would have no effect."""
    tables = out is not None and not advise
    if device != ALL and not tables:
        raise InputError("--device", "found without --out", "add --out FOLDER, or leave it out")
    if borrow and (tables or advise):
        other = "--advise" if advise else "--out"
        raise InputError("--borrow", f"found with {other}", f"leave {other} or --borrow out")


@app.command(
    help="""Measure kernels and whole training steps on this machine; one JSON line each.

    A file that exists is continued. Example: hwsim calibrate run measured.jsonl --quick
    """
)
def run(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file of measurements.")],
    quick: Annotated[bool, typer.Option("--quick", help="A part, in a minute or two.")] = False,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:N; by default a GPU if there is one.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Threads of a CPU.")] = 1,
    dtype: Annotated[
        list[str] | None, typer.Option(help="fp32, tf32 or bf16; by default all a GPU has.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="A kind, such as gemm; all.")] = None,
    cases: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON Lines of the cases to measure.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would be measured.")] = False,
) -> None:
    need("torch", "hwsim calibrate run")
    from calibration.measure import command

    options = command.Options(quick, device, threads, dtype or (), kind or (), cases)
    command.run(out, options, plan=plan)


@app.command(
    help="""Print a calibration as JSON.

    Example: hwsim calibrate show volta
    """
)
def show(
    name: Annotated[str, typer.Argument(help="A device, an architecture, default, or local.")],
) -> None:
    from hwsim.cost import calibration

    found = calibration.load() if name == "default" else calibration.load_layer(name)
    print(json.dumps(found.model_dump(mode="json", by_alias=True, exclude_none=True), indent=2))
