"""Kernels on a CPU: the thread that issues an operator also runs it.

A product first packs its operands, so that arithmetic and traffic follow one another; other kernels
overlap them. How fast memory is depends on the cache that holds what a kernel touches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hwsim.cost.gemm import Parts
from hwsim.graph.ops import Kernel


class Hosting(NamedTuple):
    """What a CPU's kernels reach: FLOP/s of products, convolutions and all else, how many times a
    product moves its operands (`packing`), and the shares of `memory` bytes/s that are reached
    where `sizes` bytes are live."""

    products: float
    convolutions: float
    streams: float
    packing: float
    sizes: tuple[float, ...]
    shares: tuple[float, ...]
    memory: float = 1.0


class Eager(NamedTuple):
    """How kernels in a framework's code differ from kernels on their own: factors on the time of
    products, of all others, of fused attention and of eager attention's products (None: as other
    products); seconds that each kernel is issued in (None: as on its own)."""

    products: float = 1.0
    streams: float = 1.0
    launch: float | None = None
    attention: float | None = None
    scores: float | None = None


def bandwidth(live: Any, hosting: Hosting) -> Any:
    """Bytes/s at `live` bytes, between the measured sizes along straight lines of logarithms.

    >>> two = Hosting(1, 1, 1, 1, sizes=(1e4, 1e6), shares=(1.0, 0.1), memory=1e11)
    >>> [round(float(bandwidth(live, two)) / 1e9, 1) for live in (1, 1e4, 1e5, 1e6, 1e9)]
    [100.0, 100.0, 31.6, 10.0, 10.0]
    """
    logs = np.log(np.maximum(live, 1.0))
    share = np.exp(np.interp(logs, np.log(hosting.sizes), np.log(hosting.shares)))
    return hosting.memory * share


def host_parts(kernel: Kernel, size: float, hosting: Hosting) -> Parts:
    """Seconds of arithmetic and of traffic of one repeat; `size` bytes an element.

        product: F / P + packing Q / W(live),   other: max(F / P, Q / W(live))

    where `live` are a recurrence's matrices, if those are more than the kernel's own bytes. The
    part that a maximum hides is given as 0, so that the two always add.

    >>> flat = Hosting(1.0, 1.0, 1.0, 2.0, sizes=(1.0,), shares=(1.0,))
    >>> host_parts(Kernel("product", "matrix", 1000, 100, shape=(1, 5, 10, 10)), 4, flat)
    Parts(compute=1000.0, memory=800.0)
    >>> host_parts(Kernel("sum", "vector", 100, 300), 4, flat)
    Parts(compute=0.0, memory=1200.0)
    """
    moved = kernel.elements * size
    live = np.maximum(moved, kernel.weights * kernel.matrices * size)
    traffic = moved / bandwidth(live, hosting)
    if kernel.engine == "matrix":
        rate = hosting.products if kernel.window is None else hosting.convolutions
        return _plain(kernel.flops / rate, hosting.packing * traffic)
    compute = kernel.flops / hosting.streams
    return _plain(
        np.where(compute >= traffic, compute, 0.0), np.where(compute >= traffic, 0.0, traffic)
    )


def _plain(compute: Any, memory: Any) -> Parts:
    if np.ndim(compute) == 0 and np.ndim(memory) == 0:
        return Parts(float(compute), float(memory))
    return Parts(compute, memory)
