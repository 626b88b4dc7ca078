"""Memory time of a recurrence, whose matrix is read anew at every time step.

A matrix that fits in the last-level cache is fetched once and then read at the cache's rate; one
that doesn't is fetched from memory each time, which is what makes wide recurrent layers at a small
batch memory-bound. The steps themselves can't overlap: the caller multiplies by their number.
"""

from __future__ import annotations

import numpy as np

from hwsim.cost.rates import Rates


def traffic_seconds(
    total: float, weights: float, repeat: float, rates: Rates, matrices: float = 1
) -> float:
    """Seconds of memory traffic of one repeat, averaged over all of them.

    `total` bytes a repeat, of which `weights` are a recurrent matrix; `matrices` of them take
    turns, and all must fit to stay in the cache. With a first read of each from memory,

        t = (total - weights) / W + weights (f / W + (1 - f) / W_again),  f = matrices / repeat

    where W_again is the cache's rate if they fit, else the memory's.

    >>> r = Rates(1, 1, 100.0, cache=400.0, resident=50.0, launch=0, chain=0, dispatch=0)
    >>> traffic_seconds(50.0, 40.0, 1, r), round(traffic_seconds(50.0, 40.0, 1e9, r), 6)
    (0.5, 0.2)
    >>> traffic_seconds(50.0, 40.0, 10, r, matrices=2)
    0.5
    """
    again = np.where(weights * matrices <= rates.resident, rates.cache, rates.memory)
    first = np.minimum(matrices / repeat, 1.0)
    seconds = (total - weights) / rates.memory + weights * (
        first / rates.memory + (1.0 - first) / again
    )
    return float(seconds) if np.ndim(seconds) == 0 else seconds
