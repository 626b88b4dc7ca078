"""Steps of many points at once, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]


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
