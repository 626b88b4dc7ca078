"""`hwsim calibrate`: fit the parameters of kernels to measured times, or show a calibration."""

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
    from calibration.borrow import Fitted
    from calibration.measurement import Measurement
    from hwsim.cost.calibration import Layer

ALL = "all"
FEWEST = 3  # cases that say anything

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Fit the parameters of kernels to measured times, or show a calibration.",
)


@app.command(
    help="""Fit calibrations to measured kernels; one JSON file a device in the folder --out.

    With --device all also one for each architecture, and the default.

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
    from calibration import layers, validate
    from hwsim.cost.calibration import load_for

    read = [(file, case) for file in files for case in validate.read(file)]
    known = sorted({case.device for _, case in read if case.device})
    if device not in (ALL, *known):
        raise InputError("--device", f"found '{device}'", near(device, [ALL, *known]))
    chosen = _usable([(file, case) for file, case in read if device in (ALL, case.device)], files)
    print(f"fitting {len(chosen):,} cases", file=sys.stderr)
    fitted = layers.fit_all(chosen, kin=load_for)
    _show_fits(fitted)
    default, made = layers.calibrations(fitted)
    told = {name: layer for name, layer in made.items() if device in (ALL, name)}
    if device == ALL:
        told[default.name] = default
    names = " ".join(Path(file).name for file in files)
    command = f"hwsim calibrate fit {names} --device {device}"
    day = datetime.now(UTC).date().isoformat()
    _write(out, told, f"{day}, {command}")


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


def _usable(read: Sequence[tuple[str, Measurement]], files: Sequence[str]) -> list[Measurement]:
    """Measured kernels that can be right; says which can't. Raises InputError for too few."""
    from calibration.fit_kernels import key_of
    from calibration.screen import screen

    kernels = [(file, case) for file, case in read if key_of(case) is not None]
    kept, warnings = screen(kernels)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if len(kept) < FEWEST:
        kinds = "measured products, recurrences, convolutions or elementwise kernels"
        what = f"found {len(kept)} usable {kinds}"
        raise InputError(", ".join(files), what, f"give tables with at least {FEWEST}")
    return kept


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
        if one.kin:
            few = f"{len(one.group.cases)} cases are too few for parameters of its own"
            print(f"{device} {entry}: {few}: drawn to {one.kin.name}'s", file=sys.stderr)
        table.add_row(device, entry, f"{len(one.group.cases):,}", error, untold)
    make_console().print(table)


def _record(layer: Layer) -> dict[str, Any]:
    return layer.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=False)


def _write(folder: Path, made: Mapping[str, Layer], provenance: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, layer in made.items():
            record = _record(
                layer.model_copy(update={"sources": {**layer.sources, "fitted": provenance}})
            )
            path = folder / f"{name}.json"
            path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"--out {folder}", "found a file", "write a folder") from None
    except OSError as error:
        raise SurroundingsError(str(folder), f"can't be written ({error.strerror})") from None
    print(f"wrote {len(made)} calibrations to {folder}", file=sys.stderr)
