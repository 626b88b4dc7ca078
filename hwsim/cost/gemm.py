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
    if not apart and all(np.ndim(one) == 0 for one in (batch, m, n, k, transposed, *tiled[1:3])):
        return _of_one_shape(batch, m, n, k, size, traffic, tiled, transposed)
    values = (batch, m, n, k, traffic, transposed, *tiled[:5])
    arrays = np.broadcast_arrays(*(np.atleast_1d(value) for value in values))
    columns = np.array([array.ravel() for array in arrays], float)
    found = np.empty((2, columns.shape[1]))
    many = (columns[0] > 1) & bool(tiled.batched)
    for some, which, depth in ((~many, _ALL, DEPTH), (many, _batched(tiled), tiled.depth)):
        named, points = len(which) == len(_ALL), np.flatnonzero(some)
        for part in np.split(points, range(POINTS_AT_ONCE, len(points), POINTS_AT_ONCE)):
            if len(part):
                found[:, part] = _fastest(columns[:, part], size, tiled, which, depth, named=named)
    return Parts(*found.reshape(2, *arrays[0].shape))


def _batched(tiled: Tiled) -> Ints:
    """The tiles that a library takes for a batch, with all splits."""
    return _ALL[np.isin(_ALL // len(SPLITS), tiled.batched)]


def _of_one_shape(
    b: Any, m: Any, n: Any, k: Any, size: float, traffic: Any, tiled: Tiled, transposed: Any
) -> Parts:
    """One product at many points; of tiles that memory makes equal any one counts.

    As often as there are rivals at some point, the next one is tried at all points.
    """
    side = int(np.searchsorted(NARROW, min(m, n)))
    which, depth = (_batched(tiled), tiled.depth) if b > 1 and tiled.batched else (_ALL, DEPTH)
    if len(which) == len(_ALL) and tiled.narrow[side] >= 0:
        which = which[[tiled.narrow[side] * len(SPLITS)]]
    processors: Any = np.asarray(tiled.processors, float)
    numbers, place = _different(processors.tobytes())
    place = place.reshape(processors.shape)
    again: Any = 0.0
    if tiled.strided < math.inf and transposed:
        again = _read_again(b, m, n, numbers)[place] * 2 * BLOCK**2 * k / tiled.peak
    found: tuple[Any, ...] = ()
    for work, split in _rivals(b, m, n, k, tiled.half, tiled.setup, numbers, which, depth):
        compute = work[place] / (tiled.peak / processors)
        partial = _partial(b, m, n, size, split)[place] / tiled.memory
        memory = np.maximum(traffic + partial, again / tiled.strided)
        if found and np.all(np.maximum(compute, memory) >= found[0]):
            continue
        visible = _visible(compute, memory, tiled.overlap)
        rival = np.maximum(compute, memory) * visible, compute, memory, visible
        if found:
            better = rival[0] < found[0]
            rival = tuple(np.where(better, *pair) for pair in zip(rival, found, strict=True))
        found = rival
    _, compute, memory, visible = found
    factor = visible * (*tiled.shares, 1.0)[side]
    return Parts(compute * factor, memory * factor)


@lru_cache(maxsize=4)
def _different(raw: bytes) -> tuple[Floats, Ints]:
    """The different numbers among those of an array, and which one each is."""
    numbers, place = np.unique(np.frombuffer(raw), return_inverse=True)
    return numbers, place


def _rivals(
    b: Any,
    m: Any,
    n: Any,
    k: Any,
    half: Any,
    setup: Any,
    processors: Floats,
    which: Ints,
    depth: int,
) -> Iterator[tuple[Floats, Floats]]:
    """What may be best on some of the `processors`: arithmetic as `_arithmetic`, and the split.

    One shape takes the longer the more arithmetic and the more partial results there are: of each
    split the tile with the least counts, where it has less than all with fewer partial results.
    On processors without more rivals the arithmetic is infinite.
    """
    every = _arithmetic(b, m, n, k, half, setup, processors[:, None], which, depth)
    every = np.where(_possible(k, which), every, np.inf)
    splits = np.unique(_SPLIT[which])
    work = np.stack([every[:, _SPLIT[which] == split].min(axis=1) for split in splits])
    fewer = np.minimum.accumulate(work)[:-1]
    work[1:][work[1:] >= fewer] = np.inf
    first = np.argsort(np.isinf(work), axis=0, kind="stable")
    for row in first[: np.isfinite(work).sum(axis=0).max()]:
        yield work[row, np.arange(len(processors))], splits[row]


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


def _partial(b: Any, m: Any, n: Any, size: float, split: Any) -> Any:
    """Bytes of partial results, written and added up."""
    return np.where(split > 1, b * m * n * size * (split + 1), 0.0)


def _visible(compute: Any, memory: Any, overlap: float) -> Any:
    """The factor on the slower one by what of the other one is not hidden behind it."""
    if overlap == math.inf:
        return np.ones(1)
    shorter = np.minimum(compute, memory) / np.maximum(compute, memory)
    return (1 + shorter**overlap) ** (1 / overlap)


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
        partial = _partial(b, m, n, size, _SPLIT[which]) / bandwidth
    memory = np.broadcast_to(traffic + partial, compute.shape)
    if tiled.strided < math.inf:
        again = transposed * _read_again(b, m, n, processors)
        memory = np.maximum(memory, again * 2 * BLOCK**2 * k / (peak * tiled.strided))
    visible = _visible(compute, memory, tiled.overlap)
    seconds = np.where(_possible(k, which), np.maximum(compute, memory) * visible, np.inf)
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
