"""What the commands share that ask about a model on a machine under a plan."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hwsim.cli.options import parse_settings
from hwsim.cost.calibration import Calibration, load_for, read_layer
from hwsim.errors import DoesNotFit, InputError
from hwsim.graph import workload as workloads
from hwsim.hardware import catalog
from hwsim.hardware.spec import Device
from hwsim.parallel import fits
from hwsim.parallel.check import scaled
from hwsim.parallel.memory import StageMemory
from hwsim.parallel.needs import needed
from hwsim.parallel.plan import Plan, available
from hwsim.simulate.step import prepared
from hwsim.study.subject import Subject


def _short(name: str, help_: str, metavar: str = "N") -> Any:
    """A short form of `--set plan.NAME=VALUE`."""
    return typer.Option(f"--{name}", metavar=metavar, help=help_, rich_help_panel="Plan")


Hw = Annotated[str, typer.Option(help="A shipped machine or device, a JSON file, or - for stdin.")]
Model = Annotated[str, typer.Option(help="A workload's name, or a JSON file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set a field, such as workload.hidden."),
]
CalibrationFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="What `hwsim calibrate fit` wrote.")
]
Borrow = Annotated[bool, typer.Option("--borrow", help="Also if it was fitted to another device.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Dp = Annotated[str | None, _short("dp", "Devices that share the batch.")]
Tp = Annotated[str | None, _short("tp", "Devices that share each operator.")]
Pp = Annotated[str | None, _short("pp", "Pipeline stages: devices that share the layers.")]
Cp = Annotated[str | None, _short("cp", "Devices that share each sequence.")]
Ep = Annotated[str | None, _short("ep", "Devices among which experts are spread.")]
MicroBatch = Annotated[str | None, _short("micro-batch", "Samples at a time.")]
Schedule = Annotated[
    str | None, _short("schedule", "gpipe, 1f1b, interleaved or zero-bubble.", "NAME")
]
Zero = Annotated[str | None, _short("zero", "Shard optimizer (1), gradients (2), parameters (3).")]
Recompute = Annotated[str | None, _short("recompute", "none, selective or full.", "NAME")]


def load_subject(
    hw: str, model: str, settings: list[str] | None, plan: Mapping[str, str | None]
) -> Subject:
    """The machine, the workload and the plan, from `--set` texts and short forms by field.

    Raises InputError for what is given twice, and for what is not there.
    """
    fields = all_settings(settings, plan)
    if hw == model == "-":
        raise InputError("--hw and --model", "found '-' twice", "give one of them as a file")
    return Subject(catalog.load(hw, stdin=sys.stdin), workloads.load(model)).with_settings(fields)


def all_settings(settings: list[str] | None, plan: Mapping[str, str | None]) -> dict[str, str]:
    """`--set` texts and short forms of the plan by path. Raises InputError for one given twice."""
    fields = parse_settings(settings or [])
    for name, text in plan.items():
        if text is None:
            continue
        if f"plan.{name}" in fields:
            option = f"--{name.replace('_', '-')}"
            what = f"{option} and --set plan.{name}"
            raise InputError(what, "found together", "write one of them")
        fields[f"plan.{name}"] = text
    return fields


def load_calibration(device: Device, path: str | None, *, borrow: bool) -> Calibration:
    """What is shipped for the device, under what `--calibration` names. Raises InputError."""
    if path is None:
        return load_for(device)
    return load_for(device).over(read_layer(path, device, borrow=borrow))


def check_borrow(path: str | None, *, borrow: bool) -> None:
    """Raises InputError for `--borrow` alone."""
    if borrow and path is None:
        raise InputError("--borrow", "found without --calibration", "add --calibration FILE")


def does_not_fit(subject: Subject, used: StageMemory) -> DoesNotFit:
    """The error that tells bytes by part, and the smallest change that would fit."""
    system, workload, plan = subject.system, subject.workload, subject.plan
    calibration = load_for(system.device)

    def needs(other: Plan) -> StageMemory:
        return needed(scaled(workload, other), other)

    def surely(other: Plan) -> StageMemory:
        """On the stages that the step itself would have, where there are as many devices."""
        there = available(system)
        if there is not None and other.devices > there:
            return needs(other)
        cuts = prepared(system, workload, other, calibration, software=subject.software).cuts
        return needed(scaled(workload, other), other, cuts)

    advice = fits.what_fits(plan, system, workload.batch, needs, surely)
    return fits.does_not_fit(used, plan, system, advice)
