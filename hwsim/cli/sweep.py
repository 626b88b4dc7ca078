"""`hwsim sweep`: many points of a machine, a model, a plan at once, row by row into a file."""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import Progress, TaskID

from hwsim.cli import counting, planned
from hwsim.cli.options import check_scheduler
from hwsim.cost.calibration import read_layer
from hwsim.errors import DoesNotFit, InputError, SurroundingsError
from hwsim.report import picture
from hwsim.report import sweep as report
from hwsim.report.console import make_console
from hwsim.report.progress import make_bar
from hwsim.study.subject import Subject
from hwsim.study.sweep import columns
from hwsim.study.sweep.axes import Axis
from hwsim.study.sweep.digest import Digest
from hwsim.study.sweep.earlier import check, earlier
from hwsim.study.sweep.executor import Executor, Local, Processes
from hwsim.study.sweep.form import Form
from hwsim.study.sweep.many import arranged
from hwsim.study.sweep.parse import Drawing, parse
from hwsim.study.sweep.paths import COUNTS
from hwsim.study.sweep.run import Gap, Rows, Summary, at_random, confirm, run
from hwsim.study.sweep.scalar import Engine
from hwsim.study.sweep.sheet import Sheet, style_of
from hwsim.study.sweep.task import Fitted, Task

ENGINES: dict[str, Engine] = {"auto": "auto", "closed": "closed", "events": "events"}
MOST_BEST = 1_000
MOST_EVENTS = 100_000

app = typer.Typer(add_completion=False)


def _axis(name: str, metavar: str, help_: str) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=help_, rich_help_panel="Points")


Grid = Annotated[list[str] | None, _axis("grid", "PATH=LO:HI:N", "With all others; or PATH=a,b,c.")]
Paired = Annotated[
    list[str] | None, _axis("paired", "PATH=a,b,c", "Value by value with the other pairs.")
]
Random = Annotated[
    list[str] | None, _axis("random", "PATH=LO:HI", "Drawn evenly in its logarithm; or a,b,c.")
]
Points = Annotated[int | None, _axis("points", "N", "How many to draw.")]
Seed = Annotated[int, _axis("seed", "N", "Of what is drawn.")]
Even = Annotated[
    bool,
    typer.Option("--sobol", help="Draw by Sobol's sequence.", rich_help_panel="Points"),
]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Rows as .csv or .jsonl, not on stdout.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with FILE.")]
ColumnNames = Annotated[
    str | None, typer.Option("--columns", metavar="A,B", help="Write these alone.")
]
BestNumber = Annotated[int, typer.Option(metavar="N", help="Show the N shortest.")]
EventsOf = Annotated[
    str | None,
    typer.Option(
        metavar="N|best|rows:A,B",
        help="Simulate N points at random, the --best ones or those rows (from 0), to compare.",
    ),
]
EngineName = Annotated[
    str, typer.Option(metavar="NAME", help="auto, closed or events (all simulated).")
]
Jobs = Annotated[int, typer.Option(metavar="N", help="Processes that answer points.")]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Times over two axes: a .svg, .png or .pdf.")
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="TCP://HOST:PORT", help="Answer points on a Dask cluster.")
]


@app.command(
    help="""Many points at once: every combination of what is varied, a row each.

    A path is any that --set takes, or one of steps, tokens, epochs, law, target_loss and
    critical_batch.

    Example: hwsim sweep --hw volta --model charlm --dp 8 --grid device.memory.bandwidth=0.5:8TB/s:9

    Example: hwsim sweep --hw volta --model charlm --grid workload.hidden=512:4096:4 --grid
    plan.dp=1,2,4,8 --out points.csv --best 5

    Example: hwsim sweep --hw volta --model charlm --dp 8 --random node.link.bandwidth=1:1000GB/s
    --random device.memory.bandwidth=0.1:10TB/s --points 1000 --sobol --columns seconds,fits
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
    grid: Grid = None,
    paired: Paired = None,
    random: Random = None,
    points: Points = None,
    seed: Seed = 1,
    sobol: Even = False,
    out: Out = None,
    resume: Resume = False,
    columns_: ColumnNames = None,
    best: BestNumber = 0,
    events: EventsOf = None,
    engine: EngineName = "auto",
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    calibration: planned.CalibrationFile = None,
    borrow: planned.Borrow = False,
    steps: counting.Steps = None,
    tokens: counting.Tokens = None,
    epochs: counting.Epochs = None,
    law: counting.Law = None,
    target_loss: counting.TargetLoss = None,
    critical_batch: counting.CriticalBatch = None,
    json_: planned.Json = False,
    plot: Plot = None,
) -> None:
    plan = {
        **{"dp": dp, "tp": tp, "pp": pp, "cp": cp, "ep": ep, "micro_batch": micro_batch},
        **{"schedule": schedule, "zero": zero, "recompute": recompute},
    }
    _check(engine, out, best, resume=resume)
    if plot is not None:
        _check_plot(plot, [*(grid or ()), *(paired or ())[:1]], random, resume=resume)
    subject = planned.load_subject(hw, model, set_, plan)
    planned.check_borrow(calibration, borrow=borrow)
    layer = read_layer(calibration, subject.system.device, borrow=borrow) if calibration else None
    axes = parse(subject, grid or (), paired or (), random or (), Drawing(points, seed, sobol))
    counted = counting.Varied(steps, tokens, epochs, law, target_loss, critical_batch)
    task = _task(subject, axes, counted, Fitted(layer, borrow), ENGINES[engine])
    form = Form(style_of(out, as_json=json_), columns.chosen(columns_, task.axes.paths))
    task = replace(task, form=form, best=max(best, 1), drawn=plot is not None)
    chosen = _chosen(events, best, task.axes.size) if events is not None else None
    asked = _Asked(task, _executor(jobs, scheduler), out, best, chosen, json_, plot)
    asked.run(resume=resume)


def _check(engine: str, out: Path | None, best: int, *, resume: bool) -> None:
    if engine not in ENGINES:
        raise InputError("--engine", f"found '{engine}'", f"write {', '.join(ENGINES)}")
    if resume and out is None:
        raise InputError("--resume", "found without --out", "add --out FILE")
    if not 0 <= best <= MOST_BEST:
        raise InputError("--best", f"found {best}", f"write 0 to {MOST_BEST:,}")


def _chosen(text: str, best: int, size: int) -> int | Literal["best"] | tuple[int, ...]:
    """Which points are simulated: how many at random, the best, or these.

    >>> _chosen("20", 0, 100), _chosen("best", 5, 100), _chosen("rows:3,5", 0, 100)
    (20, 'best', (3, 5))
    """
    if text == "best":
        if not best:
            raise InputError("--events best", "found without --best", "add --best N")
        return "best"
    head, colon, listed = text.partition(":")
    numbers = listed.split(",") if (head, colon) == ("rows", ":") else [text]
    if not all(one.strip().isdecimal() for one in numbers) or len(numbers) > MOST_EVENTS:
        what = f"found '{text}'"
        raise InputError("--events", what, "write a number, best, or rows:0,17")
    found = tuple(map(int, numbers))
    least, most = (0, size - 1) if colon else (1, MOST_EVENTS)
    outside = next((one for one in found if not least <= one <= most), None)
    if outside is not None:
        raise InputError("--events", f"found {outside}", f"write {least} to {most:,}")
    return found if colon else found[0]


def _check_plot(plot: Path, axes: list[str], random: list[str] | None, *, resume: bool) -> None:
    picture.check(plot)
    if len(axes) != 2 or random:
        instead = "write two of --grid, or one and pairs; hwsim estimate --vary draws one"
        raise InputError("--plot", f"found {len(axes)} axes", instead)
    if resume:
        raise InputError("--plot and --resume", "found together", "draw a sweep of its own")


def _task(
    subject: Subject, axes: list[Axis], counted: counting.Varied, fitted: Fitted, engine: Engine
) -> Task:
    """Raises InputError for ways to count steps that exclude each other."""
    closed = engine != "events"
    way, arrangement = arranged(subject, axes, closed=closed)
    counted({path: text for path, text in arrangement.settings(0).items() if path in COUNTS})
    return Task(subject, arrangement, way, counted, fitted, engine)


def _executor(jobs: int, scheduler: str | None) -> Executor:
    if scheduler is not None:
        if jobs != 1:
            raise InputError("--jobs and --scheduler", "found together", "write one of them")
        check_scheduler(scheduler)
        try:
            from hwsim.study.sweep.cluster import Cluster
        except ImportError as error:
            if error.name not in ("dask", "distributed"):
                raise
            instead = 'pip install "hwsim[cluster]"'
            raise SurroundingsError("--scheduler", "dask is not installed", instead) from None
        return Cluster(scheduler)
    if not 1 <= jobs <= 1024:
        raise InputError("--jobs", f"found {jobs}", "write 1 to 1024")
    return Local() if jobs == 1 else Processes(jobs)


class _Stdout:
    """Rows on standard output."""

    rows = 0

    def write(self, text: bytes, rows: int) -> None:
        sys.stdout.write(text.decode())
        self.rows += rows


@dataclass
class _Asked:
    """A sweep as the command line asked for it."""

    task: Task
    executor: Executor
    out: Path | None
    best: int
    events: int | Literal["best"] | tuple[int, ...] | None
    as_json: bool
    plot: Path | None

    def run(self, *, resume: bool) -> None:
        header = self.task.form.header(self.task.axes.paths)
        if self.out is None:
            sys.stdout.write(header.decode())
            found = self._rows(_Stdout())
        else:
            with Sheet(self.out, header, _identity(self.task), resume=resume) as sheet:
                check(self.task, self.out, sheet.rows, sheet.last)
                found = self._rows(sheet)
        self._end(found)

    def _rows(self, rows: Rows) -> Summary:
        """All rows, under a bar; what was done is told also where Ctrl-C ends it."""
        console = make_console(stderr=True)
        last = [Summary(rows.rows, 0, 0.0, Digest())]
        try:
            with make_bar(console) as bar:
                shown = bar.add_task("points", total=self.task.axes.size)

                def told(found: Summary) -> None:
                    last[0] = found
                    _show(bar, shown, found, rows.rows)

                def read(number: int) -> None:
                    bar.update(shown, completed=number, description="reading rows")

                before = None
                if self.out is not None and rows.rows:
                    before = earlier(self.task, self.out, rows.rows, read)
                return run(self.task, rows, self.executor, told, before)
        except KeyboardInterrupt:
            console.print(report.line(last[0]))
            if self.out is not None:
                console.print(f"{rows.rows:,} rows are in {self.out}; go on with --resume")
            raise

    def _gap(self, digest: Digest) -> Gap | None:
        """The closed form against the events of the points that were chosen."""
        if self.events is None:
            return None
        if isinstance(self.events, int):
            return confirm(self.task, at_random(self.task, self.events), self.events)
        if isinstance(self.events, tuple):
            return confirm(self.task, self.events)
        return confirm(self.task, [one.number for one in digest.best])

    def _end(self, found: Summary) -> None:
        console = make_console(stderr=True)
        console.print(report.line(found))
        gap = self._gap(found.digest)
        if gap is not None:
            report.show_gap(console, self.task, gap, each=not isinstance(self.events, int))
        digest = found.digest
        if self.best and digest.best:
            target = console if self.out is None or self.as_json else make_console()
            report.show_best(target, self.task, digest.best)
        elif digest.best:
            console.print(report.best_line(self.task, found))
        if self.plot is not None and digest.fit:
            report.draw(self.plot, self.task, digest)
            console.print(f"wrote {self.plot}")
        if self.as_json and self.out is not None:
            print(json.dumps(report.record(self.task, found, gap), indent=2))
        if digest.points and not digest.fit and found.whole:
            if not digest.answered:
                raise DoesNotFit("sweep", "no point has an answer", f"the first says: {digest.why}")
            raise DoesNotFit("sweep", "no point fits in memory", "vary towards less")


def _show(bar: Progress, shown: TaskID, found: Summary, rows: int) -> None:
    best = found.digest.best
    label = f"points, shortest {best[0].seconds:.4g} s" if best else "points"
    bar.update(shown, completed=rows, description=label)


def _identity(task: Task) -> dict[str, Any]:
    """What must be the same for rows to be of the same sweep."""
    subject = task.subject
    parts = {
        "machine": subject.system.model_dump(mode="json"),
        "workload": subject.workload.file_form(),
        "plan": subject.plan.model_dump(mode="json"),
        "software": subject.software and subject.software.model_dump(mode="json"),
        "run": subject.run.model_dump(mode="json"),
        "site": subject.site.model_dump(mode="json"),
        "count": str(task.counted),
        "calibration": task.fitted.of(subject).model_dump(mode="json"),
        "axes": pickle.dumps(task.axes.axes).hex(),
        "engine": task.engine,
    }
    hashes = {
        name: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:16]
        for name, part in parts.items()
    }
    told = {"paths": list(task.axes.paths), "columns": list(task.form.columns)}
    return {**told, "points": task.axes.size, "hwsim": _version(), **hashes}


def _version() -> str:
    from importlib.metadata import version

    return version("hwsim")
