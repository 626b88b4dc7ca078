"""`hwsim calibrate`: fit parameters to measured kernels and collectives, or show a calibration."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibration.extras import need
from hwsim.errors import InputError, SurroundingsError, near

if TYPE_CHECKING:
    from calibration.layers import Fitted
    from hwsim.cost.calibration import Calibration, Layer

ALL = "all"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Fit parameters of kernels and links to measured times, or show a calibration.",
)


@app.command(
    help="""Fit calibrations to measured kernels; one JSON file a device in the folder --out.

    With --device all also one for each architecture, and the default. Collectives are fitted too:
    what links reach goes into the default.

    Example: hwsim calibrate fit gemm.csv recurrent.csv --device v100-pcie-16gb --out fitted
    """
)
def fit(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="CSV tables or JSON Lines; - is stdin.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write to; it is made.")],
    device: Annotated[str, typer.Option(help="A device of the tables, or all.")] = ALL,
) -> None:
    need("scipy", "hwsim calibrate fit")
    from calibration import fit_links, layers, validate
    from hwsim.cost.calibration import load

    cases = [case for file in files for case in validate.read(file)]
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
