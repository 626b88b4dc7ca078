"""What `hwsim calibrate run` does with its options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calibration import measurement
from calibration.measure import design, log, place
from calibration.measure.batches import measure
from calibration.measure.place import Place
from calibration.measure.progress import MeasuringProgress
from calibration.measurement import Case, Measurement
from hwsim.errors import InputError, SurroundingsError, near
from hwsim.report.console import make_console, plain_table
from hwsim.units import seconds_text


@dataclass(frozen=True)
class Options:
    """As written; what is empty is the default of the place."""

    quick: bool = False
    device: str | None = None
    threads: int = 1
    dtypes: Sequence[str] = ()
    kinds: Sequence[str] = ()
    cases: str | None = None


def run(out: Path, options: Options, *, plan: bool = False) -> None:
    """Measures what `out` does not hold yet, or only prints what that is.

    Raises InputError for options and files that can't be, SurroundingsError where the disk refuses
    or nothing can be measured.
    """
    here = place.find(options.device, options.threads)
    chosen = _chosen(here, options)
    said = place.provenance(here, _command(out, options))
    held = log.held(out, said)
    waiting = [case for case in chosen if case not in held]
    if plan:
        _show(chosen, waiting, here)
        return
    with log.writing(out, said) as append, MeasuringProgress(waiting, here) as progress:

        def done(measured: Measurement) -> None:
            append(measured)
            progress.done()

        measure(waiting, here, said, done, progress.skip, progress.sampled)
    if not held and not progress.measured:
        raise SurroundingsError(str(out), "nothing could be measured", "the reasons stand above")
    skipped = f", {progress.skipped} skipped" if progress.skipped else ""
    print(
        f"{progress.measured} of {len(chosen)} cases measured now{skipped}: fit them with "
        f"`hwsim calibrate fit {out}`"
    )


def _chosen(here: Place, options: Options) -> list[Case]:
    """The design or the file's cases, each once, of the kinds and formats that are asked for."""
    for kind in options.kinds:
        if kind not in design.KINDS:
            raise InputError("--kind", f"found '{kind}'", near(kind, design.KINDS))
    for dtype in options.dtypes:
        if dtype not in design.DTYPES:
            raise InputError("--dtype", f"found '{dtype}'", near(dtype, design.DTYPES))
        if dtype == "tf32" and not here.tensor_cores:
            raise InputError("--dtype", "found 'tf32', which this device lacks", "write fp32")
    if options.cases is None:
        standard = design.DTYPES if here.tensor_cores else ("fp32",)
        dtypes, kinds = options.dtypes or standard, options.kinds or design.KINDS
        return design.cases(here, dtypes, kinds, quick=options.quick)
    read = measurement.read(options.cases)
    for one in read:
        if one.shape.kind not in design.KINDS:
            place_of = f"{options.cases}: row {one.row}: shape.kind"
            raise InputError(
                place_of, f"{one.shape.kind} can't be measured", near("", design.KINDS)
            )
    return [
        case
        for case in dict.fromkeys(one.case for one in read)
        if (not options.kinds or case.shape.kind in options.kinds)
        and (not options.dtypes or case.dtype in options.dtypes)
    ]


def _command(out: Path, options: Options) -> str:
    """Without the folders of files, which name their user."""
    words = ["hwsim calibrate run", out.name]
    words += ["--quick"] if options.quick else []
    words += [f"--device {options.device}"] if options.device else []
    words += [f"--threads {options.threads}"] if options.threads > 1 else []
    words += [f"--dtype {dtype}" for dtype in options.dtypes]
    words += [f"--kind {kind}" for kind in options.kinds]
    words += [f"--cases {Path(options.cases).name}"] if options.cases else []
    return " ".join(words)


def _show(chosen: Sequence[Case], waiting: Sequence[Case], here: Place) -> None:
    """Cases by kind, those that are left, and about how long these take."""
    table = plain_table("kind", right=("cases", "to measure", "about"))
    counts = Counter(case.shape.kind for case in chosen)
    for kind, count in counts.items():
        left = [case for case in waiting if case.shape.kind == kind]
        seconds = sum(design.expected(case, here) for case in left)
        table.add_row(kind, f"{count:,}", f"{len(left):,}", seconds_text(seconds))
    total = sum(design.expected(case, here) for case in waiting)
    total += design.TEAM_SECONDS * any((case.devices or 1) > 1 for case in waiting)
    table.add_row("all", f"{len(chosen):,}", f"{len(waiting):,}", seconds_text(total))
    make_console().print(table)
