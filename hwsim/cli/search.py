"""`hwsim search`: the best plan of a model on a machine, exactly, among all that are named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from hwsim.cli import counting, planned
from hwsim.cli.main import INTERRUPTED
from hwsim.cost.calibration import Calibration
from hwsim.errors import DoesNotFit, InputError, near
from hwsim.parallel.plan import MOST_DEVICES, Plan, available
from hwsim.report.console import say
from hwsim.report.searching import Progress
from hwsim.study import vary
from hwsim.study.search.find import Asked, Result, search
from hwsim.study.search.goal import AIMS, Aim, Limits
from hwsim.study.search.record import VALUES, plan_text, record
from hwsim.study.subject import Subject
from hwsim.units import MONEY, POWER, TIME, bytes_text

UNVARIED = ("scaling", "placement", "time_chunks")  # what only --set and --fix reach
MOST_SUBJECTS = 1_000
MOST_KEPT = 1_000
Given = tuple[list[str] | None, ...]  # the texts of options
DIVIDING = {f"plan.{name}" for name in ("dp", "tp", "pp", "cp", "ep", "micro_batch")}
INSTEAD = {
    "--deadline": "write more, or use more devices with --devices",
    "--budget": "write more, or try other numbers of devices with --devices",
    "--power": "write more, or use fewer devices with --devices",
}
LIMITS = {"--deadline": TIME, "--budget": MONEY, "--power": POWER}

Deadline = Annotated[str | None, typer.Option(metavar="TIME", help="No longer training: '30 d'.")]
Budget = Annotated[str | None, typer.Option(metavar="USD", help="No dearer: '2e6 USD'.")]
Power = Annotated[str | None, typer.Option(metavar="W", help="No more watts: '1 MW'.")]
Keep = Annotated[int, typer.Option(help="How many of those evaluated to show.")]
Certain = Annotated[int, typer.Option(help="How many of the best to find for sure.")]

app = typer.Typer(add_completion=False)


@app.command(
    help="""The best plan, exactly, for time, cost or energy; with --vary also the model's size.

    All ways to share the devices (data, tensor, pipeline, context, expert parallel) are combined
    with micro-batch, schedule, recomputation, ZeRO stage, overlap, offloading. What --set or the
    software decides stays. Certain lower bounds say what need not be simulated.

    Example: hwsim search --hw volta --model charlm --devices 8

    Example: hwsim search --hw dgx-a100-80gb --model transformer --devices 16 --fix plan.zero=1

    Example: hwsim search --hw volta --model charlm --vary workload.hidden=512,1024 --for total
    """
)
def command(
    hw: planned.Hw,
    model: planned.Model,
    devices: Annotated[
        str | None, typer.Option(metavar="N", help="How many; or a,b,c or lo:hi:n. Default: all.")
    ] = None,
    for_: Annotated[
        str, typer.Option("--for", metavar="GOAL", help="step, total, cost or energy.")
    ] = "step",
    fix: Annotated[
        list[str] | None, typer.Option(metavar="PATH=VALUE", help="Only this, as plan.tp=8.")
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=a,b", help="These values of a field of the plan."),
    ] = None,
    vary_: Annotated[
        list[str] | None,
        typer.Option("--vary", metavar="PATH=a,b", help="These of any other field; or lo:hi:n."),
    ] = None,
    deadline: Deadline = None,
    budget: Budget = None,
    power: Power = None,
    keep: Keep = 5,
    certain: Certain = 1,
    set_: planned.Settings = None,
    calibration: planned.CalibrationFile = None,
    borrow: planned.Borrow = False,
    steps: counting.Steps = None,
    tokens: counting.Tokens = None,
    epochs: counting.Epochs = None,
    law: counting.Law = None,
    target_loss: counting.TargetLoss = None,
    critical_batch: counting.CriticalBatch = None,
    json_: planned.Json = False,
    plot: Annotated[
        Path | None, typer.Option(help="Parts of a step of the best plans: a .svg, .png or .pdf.")
    ] = None,
) -> int:
    _check_numbers({"--keep": keep, "--certain": certain})
    subject = planned.load_subject(hw, model, [*(set_ or []), *_plans(fix or [], "--fix")], {})
    planned.check_borrow(calibration, borrow=borrow)
    counted = counting.Options(steps, tokens, epochs, law, target_loss, critical_batch)
    limits = Limits(*map(_limit, LIMITS, (deadline, budget, power)))
    numbers, values = _devices(devices, subject), _over(subject, over or [])
    _check_twice(fix or [], values)
    asked = Asked(_aim(for_), numbers, values, limits, keep, certain)
    settings = _varied(subject, vary_ or [])
    subjects = [subject.with_settings(one) for one in settings]

    def fitted(one: Subject) -> Calibration:
        return planned.load_calibration(one.system.device, calibration, borrow=borrow)

    with Progress(VALUES[asked.aim][1]) as shown:
        result = search(subjects, asked, fitted, counted.of, shown.show)
    named = {id(one): setting for one, setting in zip(subjects, settings, strict=True)}
    if plot is not None and result.found.best:
        _draw(plot, result, named)
    return _print(result, record(result, asked, named), (fix, over, set_), as_json=json_)


def _check_numbers(numbers: Mapping[str, int]) -> None:
    for option, number in numbers.items():
        if not 1 <= number <= MOST_KEPT:
            raise InputError(option, f"found {number}", f"write 1 to {MOST_KEPT}")


def _draw(path: Path, result: Result, named: Mapping[int, Mapping[str, str]]) -> None:
    from hwsim.report.breakdown_plot import save_breakdown

    best = result.found.best
    settings = (", ".join(named[id(one.subject)].values()) for one in best)
    names = [
        ": ".join(filter(None, (set_, plan_text(one.plan))))
        for set_, one in zip(settings, best, strict=True)
    ]
    save_breakdown(path, names, [dict(one.parts) for one in best])
    say(f"wrote {path}")


def _print(result: Result, told: dict[str, Any], given: Given, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        from hwsim.report.search import show

        show(told)
    if not result.found.complete:
        return INTERRUPTED
    if not result.found.best:
        raise _nothing(result, given)
    return 0


def _aim(text: str) -> Aim:
    for aim in AIMS:
        if aim == text:
            return aim
    raise InputError("--for", f"found '{text}'", f"write one of {', '.join(AIMS)}")


def _limit(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = LIMITS[option].parse(text)
    except InputError as error:
        raise error.inside(option) from None
    if not value > 0:
        raise InputError(option, f"found {text}", "write more than zero")
    return value


def _devices(text: str | None, subject: Subject) -> tuple[int, ...]:
    """How many devices a plan may have."""
    there = available(subject.system)
    if text is None:
        if there is None:
            what = f"found nothing, but {subject.system.name} has as many as wanted"
            raise InputError("--devices", what, "write a number, or a,b,c")
        return (there,)
    try:
        numbers = vary.whole_numbers("devices", text)
    except InputError as error:
        raise InputError("--devices", error.what, error.instead) from None
    most = min(there or MOST_DEVICES, MOST_DEVICES)
    if max(numbers) > most:
        what = f"found {max(numbers)}, but {subject.system.name} has {most:,}"
        raise InputError("--devices", what, f"write at most {most}, or describe more nodes")
    return numbers


def _plans(texts: Sequence[str], option: str) -> Iterator[str]:
    for text in texts:
        path, equals, _ = text.partition("=")
        root, _, name = path.partition(".")
        if not equals or root != "plan":
            instead = "write plan.FIELD=VALUE, such as plan.tp=8"
            raise InputError(option, f"found '{text}'", instead)
        if name not in Plan.model_fields:
            raise InputError(
                f"{option} {path}", "found no such field", near(name, Plan.model_fields)
            )
        yield text


def _check_twice(fix: Sequence[str], values: Mapping[str, Any]) -> None:
    fixed = {text.partition("=")[0].removeprefix("plan.") for text in fix}
    if twice := sorted(fixed & values.keys()):
        raise InputError(f"plan.{twice[0]}", "found in --fix and in --over", "write one of them")


def _over(subject: Subject, texts: Sequence[str]) -> Mapping[str, tuple[Any, ...]]:
    """Values by the names of fields."""
    found: dict[str, tuple[Any, ...]] = {}
    for text in _plans(texts, "--over"):
        variation = vary.parse(text, subject)
        name = variation.path.partition(".")[2]
        if name in UNVARIED:
            raise InputError("--over", f"found {variation.path}", f"write --fix {text}")
        if name in found:
            raise InputError(f"--over {variation.path}", "found twice", "write it once")
        values = (
            getattr(subject.with_settings({variation.path: value}).plan, name)
            for value in variation.values
        )
        found[name] = tuple(dict.fromkeys(values))
    return found


def _varied(subject: Subject, texts: Sequence[str]) -> list[dict[str, str]]:
    """Settings of each subject: all combinations."""
    variations = []
    for text in texts:
        if text.startswith("plan."):
            raise InputError("--vary", f"found '{text}'", f"write --over {text}")
        variations.append(vary.parse(text, subject))
    paths = [one.path for one in variations]
    if len(set(paths)) < len(paths):
        raise InputError("--vary", "found a path twice", "write it once")
    found = [
        dict(zip(paths, values, strict=True))
        for values in product(*(one.values for one in variations))
    ]
    if len(found) > MOST_SUBJECTS:
        what = f"found {len(found):,} combinations"
        raise InputError("--vary", what, f"name fewer values: at most {MOST_SUBJECTS:,}")
    return found


def _nothing(result: Result, given: Given) -> DoesNotFit:
    """Nothing is feasible: the nearest miss; or what was `given` of what must divide."""
    tally = result.found.tally
    count = f"none of {tally.total:,} configurations is feasible"
    if tally.beyond is not None:
        beyond = tally.beyond
        what = f"{count}: the nearest takes {beyond.told} ({plan_text(beyond.plan)})"
        return DoesNotFit(beyond.limit, what, INSTEAD[beyond.limit])
    if tally.nearest is not None:
        miss = tally.nearest
        what = f"{count}: the nearest needs {bytes_text(miss.bytes)} on each device, which has "
        what += f"{bytes_text(miss.capacity)} ({plan_text(miss.plan)})"
        return DoesNotFit("memory", what, "use more devices with --devices, or a smaller workload")
    what = f"{count}: no plan divides the batch and the layers among so many devices"
    if dividing := [
        text for some in given for text in some or [] if text.partition("=")[0] in DIVIDING
    ]:
        what += f" with {', '.join(dividing)}"
        return DoesNotFit("--devices", what, "write another number, or other values of these")
    return DoesNotFit("--devices", what, "write another number, or another workload.batch")
