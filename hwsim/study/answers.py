"""Steps of many points at once, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.convergence.law import DRAWS, HIGH, LOW
from hwsim.estimation import SEED

NO_FORM = "no closed form: "  # begins the reason of a point that only its events can tell

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]


class Answers(NamedTuple):
    """What an estimate says of a step, each an array over points.

    `seconds` with their 80 % interval; `parts` sum to them; `spread` is the standard deviation of
    the logarithm of a step's time; `why` is empty, or the reason for which a point has no answer,
    whose numbers are NaN. `bytes` on each device of the fullest stage, and whether they fit.
    """

    seconds: Floats
    low: Floats
    high: Floats
    spread: Floats
    parts: dict[str, Floats]
    why: Texts
    bytes: Floats
    fits: npt.NDArray[np.bool_]


def interval(spread: Floats) -> tuple[Floats, Floats]:
    """Ends of the 80 % intervals over their middle, as an estimate draws them."""
    luck = np.sort(np.random.default_rng(SEED).standard_normal(DRAWS))

    def end(place: float) -> Floats:
        below, part = divmod(place * (DRAWS - 1), 1.0)
        first, second = (np.exp(spread * luck[int(below) + more]) for more in (0, 1))
        return np.asarray(first + part * (second - first))

    return end(LOW), end(HIGH)
