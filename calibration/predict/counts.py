"""How many steps a run takes, from laws of a table of steps to targets instead of the run's row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from calibration.converge.tables import laws, rows
from calibration.measurement import text_of
from calibration.shapes import TrainingRun
from hwsim.errors import InputError

REACH80, REACH95 = 1.2816, 1.96  # standard deviations to the ends of an 80 and a 95 % interval


class Count(NamedTuple):
    """Steps, with the standard deviations of their logarithm behind an 80 and a 95 % interval."""

    steps: float
    spread: float
    tail: float


Counting = Callable[[TrainingRun, str], Count]


def counter(path: str) -> Counting:
    """What the laws of the table at `path` say of a source's run: those of the workload that is
    called like the run's benchmark, from a source whose name begins alike.

    Raises InputError for a file that is no such table.
    """
    found = laws.fit(rows.parse(text_of(path), path))
    asked = [group[0].asked for group in found.groups.values()]

    def count(run: TrainingRun, source: str) -> Count:
        own = (a for a in asked if a.workload == run.benchmark and a.source.startswith(source))
        like = next(own, None)
        if like is None:
            raise InputError("steps", f"the table has none of {run.benchmark} from {source}")
        if run.global_batch is None:
            raise InputError("global_batch", "found nothing", "write it")
        said = found.predict(replace(like, batch=run.global_batch))
        if isinstance(said, str):
            raise InputError("steps", said)
        near, far = said.high / said.low, said.high95 / said.low95
        return Count(said.steps, math.log(near) / 2 / REACH80, math.log(far) / 2 / REACH95)

    return count
