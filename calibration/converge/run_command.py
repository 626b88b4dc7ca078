"""`hwsim converge run`: train a grid of model sizes, data sizes and seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibration.extras import need
from hwsim.cli.options import check_scheduler, parse_settings
from hwsim.errors import InputError
from hwsim.graph import workload as workloads
from hwsim.graph.workload import Workload
from hwsim.study.vary import whole_numbers

if TYPE_CHECKING:
    from calibration.converge.train import Stop

HELP = """Train a grid of model sizes, data sizes and seeds; go on where a stopped one ended.

Example: hwsim converge run --model charlm-small --out curves.jsonl
"""
HIDDEN, DATASET = "workload.hidden", "workload.dataset"
SIZES = (HIDDEN, DATASET)
GRIDS = {
    "characters": {HIDDEN: "32,64,128,256,512", DATASET: "8000,25000,75000"},
    "words": {HIDDEN: "16,32,64,128,256", DATASET: "6250,12500,25000"},
    "frames": {HIDDEN: "32,64,128,256", DATASET: "4800,9600,19200"},
}
GIVEN_ELSEWHERE = {
    "hidden": f"write --vary {HIDDEN}=64 or more widths",
    "dataset": f"write --vary {DATASET}=25000 or more sizes",
    "corpus": "write --corpus FILE",
}
OF_THE_CORPUS = {"vocabulary": "leave it out: it is the corpus's; --corpus FILE gives another text"}


Model = Annotated[
    str, typer.Option(help="charlm, wordlm, speech, one of these with -small, or a JSON file.")
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH=LO:HI:N",
        help=f"A list or range of {HIDDEN} or {DATASET}; a list of another workload field.",
    ),
]
CorpusName = Annotated[
    str | None,
    typer.Option(
        help="A UTF-8 text (by default the topics of Python's help), a manifest of recordings, "
        "or 'markov': synthetic text of known entropy."
    ),
]


def run(
    model: Model,
    out: Annotated[Path, typer.Option(help="The file of curves, one JSON line per evaluation.")],
    vary: Vary = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Seeds of each cell.")] = 2,
    corpus: CorpusName = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Runs at a time, one thread each; all cores."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="TCP://HOST:PORT", help="Train on the cluster of a Dask scheduler."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; cuda where there is one.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set a field.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1.05, help="A run ends at this multiple of its best step.")
    ] = 1.6,
    min_rise: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="No run ends before its loss is this share above its minimum."
        ),
    ] = 0.0,
    min_steps: Annotated[int, typer.Option(min=1, help="No run ends before.")] = 400,
    max_steps: Annotated[int, typer.Option(min=1, help="Every run ends here (censored).")] = 40_000,
) -> None:
    need("torch", "hwsim converge run")
    from calibration.converge.campaign import campaign, grid
    from calibration.converge.progress import CampaignProgress

    stop = _stop(patience, min_steps, max_steps, min_rise)
    workload = _workload(model, set_ or [])
    sizes, others = _axes(workload, vary or [])
    if scheduler is not None:
        check_scheduler(scheduler)
        need("distributed", "hwsim converge run --scheduler", "cluster")
    place = _device(device, here=scheduler is None)
    runs = grid(sizes[HIDDEN], sizes[DATASET], range(seeds), others)
    if scheduler is None and place == "cuda":
        jobs = jobs or 1
    with CampaignProgress(runs) as progress:
        campaign(
            workload,
            corpus,
            runs,
            out,
            stop=stop,
            jobs=jobs,
            device=place,
            scheduler=scheduler,
            on_event=progress.event,
        )
    print(f"{len(runs)} runs are in {out}: fit them with `hwsim converge fit {out}`")


def _stop(patience: float, least: int, most: int, rise: float) -> Stop:
    from calibration.converge.train import Stop

    if not math.isfinite(patience):
        raise InputError("--patience", f"found {patience}", "write a number above 1, such as 1.6")
    if not math.isfinite(rise):
        raise InputError("--min-rise", f"found {rise}", "write a share such as 0.01")
    if least > most:
        raise InputError("--min-steps", f"found {least}, above --max-steps {most}", "write fewer")
    return Stop(patience, least, most, rise)


def _device(name: str | None, here: bool) -> str:
    """Where runs are trained; a cluster's workers are known no sooner than they train."""
    import torch

    if name not in (None, "cpu", "cuda"):
        raise InputError("--device", f"found '{name}'", "write cpu or cuda")
    if not here:
        return name or "cpu"
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError("--device", "found cuda, but torch sees no GPU", "write cpu")
    return name or ("cuda" if there else "cpu")


def _workload(model: str, settings: list[str]) -> Workload:
    workload = workloads.load(model)
    if workload.unit not in GRIDS or not hasattr(workload, "hidden"):
        raise InputError(
            "--model", f"found '{model}'", "write charlm, wordlm or speech: these are trained"
        )
    elsewhere = GIVEN_ELSEWHERE | (OF_THE_CORPUS if workload.unit == "characters" else {})
    fields = {}
    for path, value in parse_settings(settings).items():
        root, _, field = path.partition(".")
        if root != "workload":
            raise InputError(f"--set {path}", "found no such field", "write workload.FIELD=VALUE")
        if field in elsewhere:
            raise InputError(
                f"--set {path}", "found what this command sets itself", elsewhere[field]
            )
        fields[field] = value
    sized = workloads.override(workload, fields)
    if sized.dtype != "fp32":
        raise InputError("workload.dtype", f"found {sized.dtype}", "write fp32: runs train in it")
    return sized


def _axes(
    workload: Workload, texts: list[str]
) -> tuple[dict[str, tuple[int, ...]], Mapping[str, list[Any]]]:
    """Widths and data sizes, as given or by default, and the values of all other fields."""
    given: dict[str, str] = {}
    for text in texts:
        path, _, values = text.partition("=")
        if path in given:
            raise InputError(f"--vary {path}", "found twice", "write it once")
        given[path] = values
    sizes = GRIDS[workload.unit] | {path: given.pop(path) for path in list(given) if path in SIZES}
    return (
        {path: whole_numbers(path, values) for path, values in sizes.items()},
        {path.removeprefix("workload."): _values(workload, path, given[path]) for path in given},
    )


def _values(workload: Workload, path: str, values: str) -> list[Any]:
    """The values of a further axis, each as the workload's own field holds it."""
    root, _, field = path.partition(".")
    may = [
        name for name in workload.setting_fields if name not in ("corpus", "vocabulary", "dtype")
    ]
    if root != "workload" or field not in may:
        fields = ", ".join(f"workload.{name}" for name in ("hidden", "dataset", *may))
        raise InputError(f"--vary {path}", "found no such axis", f"write one of {fields}")
    texts = [text.strip() for text in values.split(",")]
    found = [getattr(workloads.override(workload, {field: text}), field) for text in texts]
    return list(dict.fromkeys(found))
