"""Parameters of kernels, fitted to measured times of one device.

Residuals are ln(predicted / measured) under a soft-L1 loss, parameters are logarithms within
bounds, each drawn weakly to a start value: what the data can't tell stays there, and is named.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from calibration.measurement import Measurement
from calibration.predict.basis import dtype_of, rates_of
from calibration.shapes import Convolution, Gemm, Pointwise, Recurrent, Shape
from calibration.stack import Floats, Stack, seconds, stacks
from hwsim.cost.calibration import Calibration, Convolutions, Products, Recurrences, Streams, load
from hwsim.cost.gemm import TILES, tile_name
from hwsim.cost.rates import CLASSES
from hwsim.errors import InputError
from hwsim.hardware import catalog

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
    "products": _TILED,
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
SOFT = 0.1  # residuals beyond it count linearly
PULL = 0.1  # residual of a parameter that is a factor e from its start
STEP = 0.01  # of a logarithm, for slopes: the times have small jumps
ROUNDS = 2  # of parameters, then narrow tiles
BETTER = 0.9  # a tile is taken for a class where it lowers the loss below this share
FOLDS = 4
ENOUGH = 12  # cases to leave some out of
REACH80 = 1.2815515655446004  # standard deviations to the ends of an 80 % interval
UNKNOWN = 0.45  # spread where nothing could be left out: that of the default's roofline


class Key(NamedTuple):
    """What one entry of a calibration is for."""

    kind: Kind
    engine: str = ""
    timing: Literal["kernel", "call"] = "kernel"


@dataclass(frozen=True)
class Fit:
    """Parameters by name; `free` names those that the data don't tell. No spread yet."""

    values: Mapping[str, float]
    narrow: Mapping[str, str]
    free: tuple[str, ...] = ()

    def entry(self, kind: Kind, spread: float) -> Any:
        """The record of a calibration."""
        tiles = {} if kind == "streams" else {"narrow": dict(self.narrow)}
        return ENTRIES[kind](**self.values, **tiles, spread=spread)


def key_of(case: Measurement) -> Key | None:
    """The entry that a case is for; None for other tables, unknown devices and blanks."""
    kind = KINDS.get(type(case.shape))
    if kind is None or case.seconds is None:
        return None
    if kind == "streams":
        return Key(kind, timing="call" if case.timing == "call" else "kernel")
    try:
        found = rates_of(case, catalog.load(case.device or "-").device, load())
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
        self.device = catalog.load(cases[0].device or "-").device
        self.measured = np.array([case.seconds for case in cases], dtype=float)

    @cached_property
    def stacked(self) -> list[Stack]:
        return stacks(self.cases, self.dtype)

    @cached_property
    def folds(self) -> Floats:
        """A number for each case, equal for equal sizes whatever the pass."""
        skipped = {"way", "timesteps", "algorithm"}
        texts = [repr(case.shape.model_dump(exclude=skipped)) for case in self.cases]
        return np.array([zlib.crc32(text.encode()) % FOLDS for text in texts])

    def part(self, chosen: Floats) -> Group:
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


def fit(group: Group) -> Fit:
    """The parameters of a device's entry."""
    ranges = RANGES[group.key.kind]
    start: Mapping[str, float] = {name: one.start for name, one in ranges.items()}
    best: tuple[float, Fit] | None = None
    tried: list[dict[str, str]] = []
    seeds = [dict[str, str]()]
    if group.key.kind == "recurrences":  # solved without tiles, other parameters take their part
        seeds.append(_narrow(group, Fit(start, {})))
    for seed in seeds:
        narrow, values = seed, start
        for _ in range(ROUNDS):
            if narrow in tried:
                break
            tried.append(narrow)
            solved = _solve(group, tuple(ranges), values, narrow)
            best = min(best or solved, solved, key=lambda s: s[0])
            narrow, values = _narrow(group, solved[1]), solved[1].values
    return best[1] if best is not None else Fit({}, {})


def _solve(
    group: Group, names: Sequence[str], start: Mapping[str, float], narrow: Mapping[str, str]
) -> tuple[float, Fit]:
    ranges = RANGES[group.key.kind]
    center = np.log([ranges[name].start for name in names])
    least, most = (np.log([ranges[name][side] for name in names]) for side in (1, 2))

    def fit_at(x: Floats) -> Fit:
        return Fit(dict(zip(names, np.exp(x).tolist(), strict=True)), narrow)

    def off(x: Floats) -> Floats:
        return np.concatenate([group.residuals(fit_at(x)), PULL * (x - center)])

    def slopes(x: Floats) -> Floats:
        steps = (off(x + STEP * one) for one in np.eye(len(x)))
        here = off(x)
        return np.stack([(there - here) / STEP for there in steps], axis=1)

    begin = np.clip(np.log([start[name] for name in names]), least + 1e-6, most - 1e-6)
    solved = least_squares(
        off, begin, jac=slopes, bounds=(least, most), loss="soft_l1", f_scale=SOFT, max_nfev=40
    )
    information = (solved.jac[: len(group.cases)] ** 2).sum(axis=0)
    free = tuple(n for n, told in zip(names, information, strict=True) if told < PULL**2)
    found = fit_at(solved.x)
    return float(solved.cost), Fit(found.values, narrow, free)


def _narrow(group: Group, found: Fit) -> dict[str, str]:
    """The tile of each class of narrow products, where one explains the times clearly better."""
    if group.key.kind not in ("products", "recurrences") or len(group.cases) < ENOUGH:
        return {}
    chosen: dict[str, str] = {}

    def loss(narrow: Mapping[str, str]) -> float:
        off = group.residuals(Fit(found.values, narrow)) / SOFT
        return float(np.sum(np.sqrt(1 + off**2) - 1))

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


def spread_of(residuals: Floats) -> float:
    """The spread that eight in ten of these residuals are within: their 80 % quantile / 1.2816.

    >>> round(spread_of(np.linspace(-1.0, 1.0, 101)), 3)
    0.624
    """
    known = np.abs(residuals[np.isfinite(residuals)])
    return float(np.quantile(known, 0.8)) / REACH80 if len(known) >= ENOUGH else UNKNOWN
