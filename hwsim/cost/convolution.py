"""Convolutions: an implicit product through tiles, or Winograd's algorithm where it applies.

Lavin and Gray 2016 for F(m x m, 3 x 3): (m + 2)^2 multiplications for m^2 outputs instead of 9 m^2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hwsim.cost.gemm import Parts, Tiled, product_parts
from hwsim.graph.ops.kernel import Window

FUSED = 2.25  # 9 x 2^2 / 4^2: F(2 x 2) in one kernel
TILE, POINTS = 4, 36  # F(4 x 4): (4 + 2)^2 products of transformed tiles
DIRECT = frozenset({"implicit_gemm", "implicit_precomp_gemm", "explicit_gemm", "direct"})


class Convolving(NamedTuple):
    """`data`, `weights`: share of the forward pass's rate that the gradients' kernels reach;
    `winograd`: that of the fused one."""

    tiled: Tiled
    winograd: float
    data: float
    weights: float


def convolution_parts(
    window: Window, size: float, traffic: Any, rates: Convolving, *, vector: bool
) -> Parts:
    """Seconds of the fastest algorithm, or of the named one.

    As a product: forward (images P Q) x filters x (channels R S), data gradient
    (images H W) x channels x (filters R S / stride^2), weight gradient
    filters x (channels R S) x (images P Q). Winograd's run on vector units alone; transformed
    in their own kernels they move (36 / 16) of input and output once more each way.

    >>> at = Tiled(peak=1e12, half=0.0, setup=0.0, memory=1e12, processors=1.0)
    >>> one = Window("forward", 1, 64, 64, 16, 16, 16, 16, 9, 1)
    >>> rates = Convolving(at, winograd=1.0, data=1.0, weights=1.0)
    >>> convolution_parts(one, 4, 1e-6, rates, vector=False).compute  # 2 x 256 x 64 x 576 FLOP
    1.8874368e-05
    >>> round(convolution_parts(one, 4, 1e-6, rates, vector=True).compute * 2.25, 12)
    1.8874368e-05
    """
    ways = {"direct": lambda: _direct(window, size, traffic, rates)}
    if vector and window.winograd:
        if window.way != "wgrad":
            ways["winograd"] = lambda: _fused(window, size, traffic, rates)
        ways["winograd_nonfused"] = lambda: _transformed(window, size, rates)
    name = "direct" if window.algorithm in DIRECT else window.algorithm
    wanted = [name] if name in ways else list(ways)
    parts = [ways[way]() for way in wanted]
    fastest = np.argmin([np.maximum(*part) for part in parts], axis=0)
    columns: Any = zip(*parts, strict=True)
    found = [np.choose(fastest, column) for column in columns]
    return Parts(*(float(x) if np.ndim(x) == 0 else x for x in found))


def _direct(w: Window, size: float, traffic: Any, rates: Convolving) -> Parts:
    positions, depth = w.images * w.rows * w.columns, w.channels * w.taps
    if w.way == "forward":
        return product_parts(1, positions, w.filters, depth, size, traffic, rates.tiled)
    if w.way == "dgrad":
        inputs, deep = w.images * w.height * w.width, w.filters * w.taps / w.stride
        found = product_parts(1, inputs, w.channels, deep, size, traffic, rates.tiled)
        return found._replace(compute=found.compute / rates.data)
    found = product_parts(1, w.filters, depth, positions, size, traffic, rates.tiled)
    return found._replace(compute=found.compute / rates.weights)


def _fused(w: Window, size: float, traffic: Any, rates: Convolving) -> Parts:
    inner, outer = (w.filters, w.channels) if w.way == "dgrad" else (w.channels, w.filters)
    positions = w.images * w.rows * w.columns
    depth = inner * w.taps / FUSED
    found = product_parts(1, positions, outer, depth, size, traffic, rates.tiled)
    return found._replace(compute=found.compute / rates.winograd)


def _transformed(w: Window, size: float, rates: Convolving) -> Parts:
    tiles = w.images * np.ceil(w.rows / TILE) * np.ceil(w.columns / TILE)
    inputs, outputs = w.images * w.height * w.width, w.images * w.rows * w.columns
    sides = (
        (w.filters, w.channels, tiles)
        if w.way == "wgrad"
        else (tiles, *((w.channels, w.filters) if w.way == "dgrad" else (w.filters, w.channels)))
    )
    moved = w.channels * (inputs + POINTS * tiles) + w.filters * (outputs + POINTS * tiles)
    moved = moved + (w.taps + POINTS) * w.channels * w.filters
    seconds = moved * size / rates.tiled.memory
    m, n, k = sides
    found = product_parts(POINTS, m, n, k, size, 0.0 * seconds, rates.tiled)
    # Transforms and products follow one another; both are booked to the slower kind.
    return Parts(found.compute + seconds, found.memory + seconds)
