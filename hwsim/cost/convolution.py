"""Convolutions: an implicit product through tiles, or another algorithm where it applies.

Lavin and Gray 2016 for F(m x m, 3 x 3): (m + 2)^2 multiplications for m^2 outputs instead of 9 m^2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hwsim.cost.gemm import Parts, Tiled, product_parts, tile_number
from hwsim.graph.dtypes import BYTES
from hwsim.graph.ops.kernel import Window

# F(2 x 2) in one kernel: a block makes 32 tiles of four outputs, laid out as images x rows x
# columns (the tile148 and like variants in the names of cuDNN's kernels), for 32 filters.
PATCHES = ((1, 8, 16), (1, 16, 8), (2, 4, 16), (4, 2, 16))
OUTPUTS, FILTERS = 128, 32
TILE, POINTS = 4, 36  # F(4 x 4): (4 + 2)^2 products of transformed tiles
# Tensor-core kernels read whole slices of channels, and filters in multiples of 16 bytes.
SLICE, ALIGNED = 32, 8
WHOLE = tile_number("128x128")
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
    (images H W) x channels x (filters R S), weight gradient
    filters x (channels R S) x (images P Q). Only `vector` units run Winograd's; tensor cores pad
    channels to `SLICE`, and skip the taps of a data gradient that a stride leaves empty.

    >>> at = Tiled(peak=1e12, half=0.0, setup=0.0, memory=1e12, processors=1.0)
    >>> one = Window("forward", 1, 64, 64, 16, 16, 16, 16, 9, 1)
    >>> rates = Convolving(at, winograd=1.0, data=1.0, weights=1.0)
    >>> convolution_parts(one, 4, 1e-6, rates, vector=False).compute  # 2 x 256 x 64 x 576 FLOP
    1.8874368e-05
    >>> round(convolution_parts(one, 4, 1e-6, rates, vector=True).compute * 2.25, 12)
    1.8874368e-05
    """
    if not vector:
        channels, filters = _padded(window.channels, SLICE), _padded(window.filters, ALIGNED)
        window = window._replace(channels=channels, filters=filters)
    ways = {"direct": lambda: _direct(window, size, traffic, rates, vector)}
    if vector and window.way == "dgrad" and size >= BYTES["fp32"]:
        ways["scattered"] = lambda: _scattered(window, size, traffic, rates)
    if vector and window.winograd:
        if window.way != "wgrad":
            ways["winograd"] = lambda: _fused(window, traffic, rates)
        ways["winograd_nonfused"] = lambda: _transformed(window, size, rates)
    name = "direct" if window.algorithm in DIRECT else window.algorithm
    wanted = [name] if name in ways else list(ways)
    parts = [ways[way]() for way in wanted]
    fastest = np.argmin(np.broadcast_arrays(*(np.maximum(*part) for part in parts)), axis=0)
    columns: Any = zip(*parts, strict=True)
    found = [np.choose(fastest, column) for column in columns]
    return Parts(*(float(x) if np.ndim(x) == 0 else x for x in found))


def _padded(count: Any, multiple: int) -> Any:
    return np.ceil(count / multiple) * multiple


def _direct(w: Window, size: float, traffic: Any, rates: Convolving, vector: bool) -> Parts:
    positions, depth = w.images * w.rows * w.columns, w.channels * w.taps
    if w.way == "forward":
        return product_parts(1, positions, w.filters, depth, size, traffic, rates.tiled, apart=True)
    if w.way == "dgrad":
        inputs, tiled = w.images * w.height * w.width, rates.tiled
        deep: Any = w.filters * w.taps
        if not vector:
            # Their kernels have whole tiles alone, and don't split what they add up.
            deep, tiled = deep / w.stride, tiled._replace(narrow=(WHOLE,) * len(tiled.narrow))
        found = product_parts(1, inputs, w.channels, deep, size, traffic, tiled, apart=True)
        return found._replace(compute=found.compute / rates.data)
    found = product_parts(1, w.filters, depth, positions, size, traffic, rates.tiled, apart=True)
    # Both operands stream past a small result: loads are not hidden behind arithmetic.
    return found._replace(compute=(found.compute + found.memory) / rates.weights)


def _scattered(w: Window, size: float, traffic: Any, rates: Convolving) -> Parts:
    """The forward pass's product the other way round, (images P Q) x (channels R S) x filters,
    whose result is added into the gradient: both are written and read once."""
    positions, depth = w.images * w.rows * w.columns, w.channels * w.taps
    added = positions * depth + w.images * w.height * w.width * w.channels
    seconds = 2 * added * size / rates.tiled.memory
    found = product_parts(1, positions, depth, w.filters, size, traffic, rates.tiled, apart=True)
    # The sums follow the products; they are booked to both kinds, as in `_transformed`.
    return Parts(found.compute / rates.data + seconds, found.memory + seconds)


def _fused(w: Window, traffic: Any, rates: Convolving) -> Parts:
    """Blocks of `OUTPUTS` x `FILTERS`, with 16 products of transformed tiles for four outputs."""
    depth, outer = (w.filters, w.channels) if w.way == "dgrad" else (w.channels, w.filters)
    rows, columns = (w.height, w.width) if w.way == "dgrad" else (w.rows, w.columns)
    patches = [
        np.ceil(w.images / n) * np.ceil(rows / p) * np.ceil(columns / q) for n, p, q in PATCHES
    ]
    blocks = np.min(patches, axis=0) * np.ceil(outer / FILTERS)
    tiled = rates.tiled
    work = 2 * OUTPUTS * FILTERS * (4 * depth + tiled.setup)
    rate = tiled.peak / tiled.processors * rates.winograd
    return Parts(np.ceil(blocks / tiled.processors) * work / rate, traffic)


def _transformed(w: Window, size: float, rates: Convolving) -> Parts:
    """F(4 x 4) with transforms in kernels of their own, which move (36 / 16) of input and output
    once more each way."""
    tiles = w.images * np.ceil(w.rows / TILE) * np.ceil(w.columns / TILE)
    inputs, outputs = w.images * w.height * w.width, w.images * w.rows * w.columns
    m, n, k = (
        (w.filters, w.channels, tiles)
        if w.way == "wgrad"
        else (tiles, *((w.channels, w.filters) if w.way == "dgrad" else (w.filters, w.channels)))
    )
    between = POINTS * (m * n + m * k + n * k)
    moved = w.channels * inputs + w.filters * (outputs + w.taps * w.channels) + between
    per_byte = size / rates.tiled.memory
    found = product_parts(POINTS, m, n, k, size, between * per_byte, rates.tiled, apart=True)
    # Transforms and products follow one another; both are booked to the slower kind.
    return Parts(found.compute + moved * per_byte, found.memory + moved * per_byte)
