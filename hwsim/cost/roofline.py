"""Time of one kernel: the slowest of arithmetic, memory traffic and getting it started.

Williams, Waterman, Patterson 2009, with a launch term; arguments may be numpy arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hwsim.cost.rates import Rates
from hwsim.cost.recurrent import traffic_seconds
from hwsim.graph.dtypes import BYTES, Dtype
from hwsim.graph.ops import Kernel

BOUNDS = ("compute", "memory", "launch")


class Cost(NamedTuple):
    """Seconds of a kernel with all its repeats, and the index in `BOUNDS` of what bounds it."""

    seconds: float
    bound: int


def roofline(
    compute: float, memory: float, launch: float, dispatch: float, repeat: float = 1
) -> Cost:
    """Seconds of `repeat` equal launches, given the seconds of each part of one.

        t = repeat x max(launch + max(compute, memory), dispatch)

    The device waits `launch` between two kernels; the host needs `dispatch` to issue one and runs
    ahead, so that only the slower of the two is seen.

    >>> roofline(3e-6, 10e-6, launch=2e-6, dispatch=8e-6, repeat=10)
    Cost(seconds=0.00012, bound=1)
    >>> roofline(1e-6, 1e-6, launch=2e-6, dispatch=8e-6)
    Cost(seconds=8e-06, bound=2)
    """
    work = np.maximum(compute, memory)
    seconds = repeat * np.maximum(launch + work, dispatch)
    waiting = np.maximum(launch, dispatch - launch)
    bound: Any = np.where(work > waiting, np.where(compute >= memory, 0, 1), 2)
    if np.ndim(seconds) == 0:
        return Cost(float(seconds), int(bound))
    return Cost(seconds, bound)


def kernel_cost(kernel: Kernel, rates: Rates, dtype: Dtype) -> Cost:
    """Cost of one kernel of a graph, its repeats included."""
    rate = rates.matrix if kernel.engine == "matrix" else rates.vector
    size = BYTES[dtype] if kernel.element_bytes is None else kernel.element_bytes
    memory = traffic_seconds(
        kernel.elements * size, kernel.weights * size, kernel.repeat, rates, kernel.matrices
    )
    chained = kernel.sequential and kernel.engine == "matrix"
    launch = rates.launch + rates.chain if chained else rates.launch
    return roofline(kernel.flops / rate, memory, launch, rates.dispatch, kernel.repeat)
