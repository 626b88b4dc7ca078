"""`hwsim calibrate`: fit parameters to measured kernels and collectives, or show a calibration."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibration.extras import need
from hwsim.errors import InputError, SurroundingsError, near

if TYPE_CHECKING:
    from calibration.layers import Fitted
    from calibration.local import Found
    from calibration.measurement import Measurement
    from hwsim.cost.calibration import Calibration, Layer

ALL = "all"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Fit parameters of kernels and links to measured times, or show a calibration.",
)


@app.command(
    help="""Fit a calibration to what `hwsim calibrate run` measured, for --hw local.

    With --out, fit published tables too: one JSON file a device in that folder, and with --device
    all also one for each architecture, and the default, with what links reach.

    With --advise nothing is fitted: the ten measurements are named that would narrow the interval
    of an estimate most, and --out is a file of cases for hwsim calibrate run --cases.

    Example: hwsim calibrate fit mine.jsonl

    Example: hwsim calibrate fit gemm.csv recurrent.csv --device v100-pcie-16gb --out fitted

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
    if advise:
        from calibration import advice_cli

        advice_cli.show(files or (), hw, model, set_ or (), out)
        return
    if hw or model or set_:
        raise InputError("--hw, --model or --set", "found without --advise", "add --advise")
    if not files:
        raise InputError("FILE", "found none", "give measurements: CSV tables or JSON Lines")
    need("scipy", "hwsim calibrate fit")
    from calibration import fit_links, layers, validate
    from hwsim.cost.calibration import load

    named = None if device == ALL else device
    cases = [case for file in files for case in validate.read(file, named)]
    if out is None:
        _fit_local(cases, files, borrow=borrow)
        return
    known = sorted({case.device for case in cases if case.device})
    if device not in (ALL, *known):
        raise InputError("--device", f"found '{device}'", near(device, [ALL, *known]))
    chosen = [case for case in cases if device in (ALL, case.device)]
    print(f"fitting {len(chosen):,} cases", file=sys.stderr)
    fitted = layers.fit_all(chosen)
    linked = fit_links.calibrated(load(), chosen)
    if not fitted and linked is None:
        what = (
            "found no measured product, recurrence, convolution, elementwise kernel or collective"
        )
        raise InputError(", ".join(files), what, "give tables with their seconds")
    names = " ".join(Path(file).name for file in files)
    provenance = f"{datetime.now(UTC).date()}, hwsim calibrate fit {names} --device {device}"
    told: dict[str, Layer] = {}
    if fitted:
        _show_fits(fitted)
        default, made = layers.calibrations(fitted)
        told = {name: layer for name, layer in made.items() if device in (ALL, name)}
        if device == ALL:
            told[default.name] = default
        told = {name: _stated(layer, "fitted", provenance) for name, layer in told.items()}
    if linked is not None:
        _show_links(linked)
        # Links belong to no device: they go into the default.
        base = told.get(linked.name, linked)
        over = {"links": linked.links, "rows": {**base.rows, **linked.rows}}
        sources = {name: text for name, text in linked.sources.items() if name.startswith("links")}
        joined = base.model_copy(update={**over, "sources": {**base.sources, **sources}})
        told[linked.name] = _stated(joined, "links", provenance)
    _write(out, told)


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
    help="""Print a shipped calibration as JSON.

    Example: hwsim calibrate show volta
    """
)
def show(
    name: Annotated[str, typer.Argument(help="A device, an architecture, or default.")],
) -> None:
    from hwsim.cost import calibration

    found: Any = calibration.load() if name == "default" else calibration.load_layer(name)
    print(json.dumps(_record(found), indent=2))


def _fit_local(cases: Sequence[Measurement], files: Sequence[str], *, borrow: bool) -> None:
    """The calibration of this machine, into the user's data."""
    from calibration import local
    from hwsim import userdata
    from hwsim.hardware import catalog

    system = local.describe(cases)
    measured = cases[0].provenance.machine
    if not borrow:
        need("torch", "hwsim calibrate fit")
        here = local.machines()
        if measured not in here:
            what = f"found what was measured on {measured}, but this is {' or '.join(here)}"
            raise InputError(", ".join(files), what, "measure here, or add --borrow")
    names = " ".join(Path(file).name for file in files)
    day = datetime.now(UTC).date().isoformat()
    found = local.fit(cases, system, f"{day}, hwsim calibrate fit {names}")
    _show_local(found)
    place = userdata.write(catalog.file_form(system), _record(found.layer))
    print(f"wrote {place}: try `hwsim estimate --hw local --model charlm-small`", file=sys.stderr)


def _show_local(found: Found) -> None:
    """What was fitted, and how far off it is where it was not fitted."""
    import numpy as np

    from hwsim.report.console import make_console, plain_table

    table = plain_table("entry", right=("cases", "held-out median", "untold"))
    entries: list[tuple[str, Any, tuple[str, ...]]] = []
    if found.host is not None:
        entries.append(("kernels", found.host.residuals, found.host.free))
    for (_, key), kernels in found.kernels.items():
        entries.append((" ".join(key), kernels.residuals, kernels.fit.free))
    entries += [(family, one.residuals, ()) for family, one in found.eager.items()]
    for name, residuals, free in entries:
        off = np.abs(np.expm1(residuals[np.isfinite(residuals)]))
        error = f"{np.median(off):.1%}" if len(off) else "-"
        table.add_row(name, f"{len(residuals):,}", error, ", ".join(free) or "-")
    make_console().print(table)


def _show_fits(fitted: Mapping[Any, Fitted]) -> None:
    """Parameters and held-out errors, one line an entry."""
    import numpy as np

    from hwsim.report.console import make_console, plain_table

    table = plain_table("device", "entry", right=("cases", "held-out median", "untold"))
    for (device, key), one in fitted.items():
        off = np.abs(np.expm1(one.residuals[np.isfinite(one.residuals)]))
        error = f"{np.median(off):.1%}" if len(off) else "-"
        entry = " ".join((key.kind, key.engine, key.timing))
        untold = ", ".join(one.fit.free) or "-"
        table.add_row(device, entry, f"{len(one.group.cases):,}", error, untold)
    make_console().print(table)


def _record(layer: Layer) -> dict[str, Any]:
    return layer.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=False)


def _show_links(calibration: Calibration) -> None:
    """What each kind of link reaches, and where that is from."""
    from hwsim.cost.calibration import Reach
    from hwsim.report.console import make_console, plain_table

    names = ("share", "latency", "call", "fill", "short")
    table = plain_table("link", right=names)
    table.add_column("source")
    for kind, reach in calibration.links:
        if isinstance(reach, Reach):
            source = calibration.sources.get(f"links.{kind}", "-")
            table.add_row(kind, *(f"{getattr(reach, name):.3g}" for name in names), source)
    make_console().print(table)


def _stated(layer: Layer, name: str, source: str) -> Layer:
    return layer.model_copy(update={"sources": {**layer.sources, name: source}})


def _write(folder: Path, made: Mapping[str, Layer]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, layer in made.items():
            path = folder / f"{name}.json"
            path.write_text(json.dumps(_record(layer), indent=2) + "\n", encoding="utf-8")
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"--out {folder}", "found a file", "write a folder") from None
    except OSError as error:
        raise SurroundingsError(str(folder), f"can't be written ({error.strerror})") from None
    print(f"wrote {len(made)} calibrations to {folder}", file=sys.stderr)
