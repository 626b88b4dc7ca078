"""Time of one kernel: the slowest of arithmetic, memory traffic and getting it started.

Williams, Waterman, Patterson 2009, with a launch term; arguments may be numpy arrays.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from hwsim.cost.convolution import convolution_parts
from hwsim.cost.gemm import Parts, Tiled, product_parts
from hwsim.cost.host import Eager, host_parts
from hwsim.cost.rates import Rates
from hwsim.cost.recurrent import chain_parts, traffic_seconds
from hwsim.graph.dtypes import BYTES, Dtype
from hwsim.graph.ops import Kernel

BOUNDS = ("compute", "memory", "launch")
ALIGNMENT = 16  # bytes
Kind = Literal["products", "chains", "convolutions", "streams"]


class Cost(NamedTuple):
    """Seconds of a kernel with all its repeats, and the index in `BOUNDS` of what bounds it."""

    seconds: float
    bound: int


class Work(NamedTuple):
    """Seconds of arithmetic, of memory traffic and around them, of one launch."""

    compute: float
    memory: float
    launch: float


def roofline(compute: Any, memory: Any, launch: Any, dispatch: Any, repeat: Any = 1) -> Cost:
    """Seconds of `repeat` equal launches, given the seconds of each part of one.

        t = repeat x max(launch + max(compute, memory), dispatch)

    The device waits `launch` between two kernels; the host needs `dispatch` to issue one and runs
    ahead, so that only the slower of the two is seen.

    >>> roofline(3e-6, 10e-6, launch=2e-6, dispatch=8e-6, repeat=10)
    Cost(seconds=0.00012, bound=1)
    >>> roofline(1e-6, 1e-6, launch=2e-6, dispatch=8e-6)
    Cost(seconds=8e-06, bound=2)
    """
    if not any(isinstance(one, np.ndarray) for one in (compute, memory, launch, dispatch, repeat)):
        least = max(compute, memory)  # numpy takes ten times as long for single numbers
        seconds = repeat * max(launch + least, dispatch)
        if least <= max(launch, dispatch - launch):
            return Cost(float(seconds), 2)
        return Cost(float(seconds), 0 if compute >= memory else 1)
    work = np.maximum(compute, memory)
    seconds = repeat * np.maximum(launch + work, dispatch)
    waiting = np.maximum(launch, dispatch - launch)
    bound: Any = np.where(work > waiting, np.where(compute >= memory, 0, 1), 2)
    return Cost(seconds, bound)


def in_turn(compute: Any, memory: Any, launch: Any, repeat: Any = 1) -> Cost:
    """Seconds of `repeat` equal operators of a thread that issues, moves and computes in turn.

        t = repeat x (launch + compute + memory)

    >>> in_turn(3.0, 1.0, launch=2.0, repeat=10)
    Cost(seconds=60.0, bound=0)
    """
    seconds = repeat * (launch + compute + memory)
    bound: Any = np.where(compute + memory > launch, np.where(compute >= memory, 0, 1), 2)
    if np.ndim(seconds) == 0:
        return Cost(float(seconds), int(bound))
    return Cost(seconds, bound)


def kernel_cost(kernel: Kernel, rates: Rates, dtype: Dtype) -> Cost:
    """Cost of one kernel of a graph, its repeats included.

    A product is made of tiles (`hwsim.cost.gemm`), a convolution of the like
    (`hwsim.cost.convolution`), as far as the device has rates for them; all else is a roofline.
    """
    work = kernel_work(kernel, rates, dtype)
    if kernel.joined:
        work, rates = work._replace(launch=0.0), rates._replace(dispatch=0.0)
    own = _own_factor(kernel, rates.eager)
    return issued(work, kernel.engine == "matrix", kernel.repeat, rates, own)


def _own_factor(kernel: Kernel, eager: Eager) -> float | None:
    """The factor on kernels of attention, where there is one."""
    if kernel.core:
        return eager.attention
    if eager.scores is None or kernel.shape is None or kernel.casts is not None:
        return None
    return eager.scores if kernel.shape[0] > 1 else None


def issued(work: Work, product: Any, repeat: Any, rates: Rates, own: float | None = None) -> Cost:
    """The cost of work once a family's framework code issues it.

    What products and other kernels take is scaled, or what has its `own` factor, and the code's own
    time of issue counts.
    """
    eager = rates.eager
    if own is not None:
        factor: Any = own
    elif isinstance(product, bool):
        factor = eager.products if product else eager.streams
    else:
        factor = np.where(product, eager.products, eager.streams)
    compute, memory = factor * work.compute, factor * work.memory
    if rates.host is not None:
        launch = work.launch if eager.launch is None else eager.launch
        return in_turn(compute, memory, launch, repeat)
    dispatch = rates.dispatch if eager.launch is None else eager.launch
    return roofline(compute, memory, work.launch, dispatch, repeat)


def kernel_work(kernel: Kernel, rates: Rates, dtype: Dtype) -> Work:
    """Seconds of one repeat of a kernel by itself, before any framework code issues it."""
    size = BYTES[dtype] if kernel.element_bytes is None else kernel.element_bytes
    if rates.host is not None:
        return Work(*host_parts(kernel, size, rates.host), rates.launch)
    kind = kind_of(kernel)
    if kind == "chains" and rates.chains is not None:
        near = rates.chains
        reached = rates._replace(memory=near.tiled.memory)
        memory = _traffic(kernel, size, reached)
        work = chain_parts(kernel.shape or (1, 1, 1, 1), size, memory, near.tiled, near.stall)
        launch = near.tiled.launch
    elif kind == "convolutions" and rates.convolutions is not None and kernel.window is not None:
        sliding = rates.convolutions
        memory = kernel.elements * size / sliding.tiled.memory
        work = convolution_parts(kernel.window, size, memory, sliding, vector=rates.on_vector)
        launch = sliding.tiled.launch
    elif kind == "products" and rates.products is not None:
        memory = kernel.elements * size / rates.products.memory
        work, launch = _product(kernel, size, memory, rates.products), rates.products.launch
        if not rates.on_vector:
            slowest = np.where(is_unaligned(kernel, size), kernel.flops / rates.unaligned, 0.0)
            compute: Any = np.maximum(work.compute, slowest)
            work = work._replace(compute=compute)
    else:
        if kernel.reduction and rates.rows is not None:
            rates = rates._replace(memory=rates.rows)
        rate = rates.matrix if kernel.engine == "matrix" else rates.vector
        work = Parts(kernel.flops / rate, _traffic(kernel, size, rates))
        chained = kernel.sequential and kernel.engine == "matrix"
        launch = rates.launch + rates.chain if chained else rates.launch
    return Work(work.compute, work.memory, launch)


def kind_of(kernel: Kernel) -> Kind:
    """The kind of a kernel, of those that rates are fitted for."""
    if kernel.engine != "matrix" or kernel.shape is None:
        return "streams"
    if kernel.sequential:
        return "chains"
    return "products" if kernel.window is None else "convolutions"


def is_unaligned(kernel: Kernel, size: float) -> Any:
    """Whether rows of a batch of products, of `size` bytes an element, begin where tensor cores
    can't load them: not on a multiple of 16 bytes (NVIDIA, Matrix Multiplication Background,
    DU-09799, tensor core requirements). A single product is padded by its library.

    >>> from hwsim.graph.ops.kernel import gemm
    >>> [is_unaligned(gemm("values", 64, head, 64, batch=8), 2) for head in (64, 108)]
    [False, True]
    """
    batch, _, n, k = kernel.shape or (1, 1, 1, 1)
    if kernel.core:
        return False
    return (batch > 1) & ((n * size % ALIGNMENT != 0) | (k * size % ALIGNMENT != 0))


def _traffic(kernel: Kernel, size: float, rates: Rates) -> float:
    elements, weights = kernel.elements * size, kernel.weights * size
    return traffic_seconds(elements, weights, kernel.repeat, rates, kernel.matrices)


def _product(kernel: Kernel, size: float, memory: float, tiled: Tiled) -> Parts:
    batch, m, n, k = kernel.shape or (1, 1, 1, 1)
    return product_parts(batch, m, n, k, size, memory, tiled, kernel.transposed)


def spread_of(kernel: Kernel, rates: Rates) -> float:
    """Standard deviation of ln(measured / predicted) of a kernel."""
    return float(getattr(rates.spreads, kind_of(kernel)))
