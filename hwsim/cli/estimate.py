"""`hwsim estimate`: how long a model takes to train on a machine."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hwsim.cli.options import parse_settings
from hwsim.cost.calibration import load_for, read_layer
from hwsim.errors import DoesNotFit, InputError
from hwsim.estimate import Engine, Estimate, estimate
from hwsim.graph import workload as workloads
from hwsim.hardware import catalog
from hwsim.parallel.check import scaled
from hwsim.parallel.fits import does_not_fit, what_fits
from hwsim.parallel.memory import StageMemory
from hwsim.parallel.needs import needed
from hwsim.parallel.plan import Plan
from hwsim.report import table
from hwsim.study import vary
from hwsim.study.subject import Subject

app = typer.Typer(add_completion=False)


@app.command(
    help="""How long a model takes to train on a machine: steps x seconds per step.

    Example: hwsim estimate --hw volta --model charlm --dp 8

    Example: hwsim estimate --hw volta --model charlm --vary workload.hidden=32:4096:8
    """
)
def command(
    hw: Annotated[
        str, typer.Option(help="A shipped machine or device, a JSON file, or - for stdin.")
    ],
    model: Annotated[str, typer.Option(help="A workload's name, or a JSON file.")],
    dp: Annotated[
        str | None, typer.Option(metavar="N", help="Devices that share the batch.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a field, such as workload.hidden."),
    ] = None,
    vary_: Annotated[
        str | None,
        typer.Option("--vary", metavar="PATH=LO:HI:N", help="Sweep a field; or PATH=a,b,c."),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(metavar="FILE", help="What `hwsim calibrate fit` wrote.")
    ] = None,
    borrow: Annotated[
        bool, typer.Option("--borrow", help="Also if it was fitted to another device.")
    ] = False,
    steps: Annotated[float | None, typer.Option(help="Your own count of steps.")] = None,
    tokens: Annotated[float | None, typer.Option(help="Items to train on, instead.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the data, instead.")] = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="events (simulated), or closed (quick).")
    ] = "events",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    cite: Annotated[bool, typer.Option("--cite", help="Print where every figure is from.")] = False,
    plot: Annotated[Path | None, typer.Option(help="With --vary: a .svg, .png or .pdf.")] = None,
) -> None:
    settings = parse_settings(set_ or [])
    if dp is not None:
        if "plan.dp" in settings:
            raise InputError("--dp and --set plan.dp", "found together", "write one of them")
        settings["plan.dp"] = dp
    subject = _subject(hw, model, settings)
    if borrow and calibration is None:
        raise InputError("--borrow", "found without --calibration", "add --calibration FILE")
    count = _Given(steps, tokens, epochs, calibration, borrow, engine)
    if vary_ is None:
        if plot is not None:
            raise InputError("--plot", "found without --vary", "add --vary PATH=LO:HI:N")
        _one(subject, count, as_json=json_, cite=cite)
    else:
        _many(subject, vary_, count, as_json=json_, plot=plot)


class _Given:
    """The user's own count of steps (--steps, --tokens or --epochs), calibration and engine."""

    def __init__(
        self,
        steps: float | None,
        tokens: float | None,
        epochs: float | None,
        calibration: str | None,
        borrow: bool,
        engine: str,
    ) -> None:
        if engine not in ("closed", "events"):
            raise InputError("--engine", f"found '{engine}'", "write closed or events")
        self._engine: Engine = "closed" if engine == "closed" else "events"
        self._calibration, self._borrow = calibration, borrow
        given = {"--steps": steps, "--tokens": tokens, "--epochs": epochs}
        named = {name: value for name, value in given.items() if value is not None}
        if len(named) > 1:
            raise InputError(" and ".join(named), "found together", "write one of them")
        for name, value in named.items():
            if not 0 < value < float("inf"):
                raise InputError(name, f"found {value:g}", "write a finite number above 0")
        self.steps, self.tokens, self.epochs = steps, tokens, epochs

    def of(self, workload: workloads.Workload) -> float | None:
        """Steps for this workload; None leaves them to the law."""
        per_step = workload.batch * workload.items_per_sample
        if self.tokens is not None:
            return float(math.ceil(self.tokens / per_step))
        if self.epochs is not None:
            return float(math.ceil(self.epochs * workload.dataset / per_step))
        return self.steps

    def answer(self, subject: Subject) -> Estimate:
        system, calibration = subject.system, None
        if self._calibration is not None:
            layer = read_layer(self._calibration, system.device, borrow=self._borrow)
            calibration = load_for(system.device).over(layer)
        steps = self.of(subject.workload)
        plan, engine = subject.plan, self._engine
        return estimate(system, subject.workload, plan, calibration, steps=steps, engine=engine)


def _subject(hw: str, model: str, settings: Mapping[str, str]) -> Subject:
    if hw == model == "-":
        raise InputError("--hw and --model", "found '-' twice", "give one of them as a file")
    return Subject(catalog.load(hw, stdin=sys.stdin), workloads.load(model)).with_settings(settings)


def _one(subject: Subject, count: _Given, *, as_json: bool, cite: bool) -> None:
    answer = count.answer(subject)
    if as_json:
        print(json.dumps(answer.record(), indent=2))
    elif answer.memory.fits:
        table.show(answer, cite=cite)
    if not answer.memory.fits:
        raise _does_not_fit(subject, answer)


def _does_not_fit(subject: Subject, answer: Estimate) -> DoesNotFit:
    system, workload, plan = subject.system, subject.workload, subject.plan
    used = StageMemory(answer.memory.parts, answer.memory.host, answer.memory.stage)

    def needs(other: Plan) -> StageMemory:
        return needed(scaled(workload, other), other)

    return does_not_fit(used, plan, system, what_fits(plan, system, workload.batch, needs))


def _many(subject: Subject, text: str, count: _Given, *, as_json: bool, plot: Path | None) -> None:
    variation = vary.parse(text, subject)
    answers = vary.run(subject, variation, count.answer)
    some_fit = any(answer.memory.fits for answer in answers)
    if plot is not None and some_fit:  # first, so that a fault leaves nothing on stdout
        from hwsim.report import plot as pictures

        pictures.save(plot, variation, answers, *vary.optimum(answers))
        print(f"wrote {plot}", file=sys.stderr)
    if as_json:
        record: dict[str, Any] = {
            "vary": asdict(variation),
            "points": [answer.record() for answer in answers],
        }
        if some_fit:
            record["optimum"], record["flat"] = vary.optimum(answers)
        print(json.dumps(record, indent=2))
    if not some_fit:
        raise DoesNotFit(
            "--vary", "no point fits in memory", "vary towards less, or use more devices with --dp"
        )
    if not as_json:
        table.show_points(variation, answers, *vary.optimum(answers))
