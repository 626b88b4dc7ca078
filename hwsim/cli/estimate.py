"""`hwsim estimate`: how long a model takes to train on a machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hwsim.cli import counting, planned
from hwsim.cli.asked import Asked, EngineName
from hwsim.errors import DoesNotFit
from hwsim.estimation import Estimate
from hwsim.parallel.memory import StageMemory
from hwsim.parallel.staged import Staged
from hwsim.report import picture, table
from hwsim.report.console import say
from hwsim.study import vary
from hwsim.study.operators import operators, roofs
from hwsim.study.subject import Subject
from hwsim.study.total import Optimum, optimum

app = typer.Typer(add_completion=False)


@app.command(
    help="""How long a model takes to train on a machine: steps x seconds per step.

    Example: hwsim estimate --hw volta --model charlm --dp 8

    Example: hwsim estimate --hw volta --model charlm --vary workload.hidden=32:4096:8

    Example: hwsim estimate --hw volta --model transformer --set software=megatron-2021

    Example: hwsim estimate --hw h100-sxm-80gb --model transformer --law kaplan --target-loss 3.3
    """
)
def command(
    hw: planned.Hw,
    model: planned.Model,
    dp: planned.Dp = None,
    tp: planned.Tp = None,
    pp: planned.Pp = None,
    cp: planned.Cp = None,
    ep: planned.Ep = None,
    micro_batch: planned.MicroBatch = None,
    schedule: planned.Schedule = None,
    zero: planned.Zero = None,
    recompute: planned.Recompute = None,
    set_: planned.Settings = None,
    vary_: Annotated[
        str | None,
        typer.Option("--vary", metavar="PATH=LO:HI:N", help="Sweep a field; or PATH=a,b,c."),
    ] = None,
    calibration: planned.CalibrationFile = None,
    borrow: planned.Borrow = False,
    steps: counting.Steps = None,
    tokens: counting.Tokens = None,
    epochs: counting.Epochs = None,
    law: counting.Law = None,
    target_loss: counting.TargetLoss = None,
    critical_batch: counting.CriticalBatch = None,
    engine: EngineName = "events",
    json_: planned.Json = False,
    cite: Annotated[bool, typer.Option("--cite", help="Print where every figure is from.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the operators, or what --vary finds: a .svg, .png or .pdf."),
    ] = None,
) -> None:
    if plot is not None:
        picture.check(plot)
    plan = {
        **{"dp": dp, "tp": tp, "pp": pp, "cp": cp, "ep": ep, "micro_batch": micro_batch},
        **{"schedule": schedule, "zero": zero, "recompute": recompute},
    }
    subject = planned.load_subject(hw, model, set_, plan)
    planned.check_borrow(calibration, borrow=borrow)
    counted = counting.Options(steps, tokens, epochs, law, target_loss, critical_batch)
    count = Asked(counted, calibration, borrow, engine)
    if vary_ is None:
        _one(subject, count, as_json=json_, cite=cite, plot=plot)
    else:
        _many(subject, vary_, count, as_json=json_, plot=plot)


def _one(subject: Subject, count: Asked, *, as_json: bool, cite: bool, plot: Path | None) -> None:
    answer = count.answer(subject)
    if plot is not None:
        _draw(plot, answer, count.step(subject))
    if as_json:
        print(json.dumps(answer.record(), indent=2))
    elif answer.memory.fits:
        table.show(answer, cite=cite)
    if not answer.memory.fits:
        used = StageMemory(answer.memory.parts, answer.memory.host, answer.memory.stage)
        raise planned.does_not_fit(subject, used)


def _draw(path: Path, answer: Estimate, step: Staged) -> None:
    """The operators under the roofline, and the parts of the step."""
    from hwsim.report.roofline_plot import Dot
    from hwsim.report.step_plot import save_step

    dots = [Dot(o.name, o.intensity, o.rate, o.seconds, o.bound) for o in operators(step)]
    where = f"{answer.plan['devices']} x {answer.hardware.device}"
    name = f"{answer.workload.name} ({answer.workload.sizes['dtype']}) on {where}"
    save_step(path, dots, *roofs(step), answer.step.parts, name)
    say(f"wrote {path}")


def _draw_many(
    path: Path,
    subject: Subject,
    variation: vary.Variation,
    answers: Sequence[Estimate],
    found: Optimum,
) -> None:
    """Times over what is varied; over the number of devices with the efficiency."""
    from hwsim.report import plot, scaling_plot

    points = sorted(answers, key=lambda answer: answer.plan["devices"])
    devices = [answer.plan["devices"] for answer in points]
    if len(set(devices)) == len(devices) and variation.path.startswith("plan."):
        name = f"{answers[0].workload.name} on {answers[0].hardware.name}"
        weak = answers[0].plan["scaling"] == "weak"
        curve = {variation.path: [answer.step.seconds for answer in points]}
        large = [count for count, one in zip(devices, points, strict=True) if not one.memory.fits]
        scaling_plot.save_scaling(path, devices, curve, name, weak=weak, large=large)
    else:
        plot.save(path, variation, answers, found, vary.numbers(subject, variation))
    say(f"wrote {path}")


def _many(subject: Subject, text: str, count: Asked, *, as_json: bool, plot: Path | None) -> None:
    variation = vary.parse(text, subject)
    answers = vary.run(subject, variation, count.answer)
    found = optimum(answers) if any(answer.memory.fits for answer in answers) else None
    if plot is not None and found:  # first, so that a fault leaves nothing on stdout
        _draw_many(plot, subject, variation, answers, found)
    if as_json:
        record: dict[str, Any] = {
            "vary": asdict(variation),
            "points": [answer.record() for answer in answers],
        }
        if found:
            record |= {"optimum": _optimum(found, variation), "flat": list(found.flat)}
        print(json.dumps(record, indent=2))
    if found is None:
        raise DoesNotFit(
            "--vary", "no point fits in memory", "vary towards less, or use more devices with --dp"
        )
    if not as_json:
        table.show_points(variation, answers, found)


def _optimum(found: Optimum, variation: vary.Variation) -> dict[str, Any]:
    """Its number and value, the 80 % interval of it (None if the values have no order), and by
    point: how often it is the fastest, how often within 10 %, and its time over the optimum's."""
    values = variation.values
    ends = (values[found.low], values[found.high]) if variation.in_order else (None, None)
    return {
        **{"index": found.best, "value": values[found.best], "low": ends[0], "high": ends[1]},
        **{"fastest": list(found.fastest), "within": list(found.within)},
        "ratios": [asdict(ratio) for ratio in found.ratios],
    }
