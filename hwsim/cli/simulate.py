"""`hwsim simulate`: one training step, event by event."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from hwsim.cli import planned
from hwsim.cli.disturbed import disturbance
from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.parallel.check import scaled
from hwsim.parallel.memory import fullest
from hwsim.parallel.needs import stages_needed
from hwsim.report import simulation
from hwsim.report import trace as trace_events
from hwsim.report.console import say
from hwsim.report.simulation import Simulation
from hwsim.report.timeline_text import MOST_COLUMNS
from hwsim.simulate.disturbance import Disturbance
from hwsim.simulate.engine import run
from hwsim.simulate.expected import expected
from hwsim.simulate.step import prepared, programmed
from hwsim.study.subject import Subject

MOST_RUNS = 10_000
MOST_PASSES = 250_000  # of micro-batches through simulated devices, with all spans kept
LEAST_COLUMNS = 40

app = typer.Typer(add_completion=False)

Trace = Annotated[
    Path | None, typer.Option("--trace", metavar="FILE", help="Write a trace for Perfetto.")
]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw the step: a .svg, .png or .pdf.")
]
NoTrace = Annotated[bool, typer.Option("--no-trace", help="Keep no spans, for very long steps.")]
Detail = Annotated[bool, typer.Option("--detail", help="A span for every operator.")]
Everyone = Annotated[bool, typer.Option("--everyone", help="All devices, not one of each stage.")]
Jitter = Annotated[
    float | None, typer.Option(help="Standard deviation of the logarithm of kernels' times.")
]
Straggler = Annotated[
    list[str] | None,
    typer.Option(metavar="DEVICE=FACTOR", help="A device whose kernels take longer."),
]
SlowLink = Annotated[
    list[str] | None,
    typer.Option(metavar="DEVICE=SHARE", help="A device whose links keep a share of their rate."),
]
Seed = Annotated[int | None, typer.Option(help="With --jitter: which draws.")]
Runs = Annotated[int | None, typer.Option(help="With --jitter: also the mean of so many steps.")]
Width = Annotated[int | None, typer.Option(help="Columns of the timeline.")]


@app.command(
    help="""One training step, event by event: who computes when, and who waits for what.

    Example: hwsim simulate --hw volta --model speech --pp 4 --micro-batch 8

    Example: hwsim simulate --hw volta --model charlm --dp 8 --trace step.json --plot step.svg
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
    calibration: planned.CalibrationFile = None,
    borrow: planned.Borrow = False,
    trace: Trace = None,
    plot: Plot = None,
    no_trace: NoTrace = False,
    detail: Detail = False,
    everyone: Everyone = False,
    jitter: Jitter = None,
    straggler: Straggler = None,
    slow_link: SlowLink = None,
    seed: Seed = None,
    runs: Runs = None,
    width: Width = None,
    json_: planned.Json = False,
) -> None:
    shorts = {
        **{"dp": dp, "tp": tp, "pp": pp, "cp": cp, "ep": ep, "micro_batch": micro_batch},
        **{"schedule": schedule, "zero": zero, "recompute": recompute},
    }
    subject = planned.load_subject(hw, model, set_, shorts)
    planned.check_borrow(calibration, borrow=borrow)
    drawn = {"--trace": trace, "--plot": plot, "--width": width}
    _refuse(drawn, no_trace, "together with --no-trace", "write one of them")
    _refuse({"--seed": seed, "--runs": runs}, not jitter, "without --jitter", "add --jitter 0.03")
    _within("--width", width, LEAST_COLUMNS, MOST_COLUMNS)
    _within("--runs", runs, 2, MOST_RUNS)
    known = planned.load_calibration(subject.system.device, calibration, borrow=borrow)
    disturbed = disturbance(subject.plan, jitter, straggler or [], slow_link or [], seed)
    how = _How(everyone or disturbed is not None, detail, not no_trace, runs or 0, disturbed)
    found = _simulated(subject, known, how)
    if found.fits:
        _draw(found, trace, plot)
    if json_:
        print(json.dumps(simulation.record(found), indent=2))
    elif found.fits:
        simulation.show(found, width=width)
    if not found.fits:
        raise planned.does_not_fit(subject, fullest(found.memory))


class _How(NamedTuple):
    """How a step is simulated, and how often under other draws."""

    everyone: bool
    detail: bool
    trace: bool
    runs: int
    disturbance: Disturbance | None


def _simulated(subject: Subject, calibration: Calibration, how: _How) -> Simulation:
    system, plan = subject.system, subject.plan
    step = prepared(system, subject.workload, plan, calibration, software=subject.software)
    workload = scaled(subject.workload, plan)
    memory = stages_needed(workload, plan, step.cuts)
    program = programmed(step, how.disturbance, everyone=how.everyone, detail=how.detail)
    passes = step.slots * plan.virtual * program.devices
    if how.trace and passes > MOST_PASSES:
        raise InputError(
            "simulate",
            f"found {passes:,} passes through {program.devices:,} devices, too many to be kept",
            "add --no-trace",
        )
    timeline = run(program, disturbance=how.disturbance, trace=how.trace)
    if not math.isfinite(timeline.seconds):
        raise InputError("simulate", "found a time that is not finite", "write smaller figures")
    spread = expected(program, how.disturbance, how.runs) if how.disturbance and how.runs else None
    return Simulation(workload, calibration, step, memory, timeline, spread, how.runs)


def _draw(found: Simulation, traced: Path | None, plot: Path | None) -> None:
    """Write the files, first, so that a fault leaves nothing on stdout."""
    timeline, plan = found.timeline, found.step.plan
    if plot is not None:
        from hwsim.report import timeline_plot

        title = f"{found.workload.name} on {plan.devices} x {found.step.system.device.name}"
        timeline_plot.save(plot, timeline, plan, title)
        say(f"wrote {plot}")
    if traced is not None:
        trace_events.write(traced, timeline, plan)
        say(f"wrote {traced}")


def _refuse(options: Mapping[str, Any], wrong: bool, why: str, instead: str) -> None:
    """Raises InputError for the first option that was given."""
    for name, value in options.items():
        if wrong and value is not None:
            raise InputError(name, f"found {why}", instead)


def _within(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise InputError(name, f"found {value}", f"write {least} to {most:,}")
