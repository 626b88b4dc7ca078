"""What `hwsim calibrate fit` does: this machine's calibration, or those of published tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calibration.fitting import code as fit_code
from calibration.fitting import layers, local
from calibration.fitting import links as fit_links
from calibration.fitting.borrow import Fitted
from calibration.fitting.code import Fit
from calibration.fitting.local import Found
from calibration.fitting.screen import screen
from calibration.fitting.spreads import median_error
from calibration.fitting.stack import Floats
from calibration.measurement import Measurement
from calibration.predict.basis import hosted
from calibration.sources import files as sources
from hwsim import userdata
from hwsim.cost.calibration import Calibration, Layer, Reach, load, load_for
from hwsim.errors import InputError, SurroundingsError, near
from hwsim.hardware import catalog
from hwsim.report.console import make_console, plain_table, say

ALL = "all"
FEWEST = 3  # usable cases
# An entry, its cases, their held-out residuals, the parameters that they don't tell.
Row = tuple[str, int, Floats, tuple[str, ...]]


def fit_local(files: Sequence[str], *, borrow: bool) -> None:
    """The calibration of this machine, into the user's data.

    Raises InputError for what was measured elsewhere, unless `borrow`.
    """
    cases = _usable(files, None, ALL)
    system = local.describe(cases)
    measured = cases[0].provenance.machine
    here = [] if borrow else local.machines()
    if not borrow and measured not in here:
        what = f"found what was measured on {measured}, but this is {' or '.join(here)}"
        raise InputError(", ".join(files), what, "measure here, or add --borrow")
    found = local.fit(cases, system, _provenance(files, None))
    _say_few(found.kernels)
    _show(_rows(found))
    place = userdata.write(catalog.file_form(system), record(found.layer))
    say(f"wrote {place}: try `hwsim estimate --hw local --model charlm-small`")


def fit_tables(files: Sequence[str], out: Path, device: str) -> None:
    """One file for each device of the tables, or for the named one; of all also each architecture
    and the default, which has the links and the code around kernels."""
    chosen = _usable(files, None if device == ALL else device, device)
    say(f"fitting {len(chosen):,} cases")
    on_hosts = [case for case in chosen if hosted(case)]
    others = [case for case in chosen if not hosted(case)]
    fitted = layers.fit_all(others, kin=load_for)
    _say_few(fitted)
    linked = fit_links.calibrated(load(), others)
    made = layers.calibrations(fitted) if fitted else (load(), {})
    calibration = layers.provider(made) if fitted else load_for
    coded = fit_code.fit_code(fit_code.steps_of(others, calibration))
    if not (fitted or linked or coded or on_hosts):
        what = "found no measured kernel, collective or step that something can be fitted to"
        raise InputError(", ".join(files), what, "give tables with their seconds")
    default, told = fit_code.joined(made, coded)
    _show([*_kernel_rows(fitted), *_code_rows(coded)])
    if linked is not None:
        _show_links(linked)
        default = _with_links(default, linked)
    told |= _hosts(on_hosts)
    told = {name: layer for name, layer in told.items() if device in (ALL, name)}
    if linked is not None or (device == ALL and (fitted or coded)):
        told[default.name] = default
    provenance = _provenance(files, device)
    _write(out, {name: _stated(layer, provenance) for name, layer in told.items()})


def record(layer: Layer) -> dict[str, Any]:
    """The file form of a calibration."""
    return layer.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=False)


def _usable(files: Sequence[str], named: str | None, device: str) -> list[Measurement]:
    """Measurements of the device that can be right; says which can't.

    Raises InputError for an unknown device and for too few.
    """
    read = [(file, case) for file in files for case in sources.read(file, named)]
    known = sorted({case.device for _, case in read if case.device})
    if device not in (ALL, *known):
        raise InputError("--device", f"found '{device}'", near(device, [ALL, *known]))
    kept, warnings = screen((f, case) for f, case in read if device in (ALL, case.device))
    for warning in warnings:
        say(f"warning: {warning}")
    if len(kept) < FEWEST:
        what = f"found {len(kept)} usable measurements"
        raise InputError(", ".join(files), what, f"give tables with at least {FEWEST}")
    return kept


def _hosts(cases: Sequence[Measurement]) -> dict[str, Layer]:
    """Calibrations of CPUs of the catalog, which have no kin."""
    made = {}
    for name in sorted({str(case.device) for case in cases}):
        own = [case for case in cases if case.device == name]
        own_machine = name == userdata.LOCAL
        system = (
            local.describe(own)
            if own_machine
            else local.with_processes(catalog.load(name).device, own)
        )
        found = local.fit(own, system, "")
        _show(_rows(found))
        made[name] = found.layer
    return made


def _of_links(rows: Mapping[str, int]) -> dict[str, int]:
    return {table: number for table, number in rows.items() if table.startswith("collective/")}


def _with_links(default: Calibration, linked: Calibration) -> Calibration:
    """Links belong to no device: they go into the default."""
    sources = {name: text for name, text in linked.sources.items() if name.startswith("links")}
    update = {
        "links": linked.links,
        "rows": {**linked.rows, **default.rows, **_of_links(linked.rows)},
        "sources": {**default.sources, **sources},
    }
    return default.model_copy(update=update)


def _rows(found: Found) -> list[Row]:
    rows: list[Row] = []
    if found.host is not None:
        rows.append(("kernels", found.host.cases, found.host.residuals, found.host.free))
    rows += _kernel_rows(found.kernels)
    return rows + [(f, len(one.residuals), one.residuals, ()) for f, one in found.eager.items()]


def _kernel_rows(fitted: Mapping[Any, Fitted]) -> list[Row]:
    return [
        (
            " ".join((device, key.kind, key.engine, key.timing)),
            len(one.group.cases),
            one.residuals,
            one.fit.free,
        )
        for (device, key), one in fitted.items()
    ]


def _say_few(fitted: Mapping[Any, Fitted]) -> None:
    """Which entries have too few cases of their own, and whose parameters they are drawn to."""
    for (device, key), one in fitted.items():
        if one.kin:
            entry = f"{device} {key.kind} {key.engine} {key.timing}"
            few = f"{len(one.group.cases)} cases are too few for parameters of its own"
            say(f"{entry}: {few}: drawn to {one.kin.name}'s")


def _code_rows(coded: Fit | None) -> list[Row]:
    rows: list[Row] = []
    if coded is None:
        return rows
    for profile in coded.parameters.profiles:
        own = coded.residuals[[step.profile == profile for step in coded.steps]]
        if len(own):
            rows.append((f"software {profile}", len(own), own, ()))
    return rows


def _show(rows: Sequence[Row]) -> None:
    """What was fitted, and how far off it is on sizes that it was not fitted to."""
    if not rows:
        return
    table = plain_table("entry", right=("cases", "held-out median"))
    table.add_column("untold")
    for name, cases, residuals, free in rows:
        error = median_error(residuals) or "-"
        table.add_row(name, f"{cases:,}", error, ", ".join(free) or "-")
    make_console().print(table)


def _show_links(calibration: Calibration) -> None:
    """What each kind of link reaches, and where that is from."""
    names = ("share", "latency", "call", "fill", "short")
    table = plain_table("link", right=names)
    table.add_column("source")
    for kind, reach in calibration.links:
        if isinstance(reach, Reach):
            source = calibration.sources.get(f"links.{kind}", "-")
            table.add_row(kind, *(f"{getattr(reach, name):.3g}" for name in names), source)
    make_console().print(table)


def _provenance(files: Sequence[str], device: str | None) -> str:
    names = " ".join(Path(file).name for file in files)
    only = f" --device {device}" if device else ""
    return f"{datetime.now(UTC).date()}, hwsim calibrate fit {names}{only}"


def _stated(layer: Layer, provenance: str) -> Layer:
    return layer.model_copy(update={"sources": {**layer.sources, "fitted": provenance}})


def _write(folder: Path, made: Mapping[str, Layer]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, layer in made.items():
            path = folder / f"{name}.json"
            path.write_text(json.dumps(record(layer), indent=2) + "\n", encoding="utf-8")
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"--out {folder}", "found a file", "write a folder") from None
    except OSError as error:
        raise SurroundingsError(str(folder), f"can't be written ({error.strerror})") from None
    say(f"wrote {len(made)} calibrations to {folder}")
