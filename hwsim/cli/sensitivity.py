"""`hwsim sensitivity`: which figures of a machine the time of a training hangs on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli import counting, planned
from hwsim.cli.asked import Asked, EngineName
from hwsim.parallel.memory import StageMemory
from hwsim.report import picture
from hwsim.report import sensitivity as report
from hwsim.report.console import make_console, say
from hwsim.report.progress import make_bar
from hwsim.study.sensitivity.limits import limits
from hwsim.study.sensitivity.study import Sensitivity, study

MOST_BARS = 16

app = typer.Typer(add_completion=False)


@app.command(
    help="""Which figures of a machine the time hangs on, and where more of each stops to pay.

    Example: hwsim sensitivity --hw volta --model charlm --dp 8

    Example: hwsim sensitivity --hw hopper --model transformer --dp 16 --plot tornado.svg

    Example: hwsim sensitivity --hw volta --model charlm --of workload.hidden --of workload.batch
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
    of: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Another number, such as workload.hidden."),
    ] = None,
    no_search: Annotated[
        bool, typer.Option("--no-search", help="Leave out where a figure stops to pay.")
    ] = False,
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
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A tornado: a .svg, .png or .pdf.")
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
    asked = Asked(counted, calibration, borrow, engine)
    base = asked.answer(subject)
    memory = StageMemory(base.memory.parts, base.memory.host, base.memory.stage)
    if not base.memory.fits and not json_:
        raise planned.does_not_fit(subject, memory)
    found = study(subject, asked.answer, of or (), search=not no_search, told=_told)
    limited = limits(asked.step(subject))
    if plot is not None:
        _draw(plot, found)
    if json_:
        print(json.dumps(report.record(found, limited), indent=2))
    else:
        report.show(found, limited)
    if not base.memory.fits:
        raise planned.does_not_fit(subject, memory)


def _told(paths: Iterable[str]) -> Iterator[str]:
    """The paths as they go by, with a bar on a terminal."""
    paths = list(paths)
    with make_bar(make_console(stderr=True)) as bar:
        task = bar.add_task("figures", total=len(paths))
        for path in paths:
            bar.update(task, description=path)
            yield path
            bar.advance(task)


def _draw(path: Path, found: Sensitivity) -> None:
    from hwsim.report.tornado_plot import save_tornado

    shown = found.effects[:MOST_BARS]
    base = found.base
    save_tornado(
        path,
        [f"{one.path} ({one.text})" for one in shown],
        [one.halved.step if one.halved else math.nan for one in shown],
        [one.doubled.step if one.doubled else math.nan for one in shown],
        f"{base.workload.name} on {base.plan['devices']} x {base.hardware.device}",
        "time per step over that of now",
    )
    say(f"wrote {path}")
