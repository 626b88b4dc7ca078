"""Parameters of kernels, fitted to measured times of one device.

Residuals are ln(predicted / measured) under a soft-L1 loss, parameters are logarithms within
bounds, each drawn weakly to a start value: what the data can't tell stays there, and is named.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from calibration.fitting.choice import SOFT, soft, subset
from calibration.fitting.folds import FOLDS
from calibration.fitting.spreads import ENOUGH, UNKNOWN
from calibration.fitting.stack import Floats, Stack, seconds, stacks
from calibration.measurement import Measurement
from calibration.predict.basis import device_of, dtype_of, rates_of
from calibration.shapes import Convolution, Gemm, Pointwise, Recurrent, Shape
from hwsim.cost.calibration import Calibration, Convolutions, Products, Recurrences, Streams, load
from hwsim.cost.gemm import TILES, tile_name
from hwsim.cost.rates import CLASSES
from hwsim.errors import InputError

Kind = Literal["products", "recurrences", "convolutions", "streams"]
KINDS: dict[type[Shape], Kind] = {
    Gemm: "products",
    Recurrent: "recurrences",
    Convolution: "convolutions",
    Pointwise: "streams",
}


class Range(NamedTuple):
    """Where a parameter starts, and its bounds."""

    start: float
    least: float
    most: float


_TILED = {
    "reach": Range(0.9, 0.1, 1.6),
    "half": Range(8.0, 0.5, 200.0),
    "setup": Range(16.0, 0.1, 1000.0),
    "memory": Range(0.7, 0.15, 1.2),
    "launch": Range(1e-5, 1e-7, 5e-4),
}
RANGES: dict[Kind, dict[str, Range]] = {
    "products": {
        **_TILED,
        "overlap": Range(4.0, 1.3, 31.0),
        "strided": Range(0.8, 0.1, 3.0),
        "narrow16": Range(0.9, 0.2, 3.0),
        "narrow32": Range(0.9, 0.2, 3.0),
        "narrow64": Range(0.9, 0.2, 3.0),
    },
    "recurrences": {
        **_TILED,
        # A layer has few sizes: what they can't hold apart stays within what other kernels reach.
        "half": Range(8.0, 2.0, 40.0),
        "memory": Range(0.75, 0.6, 1.0),
        "launch": Range(2e-5, 1e-7, 5e-4),
        "start": Range(5e-5, 1e-7, 1e-3),
        "stall": Range(8e-8, 1e-9, 1e-6),
    },
    "convolutions": {
        **_TILED,
        "winograd": Range(0.8, 0.3, 2.0),
        "data": Range(0.8, 0.2, 1.5),
        "weights": Range(0.8, 0.2, 1.5),
    },
    "streams": {
        "memory": Range(0.8, 0.15, 1.1),
        "rows": Range(0.65, 0.15, 1.1),
        "launch": Range(1e-5, 1e-7, 3e-4),
    },
}
TIMED = ("products", "convolutions")  # have entries by how they were timed
ENTRIES: dict[Kind, type[Any]] = {
    "products": Products,
    "recurrences": Recurrences,
    "convolutions": Convolutions,
    "streams": Streams,
}
PULL = 0.1  # residual of a parameter that is a factor e from its start
STEP = 0.01  # of a logarithm, for slopes: the times have small jumps
ROUNDS = 4  # of parameters, then tiles
BETTER = 0.9  # a tile is taken for a class where it lowers the loss below this share,
DEEPER = 0.98  # and another depth for batches of products below this one
DEPTHS = (8, 16, 32, 64, 128)


class Key(NamedTuple):
    """What one entry of a calibration is for."""

    kind: Kind
    engine: str = ""
    timing: Literal["kernel", "call"] = "kernel"


@dataclass(frozen=True)
class Fit:
    """Parameters by name and the tiles of a library; `free` names what the data don't tell."""

    values: Mapping[str, float]
    narrow: Mapping[str, str]
    free: tuple[str, ...] = ()
    batched: tuple[str, ...] = ()
    depth: int = DEPTHS[0]

    def entry(self, kind: Kind, spread: float, tail: float | None = None) -> Any:
        """The record of a calibration."""
        tiles: dict[str, Any] = {} if kind == "streams" else {"narrow": dict(self.narrow)}
        if kind == "products":
            tiles |= {"batched": self.batched, "depth": self.depth}
        return ENTRIES[kind](**self.values, **tiles, spread=spread, tail=tail)


class Prior(NamedTuple):
    """What is known before any measurement: a fit, and how firmly each parameter is held to it, as
    the residual at a factor e. `name` says whose it is, spread and tail how far off that may be."""

    fit: Fit
    pull: Mapping[str, float]
    name: str = ""
    spread: float = UNKNOWN
    tail: float | None = None


def key_of(case: Measurement) -> Key | None:
    """The entry that a case is for; None for other tables, unknown devices and blanks."""
    kind = KINDS.get(type(case.shape))
    if kind is None or case.seconds is None:
        return None
    if kind == "streams":
        return Key(kind, timing="call" if case.timing == "call" else "kernel")
    try:
        found = rates_of(case, device_of(case.device), load())
        engine = f"{'vector' if found.on_vector else 'matrix'} {dtype_of(case)}"
    except InputError:
        return None
    timed = case.timing == "call" and kind in TIMED
    return Key(kind, engine, "call" if timed else "kernel")


class Group:
    """The cases of one device and entry."""

    def __init__(self, key: Key, cases: Sequence[Measurement]) -> None:
        self.key, self.cases = key, tuple(cases)
        self.dtype = dtype_of(cases[0])
        self.device = device_of(cases[0].device)
        self.measured = np.array([case.seconds for case in cases], dtype=float)

    @cached_property
    def stacked(self) -> list[Stack]:
        return stacks(self.cases, self.dtype)

    @cached_property
    def folds(self) -> Floats:
        return folds_of(self.cases)

    def part(self, chosen: npt.NDArray[Any]) -> Group:
        """Those cases that are chosen."""
        return Group(self.key, [c for c, wanted in zip(self.cases, chosen, strict=True) if wanted])

    def residuals(self, fit: Fit) -> Floats:
        """ln(predicted / measured) of each case."""
        under = self._under(fit.entry(self.key.kind, 1.0))
        reached = rates_of(self.cases[0], self.device, under)
        predicted = seconds(self.stacked, len(self.cases), reached, self.dtype)
        return np.asarray(np.nan_to_num(np.log(predicted / self.measured)))

    def _under(self, entry: Any) -> Calibration:
        kind, engine, timing = self.key
        if kind == "streams":
            return _default().model_copy(update={"streams": entry})
        made = {timing: entry} if kind in TIMED else entry
        return _default().model_copy(update={kind: {engine: made}})


def folds_of(cases: Sequence[Measurement]) -> Floats:
    """A number for each case, equal for equal sizes whatever the pass."""
    skipped = {"way", "timesteps", "algorithm", "order"}
    texts = [repr(case.shape.model_dump(exclude=skipped)) for case in cases]
    return np.array([zlib.crc32(text.encode()) % FOLDS for text in texts])


@lru_cache
def _default() -> Calibration:
    empty: dict[str, Any] = {"products": {}, "recurrences": {}, "convolutions": {}}
    return load().model_copy(update={**empty, "streams": None, "call": {}})


def groups(cases: Iterable[Measurement]) -> dict[tuple[str, Key], Group]:
    """The cases that something can be fitted to, by device and entry."""
    found: dict[tuple[str, Key], list[Measurement]] = defaultdict(list)
    for case in cases:
        key = key_of(case)
        if key is not None and case.device is not None:
            found[case.device, key].append(case)
    return {name: Group(name[1], members) for name, members in found.items()}


def fit(group: Group, prior: Prior | None = None) -> Fit:
    """The parameters of a device's entry.

    Under a `prior` the tiles stay its own, and a parameter that the cases don't tell its value.
    """
    ranges = RANGES[group.key.kind]
    if prior is not None:
        return _solve(group, prior.fit, prior)[1]
    start = Fit({name: one.start for name, one in ranges.items()}, {})
    usual = Prior(start, dict.fromkeys(ranges, PULL))
    best: tuple[float, Fit] | None = None
    tried: list[tuple[Any, ...]] = []
    seeds = [start]
    if group.key.kind == "recurrences":  # solved without tiles, other parameters take their part
        seeds.append(_picked(group, start))
    for seed in seeds:
        found = seed
        for _ in range(ROUNDS):
            if _tiles(found) in tried:
                break
            tried.append(_tiles(found))
            solved = _solve(group, found, usual)
            best = min(best or solved, solved, key=lambda s: s[0])
            found = _picked(group, solved[1])
    return best[1] if best is not None else start


def _solve(group: Group, start: Fit, prior: Prior) -> tuple[float, Fit]:
    ranges = RANGES[group.key.kind]
    names = tuple(ranges)
    least, most = (np.log([ranges[name][side] for name in names]) for side in (1, 2))
    low, high = least + 1e-6, most - 1e-6
    center = np.clip(np.log([max(prior.fit.values[name], 1e-12) for name in names]), low, high)
    pull = np.array([prior.pull[name] for name in names])

    def fit_at(x: Floats) -> Fit:
        return replace(start, values=dict(zip(names, np.exp(x).tolist(), strict=True)), free=())

    def off(x: Floats) -> Floats:
        return np.concatenate([group.residuals(fit_at(x)), pull * (x - center)])

    def slopes(x: Floats) -> Floats:
        steps = (off(x + STEP * one) for one in np.eye(len(x)))
        here = off(x)
        return np.stack([(there - here) / STEP for there in steps], axis=1)

    begin = np.clip(np.log([max(start.values[name], 1e-12) for name in names]), low, high)
    solved = least_squares(
        off, begin, jac=slopes, bounds=(least, most), loss="soft_l1", f_scale=SOFT, max_nfev=40
    )
    information = (solved.jac[: len(group.cases)] ** 2).sum(axis=0)
    untold = information < pull**2
    free = tuple(name for name, one in zip(names, untold, strict=True) if one)
    return float(solved.cost), replace(fit_at(solved.x), free=free)


def _tiles(found: Fit) -> tuple[Any, ...]:
    return dict(found.narrow), found.batched, found.depth


def _picked(group: Group, found: Fit) -> Fit:
    """The same with the tiles that explain the times best."""
    if group.key.kind == "products":
        return _batched(group, found)
    return replace(found, narrow=_narrow(group, found))


def _batched(group: Group, found: Fit) -> Fit:
    """With the tiles and the depth that batches of products show, where there are enough."""
    many = np.array([isinstance(c.shape, Gemm) and c.shape.batch > 1 for c in group.cases])
    if many.sum() < ENOUGH:
        return found
    part = group.part(many)
    names = [tile_name(number) for number in range(len(TILES))]
    best: tuple[float, Fit] | None = None
    for depth in DEPTHS:
        alone = [replace(found, batched=(name,), depth=depth) for name in names]
        loss, rows = subset(np.array([part.residuals(one) for one in alone]))
        if best is None or loss < DEEPER * best[0]:
            best = loss, replace(found, batched=tuple(names[row] for row in rows), depth=depth)
    return best[1] if best is not None else found


def _narrow(group: Group, found: Fit) -> dict[str, str]:
    """The tile of each class of narrow products, where one explains the times clearly better."""
    if group.key.kind != "recurrences" or len(group.cases) < ENOUGH:
        return {}
    chosen: dict[str, str] = {}

    def loss(narrow: Mapping[str, str]) -> float:
        return soft(group.residuals(replace(found, narrow=narrow)))

    for side in CLASSES:
        tried = {name: loss({**chosen, side: name}) for name in map(tile_name, range(len(TILES)))}
        best = min(tried, key=lambda name: tried[name])
        if tried[best] < BETTER * loss(chosen):
            chosen[side] = best
    return chosen


def held_out(group: Group, fitted: Callable[[Group], Fit] = fit) -> Floats:
    """ln(predicted / measured) of each case, by fits to the cases of other sizes."""
    found = np.full(len(group.cases), np.nan)
    for fold in range(FOLDS):
        test = group.folds == fold
        if test.any() and not test.all():
            found[test] = group.part(test).residuals(fitted(group.part(~test)))
    return found
