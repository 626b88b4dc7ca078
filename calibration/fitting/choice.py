"""Which kernels a library has: the tiles whose fastest explains measured times best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from calibration.fitting.stack import Floats

SOFT = 0.1  # residuals beyond it count linearly
ONE_MORE = 0.97  # a tile is added where it lowers the loss below this share


def soft(off: Floats) -> float:
    """The soft-L1 loss of residuals.

    >>> round(soft(np.array([0.0, 0.1 * math.sqrt(3.0)])), 9)
    1.0
    """
    return float(np.sum(np.sqrt(1 + (off / SOFT) ** 2) - 1))


def subset(off: Floats) -> tuple[float, list[int]]:
    """The least loss and the rows (tiles) whose fastest explains the columns (cases) best.

    Grown one by one; a common factor does not count, the rate makes up for it.
    """

    def loss(rows: Sequence[int]) -> float:
        fastest = off[list(rows)].min(axis=0)
        return soft(fastest - np.median(fastest))

    chosen: list[int] = []
    best = math.inf
    while len(chosen) < len(off):
        tried = {row: loss([*chosen, row]) for row in range(len(off)) if row not in chosen}
        row = min(tried, key=lambda row: tried[row])
        if tried[row] > ONE_MORE * best:
            break
        chosen, best = [*chosen, row], tried[row]
    every = list(range(len(off)))
    whole = loss(every)
    return (whole, every) if whole <= best else (best, sorted(chosen))
