"""How fast rows of a sweep are made and written, apart from answering its points.

`python benchmarks/rows.py [POINTS]`: the answers are stand-ins. Prints one JSON object last: rows
per second of CSV and JSON Lines, of a grid and of Sobol points, with four results, and the ratio
to `csv.writer` on as many columns.
"""

from __future__ import annotations

import csv
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.cli.counting import Varied
from hwsim.hardware import catalog
from hwsim.parallel.program import PARTS
from hwsim.study.answers import Answers
from hwsim.study.subject import Subject
from hwsim.study.sweep import columns, many
from hwsim.study.sweep.executor import Local
from hwsim.study.sweep.form import Form, Style
from hwsim.study.sweep.parse import Drawing, parse
from hwsim.study.sweep.run import run
from hwsim.study.sweep.sheet import Sheet
from hwsim.study.sweep.task import Fitted, Task
from workloads.charlm import CharLM

CHOSEN = "seconds,low,total_seconds,memory_bytes,fits,why"
MEMORY, LINK = "device.memory.bandwidth", "node.link.bandwidth"


def stand_in(subject: Subject, figures: dict[str, Any], calibration: Any) -> Answers:
    """Arithmetic in place of a step."""
    del subject, calibration
    first, *others = (1e12 / figure for figure in figures.values())
    compute, exchange = np.broadcast_arrays(first, sum(others))
    zero = np.zeros(compute.shape)
    parts = dict.fromkeys(PARTS, zero) | {"compute": compute, "communication": exchange}
    seconds = compute + exchange
    why, fits = np.zeros(zero.shape, dtype="U1"), np.ones(zero.shape, dtype=bool)
    return Answers(seconds, 0.9 * seconds, 1.1 * seconds, zero + 0.1, parts, why, zero, fits)


def rate(style: Style, points: int, *, drawn: bool) -> float:
    """Rows per second into a file."""
    subject = Subject(catalog.load("volta"), CharLM())
    ranges = [f"{MEMORY}=0.1:10TB/s", f"{LINK}=1:900GB/s"]
    side = math.isqrt(points)
    if drawn:
        axes = parse(subject, [], random=ranges, drawing=Drawing(points, 1, True))
    else:
        axes = parse(subject, [f"{text}:{side}" for text in ranges])
    fitted, counted = Fitted(), Varied(1e4, None, None, None, None, None)
    way, arrangement = many.arranged(subject, axes)
    form = Form(style, columns.chosen(CHOSEN))
    task = Task(subject, arrangement, way, counted, fitted, "closed", form)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{style}"
        with Sheet(path, form.header(arrangement.paths), {}, resume=False) as sheet:
            found = run(task, sheet, Local())
    return found.digest.points / found.seconds


def plain(points: int) -> float:
    """Rows per second of `csv.writer`, of as many columns from arrays."""
    numbers = np.random.default_rng(1).random((points, 4)).tolist()
    start = time.perf_counter()
    with tempfile.NamedTemporaryFile("w", newline="") as file:
        writer = csv.writer(file)
        for place, row in enumerate(numbers):
            writer.writerow([f"{place} TB/s", f"{place} GB/s", *row, True, ""])
    return points / (time.perf_counter() - start)


def main() -> None:
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    many.many.answers = stand_in
    found = {
        f"{style} {name}": rate(style, points, drawn=drawn)
        for style in ("csv", "jsonl")
        for name, drawn in (("grid", False), ("sobol", True))
    }
    baseline = plain(points)
    ratio = found["csv grid"] / baseline
    print(json.dumps({"points": points, **found, "csv.writer": baseline, "ratio": ratio}))


if __name__ == "__main__":
    main()
