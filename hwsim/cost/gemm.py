"""Matrix products cut into tiles: one block a tile, as many at a time as there are processors.

A product's time is that of the fastest tile and split of k. A tile that sticks out of the result is
computed in full, and the last wave takes as long as a full one: that is what makes narrow
products slow (NVIDIA, Matrix Multiplication Background, DU-09799).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

SIDES = ((256, 128), (128, 128), (128, 64), (64, 64), (128, 32), (64, 32), (32, 32))
# Both ways round: the first side lies along m.
TILES = tuple(dict.fromkeys(tile for a, b in SIDES for tile in ((a, b), (b, a))))
SPLITS = (1, 2, 3, 4, 6, 8, 12, 16, 32)
DEPTH = 8  # k is cut in multiples of this
BLOCK = 128  # side of the tiles that large products are cut into,
RESIDENT = 2  # of which so many share a processor
SHALLOWEST = 64  # and a part of a split one is no shorter
NARROW = (16, 32, 64)  # bounds of the classes of a product's narrower side
TABLED = 1 << 14  # products whose time is remembered
POINTS_AT_ONCE = 8192  # with all tiles and splits in memory
POINTS = 16  # of one product, as of which it pays to leave out what can't be the best

# Every tile with every split, tile after tile.
_TM, _TN, _SPLIT = np.array([(*tile, split) for tile in TILES for split in SPLITS], dtype=float).T
_ALL = np.arange(len(_SPLIT))


class Tiled(NamedTuple):
    """What kernels made of tiles reach on a device; rates may be arrays over cases.

    `peak` FLOP/s of large tiles, `half` the operand reuse (elements) at which a tile reaches half
    of it, `setup` a block's start and end in steps of k, `memory` bytes/s, `processors` blocks at
    a time, `launch` seconds around the work. `narrow` has one of `TILES` (by number) for each class
    of narrow products where a library is known to take that one, unsplit; -1: the fastest.

    `overlap`: how sharply the slower of arithmetic (c) and memory (m) decides, as
    (c^overlap + m^overlap)^(1 / overlap). `strided`: share of the peak that is left where blocks
    share no rows of a transposed operand. `shares`: seconds of products in the classes `NARROW`,
    over those of the tiles' law. `batched`: the tiles (by number) that a library takes for
    `batch` > 1, all if empty, with k cut in multiples of `depth` there.
    """

    peak: float
    half: float
    setup: float
    memory: float
    processors: float
    launch: float = 0.0
    narrow: tuple[int, ...] = (-1, -1, -1, -1)
    overlap: float = math.inf
    strided: float = math.inf
    shares: tuple[float, ...] = (1.0, 1.0, 1.0)
    batched: tuple[int, ...] = ()
    depth: int = DEPTH


class Parts(NamedTuple):
    """Seconds of arithmetic and of memory traffic; the slower one decides."""

    compute: float
    memory: float


def product_parts(
    batch: float,
    m: float,
    n: float,
    k: float,
    size: float,
    traffic: float,
    tiled: Tiled,
    transposed: Any = False,
    *,
    apart: bool = False,
) -> Parts:
    """Seconds of `batch` products (m, k) x (k, n) of `size` bytes an element.

    `traffic` is the time of the compulsory bytes, `transposed` whether the second operand is
    stored (n, k), as a layer's weights are. For a tile (a, b) and a split s of k

        blocks = batch s ceil(m / a) ceil(n / b)
        t = ceil(blocks / processors) 2 a b (k / s + setup) / (peak / processors x u)
        u = I / (I + half),  I = a b / (a + b)

    and a split one also writes and adds up its s partial results. The best over tiles and splits
    counts, the first one of several; `apart` where arithmetic counts for itself even if memory
    decides. On one processor of 1 TFLOP/s, a 64 x 64 x 1000 product takes

        2 x 64 x 64 x 1000 / 1e12

    >>> one = Tiled(peak=1e12, half=0.0, setup=0.0, memory=1e12, processors=1.0)
    >>> product_parts(1, 64, 64, 1000, 4, 1e-6, one)
    Parts(compute=8.192e-06, memory=1e-06)
    >>> product_parts(1, 33, 64, 1000, 4, 1e-6, one).compute
    8.192e-06
    """
    if all(np.ndim(value) == 0 for value in (batch, m, n, k, traffic, transposed, *tiled[:6])):
        return _one(batch, m, n, k, size, traffic, tiled, transposed)
    return _parts(batch, m, n, k, size, traffic, tiled, transposed, apart)


@lru_cache(maxsize=TABLED)
def _one(*arguments: Any) -> Parts:
    compute, memory = _parts(*arguments)
    return Parts(float(np.ravel(compute)[0]), float(np.ravel(memory)[0]))


def _parts(
    batch: Any,
    m: Any,
    n: Any,
    k: Any,
    size: float,
    traffic: Any,
    tiled: Tiled,
    transposed: Any,
    apart: bool = True,
) -> Parts:
    values = (batch, m, n, k, traffic, transposed, *tiled[:5])
    arrays = np.broadcast_arrays(*(np.atleast_1d(value) for value in values))
    columns = np.array([array.ravel() for array in arrays], float)
    found = np.empty((2, columns.shape[1]))
    many = (columns[0] > 1) & bool(tiled.batched)
    kinds = _ALL // len(SPLITS)
    for some, which, depth in (
        (~many, _ALL, DEPTH),
        (many, _ALL[np.isin(kinds, tiled.batched)], tiled.depth),
    ):
        named = len(which) == len(_ALL)
        groups = [(some, which)] if apart else _alike(columns, some, tiled, which, depth)
        for here, few in groups:
            points = np.flatnonzero(here) if here.dtype == bool else here
            for part in np.split(points, range(POINTS_AT_ONCE, len(points), POINTS_AT_ONCE)):
                if len(part):
                    found[:, part] = _fastest(
                        columns[:, part], size, tiled, few, depth, named=named
                    )
    return Parts(*found.reshape(2, *arrays[0].shape))


def _alike(
    columns: Floats, some: Any, tiled: Tiled, which: Ints, depth: int
) -> Iterator[tuple[Any, Ints]]:
    """Points with the tiles and splits that may be the best ones there, of `which`.

    One shape on the same number of processors takes the longer the more arithmetic and the more
    partial results there are: what has no less of both than another one is left out. `setup` and
    `half` belong to the device.
    """
    if not some.any():
        return
    first = columns[:, np.argmax(some)]
    same = (columns[[0, 1, 2, 3, 5, 7, 8]] == first[[0, 1, 2, 3, 5, 7, 8], None]).all()
    if len(some) < POINTS or not some.all() or not same:
        yield some, which
        return
    batch, m, n, k, _, _, _, half, setup, _, _ = first
    chosen = tiled.narrow[int(np.searchsorted(NARROW, min(m, n)))]
    if len(which) == len(_ALL) and chosen >= 0:
        yield some, which[chosen * len(SPLITS)][None]
        return
    together = np.argsort(columns[10], kind="stable")
    numbers, begins = np.unique(columns[10][together], return_index=True)
    for processors, here in zip(numbers, np.split(together, begins[1:]), strict=True):
        work = np.where(
            _possible(k, which),
            _arithmetic(batch, m, n, k, half, setup, processors, which, depth),
            np.inf,
        )
        order = np.lexsort((work, _SPLIT[which]))  # of fewer partial results first
        least = np.minimum.accumulate(work[order])
        better = np.r_[True, work[order][1:] < least[:-1]]
        yield here, np.sort(which[order[better]])


def _arithmetic(
    b: Any, m: Any, n: Any, k: Any, half: Any, setup: Any, processors: Any, which: Ints, depth: int
) -> Any:
    """Seconds x peak / processors of a product's blocks: (points, which)."""
    tm, tn, split = _TM[which], _TN[which], _SPLIT[which]
    reuse = tm * tn / (tm + tn)
    steps = np.ceil(k / split / depth) * depth
    blocks = b * np.ceil(m / tm) * np.ceil(n / tn) * split
    with np.errstate(divide="ignore", invalid="ignore"):
        waves = np.ceil(blocks / processors)
        return waves * 2 * tm * tn * (steps + setup) / (reuse / (reuse + half))


def _possible(k: Any, which: Ints) -> Any:
    return (_SPLIT[which] == 1) | (k / _SPLIT[which] >= SHALLOWEST)


def _fastest(
    columns: Any, size: float, tiled: Tiled, which: Ints, depth: int, *, named: bool
) -> Any:
    """Seconds of arithmetic and of memory traffic with the best of these tiles and splits, or with
    the `named` tiles of narrow products."""
    narrow = np.minimum(columns[1], columns[2])
    b, m, n, k, traffic, transposed, peak, half, setup, bandwidth, processors = columns[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        work = _arithmetic(b, m, n, k, half, setup, processors, which, depth)
        compute = work / (peak / processors)
        partial = np.where(
            _SPLIT[which] > 1, b * m * n * size * (_SPLIT[which] + 1) / bandwidth, 0.0
        )
    memory = np.broadcast_to(traffic + partial, compute.shape)
    if tiled.strided < math.inf:
        again = transposed * _read_again(b, m, n, processors)
        memory = np.maximum(memory, again * 2 * BLOCK**2 * k / (peak * tiled.strided))
    # The slower one decides, and the more so the less of the other one is hidden behind it.
    slower = np.maximum(compute, memory)
    visible: Any = np.ones(1)
    if tiled.overlap < math.inf:
        shorter = np.minimum(compute, memory) / slower
        visible = (1 + shorter**tiled.overlap) ** (1 / tiled.overlap)
    seconds = np.where(_possible(k, which), slower * visible, np.inf)
    of = np.searchsorted(NARROW, narrow)
    best = seconds.argmin(1)
    if named:
        chosen = np.asarray(tiled.narrow)[of]
        best = np.where(chosen < 0, best, np.searchsorted(which, chosen * len(SPLITS)))
    flat = (np.arange(len(narrow)), best)
    factor = np.broadcast_to(visible, compute.shape)[flat] * np.array([*tiled.shares, 1.0])[of]
    return [part[flat] * factor for part in (compute, memory)]


def _read_again(b: Any, m: Any, n: Any, processors: Any) -> Any:
    """Tiles' rows of both operands that come from memory more than once, in tiles.

    Blocks that run at the same time are next to one another along n, and share what they read; the
    next ones read it anew. With N x M tiles, R of them at once, a = min(N, R) along n and
    c = max(R / N, 1) across: N M (a + c) / (a c) - N - M.
    """
    across, along = np.ceil(m / BLOCK), np.ceil(n / BLOCK)
    at_once = RESIDENT * processors
    a = np.minimum(along, at_once)
    c = np.minimum(across, np.maximum(at_once / along, 1.0))
    return b * np.maximum(along * across * (a + c) / (a * c) - along - across, 0.0)


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
