"""The figures by name, and how they are drawn and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calibration.reproduce.campaigns import Campaigns
from calibration.reproduce.figures import learning, parallelism, sensitivity, sizes, total
from calibration.reproduce.figures.common import figure, save


class Figure(NamedTuple):
    """What it shows, its size in inches, and what draws it."""

    shows: str
    size: tuple[float, float]
    draw: Callable[[Any, Campaigns], None]


FIGURES = {
    "1": Figure("loss against steps and time", learning.SIZE, learning.draw),
    "2": Figure("steps against model size", sizes.STEPS_SIZE, sizes.draw_steps),
    "3": Figure("minimum loss against model size", sizes.LOSS_SIZE, sizes.draw_losses),
    "depth": Figure("steps against depth", sensitivity.DEPTH_SIZE, sensitivity.draw_depth),
    "optimizer": Figure("Adam against SGD", sensitivity.OPTIMIZER_SIZE, sensitivity.draw_optimizer),
    "batch": Figure("steps against the batch", sensitivity.BATCH_SIZE, sensitivity.draw_batch),
    "parallelism": Figure("time per step", parallelism.SIZE, parallelism.draw),
    "total": Figure("total time against model size", total.SIZE, total.draw),
}


def draw(names: Sequence[str], found: Campaigns, folder: Path) -> Iterator[Path]:
    """Each of the figures as SVG and PNG; yields files as they are written.

    Raises SurroundingsError if matplotlib is missing or the disk refuses.
    """
    for name in names:
        one = FIGURES[name]
        drawn = figure(folder, *one.size)
        one.draw(drawn, found)
        yield from save(drawn, folder, f"paper-{name}")
