"""Matrix products cut into tiles: one block a tile, as many at a time as there are processors.

A product's time is that of the fastest tile and split of k. A tile that sticks out of the result is
computed in full, and the last wave takes as long as a full one: that is what makes narrow
products slow (NVIDIA, Matrix Multiplication Background, DU-09799).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

SIDES = ((256, 128), (128, 128), (128, 64), (64, 64), (128, 32), (64, 32), (32, 32))
# Both ways round: the first side lies along m.
TILES = tuple(dict.fromkeys(tile for a, b in SIDES for tile in ((a, b), (b, a))))
SPLITS = (1, 2, 3, 4, 6, 8, 12, 16, 32)
DEPTH = 8  # k is cut in multiples of this
SHALLOWEST = 64  # and a part of a split one is no shorter
NARROW = (16, 32, 64)  # bounds of the classes of a product's narrower side
TABLED = 1 << 14  # products whose time is remembered

_TM, _TN = (np.array(side, dtype=float)[:, None] for side in zip(*TILES, strict=True))
_SPLIT = np.array(SPLITS, dtype=float)
_REUSE = _TM * _TN / (_TM + _TN)


class Tiled(NamedTuple):
    """What kernels made of tiles reach on a device; rates may be arrays over cases.

    `peak` FLOP/s of large tiles, `half` the operand reuse (elements) at which a tile reaches half
    of it, `setup` a block's start and end in steps of k, `memory` bytes/s, `processors` blocks at
    a time, `launch` seconds around the work. `narrow` has one of `TILES` (by number) for each class
    of narrow products where a library is known to take that one, unsplit; -1: the fastest.
    """

    peak: float
    half: float
    setup: float
    memory: float
    processors: float
    launch: float = 0.0
    narrow: tuple[int, ...] = (-1, -1, -1, -1)


class Parts(NamedTuple):
    """Seconds of arithmetic and of memory traffic; the slower one decides."""

    compute: float
    memory: float


def product_parts(
    batch: float, m: float, n: float, k: float, size: float, traffic: float, tiled: Tiled
) -> Parts:
    """Seconds of `batch` products (m, k) x (k, n) of `size` bytes an element.

    `traffic` is the time of the compulsory bytes. For a tile (a, b) and a split s of k

        blocks = batch s ceil(m / a) ceil(n / b)
        t = ceil(blocks / processors) 2 a b (k / s + setup) / (peak / processors x u)
        u = I / (I + half),  I = a b / (a + b)

    and a split one also writes and adds up its s partial results. The best over tiles and splits
    counts. On one processor of 1 TFLOP/s, a 64 x 64 x 1000 product takes 2 x 64 x 64 x 1000 / 1e12:

    >>> one = Tiled(peak=1e12, half=0.0, setup=0.0, memory=1e12, processors=1.0)
    >>> product_parts(1, 64, 64, 1000, 4, 1e-6, one)
    Parts(compute=8.192e-06, memory=1e-06)
    >>> product_parts(1, 33, 64, 1000, 4, 1e-6, one).compute
    8.192e-06
    """
    if all(np.ndim(value) == 0 for value in (batch, m, n, k, traffic, *tiled[:6])):
        return _one(batch, m, n, k, size, traffic, tiled)
    return _parts(batch, m, n, k, size, traffic, tiled)


@lru_cache(maxsize=TABLED)
def _one(*arguments: Any) -> Parts:
    compute, memory = _parts(*arguments)
    return Parts(float(np.ravel(compute)[0]), float(np.ravel(memory)[0]))


def _parts(batch: Any, m: Any, n: Any, k: Any, size: float, traffic: Any, tiled: Tiled) -> Parts:
    values = (batch, np.maximum(m, n), np.minimum(m, n), k, traffic, *tiled[:5])
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, float)) for value in values))
    narrow = columns[2]
    b, m, n, k, traffic, peak, half, setup, bandwidth, processors = (
        column[:, None, None] for column in columns
    )
    steps = np.ceil(k / _SPLIT / DEPTH) * DEPTH
    blocks = b * np.ceil(m / _TM) * np.ceil(n / _TN) * _SPLIT
    rate = peak / processors * _REUSE / (_REUSE + half)
    with np.errstate(divide="ignore", invalid="ignore"):
        compute = np.ceil(blocks / processors) * 2 * _TM * _TN * (steps + setup) / rate
        partial = np.where(_SPLIT > 1, b * m * n * size * (_SPLIT + 1) / bandwidth, 0.0)
    memory = np.broadcast_to(traffic + partial, compute.shape)
    possible = (_SPLIT == 1) | (k / _SPLIT >= SHALLOWEST)
    seconds = np.where(possible, np.maximum(compute, memory), np.inf)
    rows, count = np.arange(len(narrow)), len(SPLITS)
    chosen = np.asarray(tiled.narrow)[np.searchsorted(NARROW, narrow)]
    best = np.where(chosen < 0, seconds.reshape(len(rows), -1).argmin(1), chosen * count)
    flat = (rows, best)
    found: Any = [part.reshape(len(rows), -1)[flat] for part in (compute, memory)]
    return Parts(*found)


def tile_name(number: int) -> str:
    """A tile as text.

    >>> tile_name(2)
    '128x128'
    """
    a, b = TILES[number]
    return f"{a}x{b}"


def tile_number(name: str) -> int:
    """The number of a tile in `TILES`; -1 for one that is not there.

    >>> tile_number("128x128"), tile_number("7x7")
    (2, -1)
    """
    names = [tile_name(number) for number in range(len(TILES))]
    return names.index(name) if name in names else -1
