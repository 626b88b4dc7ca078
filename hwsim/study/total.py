"""Times of whole trainings compared draw by draw.

The same place in the draws of two estimates is the same luck, of the law's parameters and of the
time per step; what the two have in common cancels in their ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.convergence.law import HIGH, LOW, interval
from hwsim.errors import InputError
from hwsim.estimation import Estimate

FLAT = 0.10

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """A ratio of two times with its 80 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Optimum:
    """The fastest of some points, by their number.

    `best` has the least time, and is in `low` to `high`, the 80 % interval of the point that is
    fastest in a draw. `fastest` is the share of draws in which each point is, `within` that in
    which it takes at most 10 % more than `best`; `flat` are the points that do in most draws.
    `ratios` are times over that of `best`. All of it leaves out what doesn't fit in memory.
    """

    best: int
    low: int
    high: int
    flat: tuple[int, ...]
    fastest: tuple[float, ...]
    within: tuple[float, ...]
    ratios: tuple[Ratio, ...]


def time_of(estimate: Estimate) -> float:
    """Seconds of the whole training, or of a step where no count of steps is known."""
    return estimate.total.seconds if estimate.total else estimate.step.seconds


def draws(estimate: Estimate) -> Floats:
    """`time_of` under each luck."""
    return time_of(estimate) * estimate.luck.draws


def ratio(estimate: Estimate, other: Estimate) -> Ratio:
    """The time of `estimate` over that of `other`, from paired draws."""
    value = time_of(estimate) / time_of(other)
    low, high = interval(draws(estimate) / draws(other))
    return Ratio(value, min(low, value), max(high, value))


def optimum(estimates: Sequence[Estimate]) -> Optimum:
    """The point of the least total (or step) time, and how sure that is.

    Raises InputError if nothing fits.
    """
    times = [time_of(e) if e.memory.fits else math.inf for e in estimates]
    best = min(range(len(times)), key=times.__getitem__)
    if math.isinf(times[best]):
        raise InputError("--vary", "found no point that fits in memory", "vary towards less")
    base = draws(estimates[best])
    least, first = base.copy(), np.full(base.shape, best)
    within = [0.0] * len(times)
    for number, estimate in enumerate(estimates):
        if not estimate.memory.fits:
            continue
        found = draws(estimate)
        within[number] = float(np.mean(found <= (1.0 + FLAT) * base))
        first[found < least] = number
        least = np.minimum(least, found)
    order = np.sort(first)
    return Optimum(
        best=best,
        low=min(int(order[int(LOW * len(order))]), best),
        high=max(int(order[int(HIGH * len(order))]), best),
        flat=tuple(number for number, share in enumerate(within) if share >= 0.5),
        fastest=tuple(float(np.mean(first == number)) for number in range(len(times))),
        within=tuple(within),
        ratios=tuple(ratio(estimate, estimates[best]) for estimate in estimates),
    )
