"""One time step of a recurrence, whose matrix is read anew at every one.

A matrix that fits in the last-level cache is fetched once and then read at the cache's rate; one
that doesn't is fetched from memory each time, which is what makes wide recurrent layers at a small
batch memory-bound. The steps themselves can't overlap: the caller multiplies by their number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.cost.gemm import NARROW, Parts, Tiled, product_parts
from hwsim.cost.rates import Rates


def chain_parts(
    shape: tuple[Any, ...], size: float, traffic: Any, tiled: Tiled, stall: float
) -> Parts:
    """Seconds of one step's product (batch, m, n, k); `traffic` is the time of its bytes.

    Where a library is known to take one tile for narrow products (`Tiled.narrow`), its blocks load
    operands without hiding the latency behind arithmetic: k `stall` more.

    >>> fixed = Tiled(1e12, 0.0, 0.0, 1e12, processors=1.0, narrow=(-1, 6, -1, -1))
    >>> product_parts(1, 128, 32, 1000, 4, 0.0, fixed).compute  # 128 x 32 in one tile
    8.192e-06
    >>> round(chain_parts((1, 128, 32, 1000), 4, 0.0, fixed, stall=1e-7).compute, 9)
    0.000108192
    """
    batch, m, n, k = shape
    found = product_parts(batch, m, n, k, size, traffic, tiled)
    chosen = np.asarray(tiled.narrow)[np.searchsorted(NARROW, np.minimum(m, n))]
    compute: Any = found.compute + np.where(chosen < 0, 0.0, k * stall)
    return found._replace(compute=float(compute) if np.ndim(compute) == 0 else compute)


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
    if isinstance(weights, float) and not weights:  # and so whatever the cache
        return total / rates.memory
    again = np.where(weights * matrices <= rates.resident, rates.cache, rates.memory)
    first = np.minimum(matrices / repeat, 1.0)
    seconds = (total - weights) / rates.memory + weights * (
        first / rates.memory + (1.0 - first) / again
    )
    return float(seconds) if np.ndim(seconds) == 0 else seconds
