"""A CPU's parameters, fitted to what was measured on it (see `hwsim.cost.host`).

First how fast memory is by the bytes that are live, then everything else: residuals are
ln(predicted / measured) under a soft-L1 loss, every kind of kernel with the same weight, and what
the data can't tell stays at its start and is named.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from calibration.fitting.choice import SOFT
from calibration.fitting.kernels import PULL, STEP, Range
from calibration.fitting.spreads import spread_of
from calibration.fitting.stack import Floats, Stack, seconds, stacks
from calibration.measurement import Measurement
from calibration.predict.basis import dtype_of
from calibration.shapes import Convolution, Gemm, Launch, Pointwise, Shape
from hwsim.cost.calibration import Host, load
from hwsim.cost.rates import rates
from hwsim.graph.dtypes import Dtype
from hwsim.hardware.spec import Device

KERNELS: tuple[type[Shape], ...] = (Gemm, Convolution, Pointwise)
CHEAP = ("add", "mul", "relu")  # their time is that of their operands
LAUNCHES = 1.5  # a call must take this many launches to tell a bandwidth
RANGES = {
    "products": Range(0.9, 0.02, 1.5),
    "convolutions": Range(0.6, 0.02, 1.5),
    "streams": Range(0.05, 0.001, 1.5),
    "packing": Range(2.0, 0.2, 10.0),
    "launch": Range(2e-6, 1e-7, 1e-4),
}
Levels = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class HostFit:
    """The entry of a calibration, the parameters that the data don't tell, and
    ln(predicted / measured) of cases that were held out."""

    host: Host
    free: tuple[str, ...]
    residuals: Floats
    cases: int


def fit_host(cases: Sequence[Measurement], device: Device, folds: Floats | None = None) -> HostFit:
    """The parameters of a CPU from its kernels, all of one data type.

    With `folds`, a number for each case, every fold is also predicted from the others.
    """
    values, levels, free = _fitted(cases, device)
    off = np.full(len(cases), np.nan)
    own = folds if folds is not None else np.zeros(len(cases))
    for fold in np.unique(own):
        rest = [case for case, mine in zip(cases, own, strict=True) if mine != fold]
        test = [case for case, mine in zip(cases, own, strict=True) if mine == fold]
        if rest:
            found, at, _ = _fitted(rest, device)
            off[own == fold] = _Group(test, device).residuals(_host(found, at))
    spread = max(spread_of(off), 0.01)
    return HostFit(_host(values, levels, spread), free, off, len(cases))


def levels_of(cases: Sequence[Measurement], device: Device, launch: float) -> Levels:
    """(bytes, share of the stated bandwidth) of kernels that do little but move their operands.

    Sizes are taken together by powers of two; without any, the whole bandwidth at every size.
    """
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for case in cases:
        shape, taken = case.shape, case.seconds or 0.0
        if not isinstance(shape, Pointwise) or shape.op not in CHEAP or taken < LAUNCHES * launch:
            continue
        share = shape.bytes_moved / (taken - launch) / device.memory.bandwidth
        found[round(math.log2(shape.bytes_moved))].append((shape.bytes_moved, share))
    levels = [np.exp(np.median(np.log(members), axis=0)) for _, members in sorted(found.items())]
    return tuple((float(f"{b:.4g}"), float(f"{s:.4g}")) for b, s in levels) or ((1.0, 1.0),)


class _Group:
    def __init__(self, cases: Sequence[Measurement], device: Device) -> None:
        self.device, self.dtype = device, dtype_of(cases[0])
        self.measured = np.array([case.seconds for case in cases], dtype=float)
        self.stacked: list[Stack] = stacks(cases, self.dtype)
        counts = Counter(case.kind for case in cases)
        self.weights = np.array([counts[case.kind] ** -0.5 for case in cases])

    def residuals(self, host: Host) -> Floats:
        under = load().model_copy(update={"host": host})
        reached = rates(self.device, under, self.dtype, timing="call")
        predicted = seconds(self.stacked, len(self.measured), reached, self.dtype)
        return np.asarray(np.nan_to_num(np.log(predicted / self.measured)))


def _fitted(
    cases: Sequence[Measurement], device: Device
) -> tuple[dict[str, float], Levels, tuple[str, ...]]:
    group, names = _Group(cases, device), tuple(RANGES)
    eager = [c.seconds for c in cases if isinstance(c.shape, Launch) and c.shape.mode == "eager"]
    start = {name: one.start for name, one in RANGES.items()}
    start["launch"] = min((s for s in eager if s), default=start["launch"])
    levels = levels_of(cases, device, start["launch"])
    center = np.log([start[name] for name in names])
    least, most = (np.log([RANGES[name][side] for name in names]) for side in (1, 2))
    scale = group.weights * math.sqrt(len(cases) / len({case.kind for case in cases}))

    def off(x: Floats) -> Floats:
        host = _host(dict(zip(names, np.exp(x), strict=True)), levels)
        return np.concatenate([scale * group.residuals(host), PULL * (x - center)])

    def slopes(x: Floats) -> Floats:
        here = off(x)
        return np.stack([(off(x + STEP * one) - here) / STEP for one in np.eye(len(x))], axis=1)

    begin = np.clip(center, least + 1e-6, most - 1e-6)
    solved = least_squares(
        off, begin, jac=slopes, bounds=(least, most), loss="soft_l1", f_scale=SOFT, max_nfev=60
    )
    told = (solved.jac[: len(cases)] ** 2).sum(axis=0)
    free = tuple(name for name, one in zip(names, told, strict=True) if one < PULL**2)
    values = dict(zip(names, np.exp(solved.x).tolist(), strict=True))
    return values, levels, free


def _host(values: Mapping[str, float], levels: Levels, spread: float = 1.0) -> Host:
    rounded: dict[str, Any] = {name: float(f"{value:.4g}") for name, value in values.items()}
    return Host(**rounded, levels=levels, spread=float(f"{spread:.3g}"))


def dtypes(cases: Sequence[Measurement]) -> list[Dtype]:
    """Data types of kernels, the most frequent first."""
    counts = Counter(dtype_of(case) for case in cases if isinstance(case.shape, KERNELS))
    return [dtype for dtype, _ in counts.most_common()]
