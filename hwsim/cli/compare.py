"""`hwsim compare`: machines, plans, models or saved estimates side by side."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from hwsim import jsonfile
from hwsim.cli import counting, planned
from hwsim.cli.asked import Asked, EngineName
from hwsim.cli.options import parse_settings
from hwsim.errors import DoesNotFit, InputError
from hwsim.estimation import Estimate
from hwsim.graph import workload as workloads
from hwsim.hardware import catalog
from hwsim.hardware.spec import System
from hwsim.report import compare as report
from hwsim.report import picture
from hwsim.report.console import make_console, say
from hwsim.report.progress import make_bar
from hwsim.study import compare
from hwsim.study.objectives import best, chosen, figures
from hwsim.study.saved import read
from hwsim.study.subject import Subject

LARGEST = 1 << 24  # bytes of a saved estimate

app = typer.Typer(add_completion=False)


@app.command(
    help="""Machines, plans, models or saved estimates side by side, with what is different and why.

    A point is the name or file of a machine, a file of `hwsim estimate --json`, or settings; the
    others are compared with the first.

    Example: hwsim compare --model charlm --dp 8 volta hopper

    Example: hwsim compare --hw volta --model charlm --dp 8 plan.overlap=true plan.overlap=false

    Example: hwsim compare --model charlm volta "volta device.memory.bandwidth=2x" hopper

    Example: hwsim compare --pareto total,cost before.json "hw=hopper model=charlm plan.dp=8"
    """
)
def command(
    points: Annotated[
        list[str], typer.Argument(help="Two or more: MACHINE, FILE, or 'PATH=VALUE PATH=VALUE'.")
    ],
    hw: Annotated[str | None, typer.Option(help="The machine of points that name none.")] = None,
    model: Annotated[str | None, typer.Option(help="The workload of points with none.")] = None,
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
    steps: counting.Steps = None,
    tokens: counting.Tokens = None,
    epochs: counting.Epochs = None,
    law: counting.Law = None,
    target_loss: counting.TargetLoss = None,
    critical_batch: counting.CriticalBatch = None,
    engine: EngineName = "events",
    pareto: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Mark those that none beats in all, as total,cost."),
    ] = None,
    json_: planned.Json = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Parts of a step; with --pareto of two, the front."),
    ] = None,
) -> None:
    if len(points) < 2:
        raise InputError("compare", f"found only '{points[0]}'", "write two points or more")
    objectives = chosen(pareto) if pareto is not None else None
    if plot is not None:
        picture.check(plot)
    plan = {
        **{"dp": dp, "tp": tp, "pp": pp, "cp": cp, "ep": ep, "micro_batch": micro_batch},
        **{"schedule": schedule, "zero": zero, "recompute": recompute},
    }
    planned.check_borrow(calibration, borrow=borrow)
    counted = counting.Options(steps, tokens, epochs, law, target_loss, critical_batch)
    asked = Asked(counted, calibration, borrow, engine)
    common = _Common(hw, model, planned.all_settings(set_, plan), asked)
    answers = [common.answer(point) for point in _told(points)]
    front = best(answers, objectives) if objectives else None
    if plot is not None:
        _draw(plot, points, answers, objectives, front)
    _print(points, answers, objectives, front, as_json=json_)
    if not any(answer.memory.fits for answer in answers):
        raise DoesNotFit("compare", "no point fits in memory", "use more devices or smaller sizes")


class _Common:
    """What all points share, unless they say otherwise."""

    def __init__(
        self, hw: str | None, model: str | None, settings: Mapping[str, str], asked: Asked
    ) -> None:
        self._hw, self._model, self._settings, self._asked = hw, model, settings, asked
        self._systems: dict[str, System] = {}  # standard input can be read once

    def answer(self, point: str) -> Estimate:
        """The estimate at a point. Raises InputError that names it."""
        saved = self._saved(point)
        if saved is not None:
            return saved
        try:
            return self._asked.answer(self._subject(point))
        except InputError as error:
            raise error.inside(f"'{point[:60]}'") from None

    def _saved(self, point: str) -> Estimate | None:
        """The estimate in a file or on standard input; None where there is hardware or no file."""
        if point == "-" and point not in self._systems:
            text, where = jsonfile.stream_text(sys.stdin, LARGEST), jsonfile.STDIN
        elif os.path.isfile(point):
            text, where = jsonfile.file_text(point, point, LARGEST), point
        elif os.sep in point and os.path.exists(point):
            raise InputError(point, "found that it is no file", "write a file or a machine's name")
        else:
            return None
        if "kind" not in jsonfile.read_object(text, where):
            return read(text, where)
        found = catalog.parse(text, where)
        self._systems[point] = found if isinstance(found, System) else catalog.single(found)
        return None

    def _subject(self, point: str) -> Subject:
        own = _words(point)
        hw, model = own.pop("hw", self._hw), own.pop("model", self._model)
        if hw is None:
            raise InputError("", "found no machine", "add --hw NAME, or hw=NAME to it")
        if model is None:
            raise InputError("", "found no model", "add --model NAME, or model=NAME to it")
        if hw not in self._systems:
            self._systems[hw] = catalog.load(hw, stdin=sys.stdin)
        subject = Subject(self._systems[hw], workloads.load(model))
        return subject.with_settings({**self._settings, **own})


def _told(points: Sequence[str]) -> Iterator[str]:
    """The points as they go by, with a bar on a terminal."""
    with make_bar(make_console(stderr=True)) as bar:
        task = bar.add_task("points", total=len(points))
        for point in points:
            yield point
            bar.advance(task)


def _words(point: str) -> dict[str, str]:
    """The settings of a point, its machine under "hw". Raises InputError for two machines."""
    if point == "-" or os.path.exists(point):
        return {"hw": point}
    try:
        words = shlex.split(point)
    except ValueError:
        raise InputError("", "found a quote that isn't closed", "close it") from None
    if not words:
        raise InputError("", "found nothing", "write a machine, a file or PATH=VALUE")
    return parse_settings([word if "=" in word else f"hw={word}" for word in words])


def _print(
    points: Sequence[str],
    answers: Sequence[Estimate],
    objectives: Sequence[str] | None,
    front: Sequence[int] | None,
    *,
    as_json: bool,
) -> None:
    changes = [compare.against(answers[0], other) for other in answers[1:]]
    fastest, shares = compare.fastest(answers)
    if not as_json:
        report.show(points, answers, changes, fastest, shares, front)
        return
    record = report.record(points, answers, changes, fastest, shares)
    if objectives is not None:
        record["pareto"] = {"objectives": objectives, "front": front}
    print(json.dumps(record, indent=2))


def _draw(
    path: Path,
    points: Sequence[str],
    answers: Sequence[Estimate],
    objectives: Sequence[str] | None,
    front: Sequence[int] | None,
) -> None:
    large = [number for number, answer in enumerate(answers) if not answer.memory.fits]
    if objectives is None or front is None or len(objectives) != 2:
        from hwsim.report.breakdown_plot import save_breakdown

        save_breakdown(path, points, [answer.step.parts for answer in answers], large=large)
    else:
        from hwsim.report.pareto_plot import save_pareto

        table = [figures(answer) for answer in answers]
        xs, ys = ([_number(row[name]) for row in table] for name in objectives)
        (name, text), (other, its) = (report.AXES[objective] for objective in objectives)
        save_pareto(path, xs, ys, front, (name, other), points, texts=(text, its), large=large)
    say(f"wrote {path}")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
