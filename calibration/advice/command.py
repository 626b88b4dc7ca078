"""What `hwsim calibrate fit --advise` prints and writes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from calibration import measurement
from calibration.advice.advise import Advice, advise
from calibration.validation.sheets import percent
from hwsim.cli.options import parse_settings
from hwsim.errors import InputError
from hwsim.graph import workload as workloads
from hwsim.hardware import catalog
from hwsim.report.console import make_console, plain_table, say
from hwsim.study.subject import Subject


def show(
    files: Sequence[str],
    hw: str | None,
    model: str | None,
    settings: Sequence[str],
    out: Path | None,
) -> None:
    """Print the measurements that would narrow the interval of an estimate most, best first.

    `out` gets them as cases without results. Raises InputError for options that are missing or
    can't be, SurroundingsError if the disk refuses.
    """
    if files:
        raise InputError(
            f"FILE {files[0]}", "found with --advise", "leave it out: nothing is fitted"
        )
    if hw is None or model is None:
        missing = "--hw" if hw is None else "--model"
        raise InputError(missing, "found nothing with --advise", "write it as in hwsim estimate")
    if hw == model == "-":
        raise InputError("--hw and --model", "found '-' twice", "give one of them as a file")
    subject = Subject(catalog.load(hw, stdin=sys.stdin), workloads.load(model))
    found = advise(subject.with_settings(parse_settings(settings)))
    if out is not None:
        measurement.write(out, [one.measurement for one in found])
        say(f"wrote {out}: hwsim calibrate run measured.jsonl --cases {out}")
    _print(found)


def _print(found: Sequence[Advice]) -> None:
    console = make_console()
    numbers = ("share of step", "interval before", "after")
    table = plain_table("", "measurement", right=numbers)
    for rank, one in enumerate(found, start=1):
        shares = map(percent, (one.share, one.before, one.after))
        table.add_row(f"{rank}", one.measurement.describe(), *shares)
    console.print(table)
    console.print(
        "\ninterval: how wide the 80 % interval of the step is, as a share of its time; kernels of "
        "a kind err together in part, those of different kinds apart"
    )
