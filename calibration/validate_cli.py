"""`hwsim validate`: predictions against measured times, beside a roofline and a null model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibration.extras import need
from calibration.pieces import PIECES
from calibration.validation import sheets
from hwsim import userdata
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.report import picture
from hwsim.report.console import say

if TYPE_CHECKING:
    from calibration.measurement import Measurement
    from calibration.predict import Predict
    from calibration.predict.counts import Counting
    from calibration.validation.answers import Answer
    from calibration.validation.outcomes import Outcome

    Write = Callable[[Path, Sequence[Outcome]], None]


class Split(StrEnum):
    """What is left out together when hwsim's parameters and the null model's are fitted."""

    none = "none"
    device = "device"
    shape = "shape"
    model = "model"
    source = "source"


class By(StrEnum):
    """How suites are taken apart."""

    device = "device"
    stratum = "stratum"
    cluster = "cluster"


BY = {By.cluster: sheets.coverage, By.stratum: sheets.strata, By.device: sheets.devices}

WITHOUT = f"Predict without it (again for more): {', '.join(PIECES)}."
app = typer.Typer(add_completion=False)


@app.command(
    help="""Predict measured cases and print the errors beside a bare roofline's and a null model's.

    Example: hwsim validate gemm.csv collectives.csv --split device --by device

    Example: hwsim validate gemm.csv --split device --anchor 1

    Example: hwsim validate gemm.csv --predictions predicted.csv

    Example: hwsim validate gemm.csv --without tiles --without launch

    Example: hwsim validate training_runs.csv --steps-from steps_to_target.csv
    """
)
def command(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="CSV tables or JSON Lines; - is stdin.")
    ],
    split: Annotated[
        Split, typer.Option(help="Fit to other devices, shapes, ... only, then predict.")
    ] = Split.none,
    device: Annotated[
        str | None, typer.Option(help="Where a table names no device, such as DeepBench's.")
    ] = None,
    by: Annotated[
        By | None, typer.Option(help="Also by device, stratum or clusters of cases.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, max=1000, help="Print the worst cases.")] = 0,
    anchor: Annotated[
        int,
        typer.Option(
            min=0, help="With --split device: fit to so many products of the device as well."
        ),
    ] = 0,
    steps_from: Annotated[
        str | None,
        typer.Option(metavar="TABLE", help="Steps of training runs from this table's laws."),
    ] = None,
    without: Annotated[list[str] | None, typer.Option(metavar="PIECE", help=WITHOUT)] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write every row's prediction to this CSV (one FILE).")
    ] = None,
    assumptions: Annotated[
        Path | None, typer.Option(help="Write what rows leave open to this CSV (one FILE).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="A picture, .svg or .png.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print all tables in Markdown.")] = False,
) -> None:
    _counted_in_one(files, {"--predictions": predictions, "--assumptions": assumptions})
    if anchor and split is not Split.device:
        raise InputError("--anchor", f"found it with --split {split}", "write --split device")
    from calibration.validation import outcomes as validate

    if plot is not None:
        picture.check(plot)
    cases = _read(files, device)
    predictor = _predictor(cases, split, anchor, without or [], steps_from)
    found = _outcomes(cases, split, predictor)
    _written(predictions, validate.write_predictions, found)
    _written(assumptions, validate.write_assumptions, found)
    _drawn(plot, found, split)
    suites = validate.suites(found, split.value, worst or validate.WORST)
    if json_:
        print(json.dumps({"split": split.value, "suites": suites}, indent=2))
    elif markdown:
        made = [sheet(suites) for sheet in (sheets.overview, *BY.values())]
        print("\n\n".join(sheets.markdown(sheet) for sheet in made if sheet.rows))
    else:
        _show(suites, split, without or ())
        for sheet in (*([BY[by]] if by else []), *([sheets.worst] if worst else [])):
            _print(sheet(suites))


def _drawn(plot: Path | None, found: Sequence[Outcome], split: Split) -> None:
    if plot is not None:
        from calibration.validation import scatter

        scatter.save(plot, found, split.value)
        say(f"wrote {plot}")


def _counted_in_one(files: Sequence[str], outputs: dict[str, Path | None]) -> None:
    """Raises InputError for an output by rows of several files."""
    for option, path in outputs.items():
        if path is not None and len(files) > 1:
            what = f"found {len(files)} files"
            raise InputError(option, what, "give one FILE: rows are counted in it")


def _written(path: Path | None, write: Write, found: Sequence[Outcome]) -> None:
    if path is not None:
        write(path, found)
        say(f"wrote {path}")


def _read(files: Sequence[str], device: str | None) -> list[Measurement]:
    from calibration.sources import files as sources

    cases = [case for file in files for case in sources.read(file, device)]
    if any(case.device == userdata.LOCAL for case in cases):
        catalog.load(userdata.LOCAL)  # its faults are the whole run's
    return cases


def _predictor(
    cases: list[Measurement],
    split: Split,
    anchor: int,
    without: Sequence[str],
    steps_from: str | None,
) -> Predict | None:
    for option, given in (("--without", without), ("--steps-from", steps_from)):
        if given and split is not Split.none:
            raise InputError(option, f"found it with --split {split}", "leave one of them out")
    if split is not Split.none:
        return _refitted(cases, split, anchor)
    if not without and steps_from is None:
        return None
    from calibration.predict import Predictor

    return Predictor(without=without, counter=_counter(cases, steps_from))


def _counter(cases: Sequence[Measurement], steps_from: str | None) -> Counting | None:
    if steps_from is None:
        return None
    if not any(case.shape.kind == "training-run" for case in cases):
        what = "found it without a table of training runs"
        raise InputError("--steps-from", what, "leave it out")
    from calibration.predict import counts

    return counts.counter(steps_from)


def _refitted(cases: Sequence[Measurement], split: Split, anchor: int) -> Predict:
    need("scipy", "hwsim validate --split")
    from calibration.validation import refit

    say("fitting")
    return refit.predictor(cases, split.value, anchor)


def _outcomes(
    cases: Sequence[Measurement], split: Split, predictor: Predict | None
) -> list[Outcome]:
    from calibration.predict import Predictor
    from calibration.validation.answers import answered
    from calibration.validation.outcomes import outcomes

    with answered(cases, predictor or Predictor()) as answers:
        return outcomes(cases, split.value, answers=_watched(answers, len(cases)))


def _watched(answers: Iterable[Answer], total: int) -> Iterator[Answer]:
    """The answers, with a bar and the time left on a terminal's stderr."""
    from rich.progress import track

    from hwsim.report.console import make_console

    console = make_console(stderr=True)
    still = not console.is_terminal
    yield from track(answers, "predicting", total, console=console, transient=True, disable=still)


def _print(sheet: sheets.Sheet) -> None:
    from hwsim.report.console import make_console, plain_table

    console = make_console()
    table = plain_table(*sheet.words, right=sheet.numbers)
    for row in sheet.rows:
        table.add_row(*row)
    console.print()
    console.print(table)


def _show(suites: Sequence[dict[str, Any]], split: Split, without: Sequence[str]) -> None:
    from hwsim.report.console import make_console

    console = make_console()
    _print(sheets.overview(suites))
    fitted = "these very cases" if split is Split.none else f"cases of every other {split} alone"
    console.print(
        "\nerrors are |predicted / measured - 1|, bias is signed; null: one constant per device "
        f"and dtype, from {fitted}; skill: hwsim's median log error over null's; "
        "floor: median max / min - 1 of repeats"
    )
    if any(suite["in_sample"] for suite in suites):
        console.print(
            "* in-sample: the shipped calibrations were fitted to this table (try --split shape)"
        )
    for name in without:
        console.print(f"without {name}: {PIECES[name]}")
    blank = sum(suite["blank"] for suite in suites)
    if blank:
        console.print(f"{blank:,} cases are predicted but not measured")
    for sentence, number in _taken(suites):
        console.print(f"assumed in {number:,}: {sentence}")
    for why, number in _reasons(suites):
        console.print(f"skipped {number:,}: {why}")


def _taken(suites: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """What was assumed where rows don't say, the most frequent first."""
    counts: Counter[str] = Counter()
    for suite in suites:
        counts.update({one["assumed"]: len(one["rows"]) for one in suite["assumed"]})
    return counts.most_common()


def _reasons(suites: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """Why cases were skipped, the most frequent reason first."""
    counts: dict[str, int] = {}
    for suite in suites:
        for case in suite["skipped"]:
            counts[case["why"]] = counts.get(case["why"], 0) + 1
    return sorted(counts.items(), key=lambda pair: -pair[1])
