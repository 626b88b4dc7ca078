"""What a law is fitted to: steps to a target by model, data and batch size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from calibration.converge.user_curves import Run
from hwsim.convergence.target import Target

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """One row per run: sizes (parameters, items, samples a step), steps to the target and whether
    these are a lower bound. `width` tells the sizes of models apart in a campaign."""

    model: Floats
    data: Floats
    batch: Floats
    steps: Floats
    censored: npt.NDArray[np.bool_]
    width: Floats

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, index: npt.NDArray[Any]) -> Points:
        """Some of the rows, by number or by mask."""
        return Points(*(getattr(self, field.name)[index] for field in fields(self)))

    def keys(self) -> list[tuple[float, float, float]]:
        """The (width, data, batch) cell of each row."""
        return list(zip(self.width, self.data, self.batch, strict=True))

    def cells(self) -> list[npt.NDArray[np.intp]]:
        """Row numbers by cell: seeds of one cell are not independent sizes."""
        keys = self.keys()
        return [np.flatnonzero([key == cell for key in keys]) for cell in sorted(set(keys))]

    def batches(self) -> bool:
        """Whether the batch varies."""
        return len(np.unique(self.batch)) > 1


def points(runs: Iterable[Run], target: Target, patience: float) -> tuple[Points, int]:
    """Steps to the target, and the number of runs left out because they never meet it."""
    rows, never = [], 0
    for run in runs:
        met = target.met(run.steps, run.losses, patience)
        if met.how == "never":
            never += 1
            continue
        rows.append(
            (run.model, run.data, run.batch or 0.0, met.steps, met.how == "censored", run.width)
        )
    table = np.array(rows, dtype=float).reshape(-1, 6).T
    model, data, batch, steps, censored, width = table
    return Points(model, data, batch, steps, censored > 0, width), never


def one_setting(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """The runs of the commonest setting: a law of M, D and batch has no other field."""
    if not runs:
        return runs
    common, _ = Counter(run.varied for run in runs).most_common(1)[0]
    return tuple(run for run in runs if run.varied == common)


def geometric_mean(values: Floats) -> float:
    """Of the distinct values: how often a size was run doesn't move it."""
    return float(np.exp(np.mean(np.log(np.unique(values)))))
