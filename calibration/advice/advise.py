"""Which measurements would narrow the interval of an estimate most.

The logarithm of a step's time errs by the sum of its kernels' errors, weighted with their time:

    e = sum of w_i (c_i + u_i),   w_i = t_i / t

c_i is common to all kernels of a kind (how far this device is from those that the parameters are
from), u_i a kernel's own. They are taken as normal and independent of each other and of those of
other kinds. A measurement of kernel j sees c_j + u_j and a little noise; of a kernel that is only
like it, c_j and an error of its own. It lowers the variance v of e to

    v' = v - cov(e, o)^2 / var(o)

The ten are chosen one after the other, each as the one that then lowers it most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import median
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from calibration.advice.step_kernels import Timed, all_reduce, timed_kernels
from calibration.measurement import Measurement, Provenance
from calibration.predict import REACH80
from calibration.shapes import Launch, Shape
from hwsim import userdata
from hwsim.cost.calibration import Layer, load_for, load_layer, nearest, shipped
from hwsim.cost.rates import is_host, rates
from hwsim.errors import InputError
from hwsim.graph.dtypes import Dtype, stored
from hwsim.hardware import catalog
from hwsim.hardware.spec import Device
from hwsim.parallel.check import check
from hwsim.parallel.plan import Plan
from hwsim.parallel.price import UPDATE, family
from hwsim.simulate.step import simulate
from hwsim.study.subject import Subject

MOST = 10
NOISE = 0.03  # standard deviation of ln(measured / true) of a careful measurement
# Shares of a kind's variance that its kernels have in common, both assumed: hardly any where they
# were fitted to the device itself, half where nothing tells the parts apart.
OWN_COMMON, UNKNOWN_COMMON = 0.1, 0.5
LEAST = 1e-9  # of the variance: what lowers it less is no advice
WITH_ENGINE = ("gemm", "convolution", "recurrent")
Floats = npt.NDArray[np.float64]


class Error(NamedTuple):
    """A kernel's share of the step and the standard deviations of its common and its own error;
    `exact` where it can be measured itself."""

    kind: str
    weight: float
    common: float
    own: float
    exact: bool = True


class Choice(NamedTuple):
    """The number of a measurement, and the variance of the step's log time before and after."""

    number: int
    before: float
    after: float


class Advice(NamedTuple):
    """A measurement that is yet to be made, the share of the step that it stands for, and how
    wide the step's 80 % interval is before and after it, as a share of the step's time."""

    measurement: Measurement
    share: float
    before: float
    after: float


def advise(subject: Subject, most: int = MOST) -> list[Advice]:
    """The measurements that would narrow the interval of the step of `subject` most, best first.

    Raises InputError as an estimate does.
    """
    system, plan = subject.system, subject.plan
    check(plan, subject.workload, system)
    if plan != Plan(
        dp=plan.dp, bucket=plan.bucket, first_bucket=plan.first_bucket, overlap=plan.overlap
    ):
        what = "found more than data parallelism"
        raise InputError("plan", what, "advise on a plan of plan.dp alone: it has whole kernels")
    dtype = subject.workload.dtype
    if stored(dtype) != dtype:
        what = f"found {dtype}, in which no kernel is timed"
        raise InputError("workload.dtype", what, f"advise on {stored(dtype)}")
    calibration = load_for(system.device)
    graph = subject.workload.graph(subject.workload.batch // plan.dp)
    code = family(graph, calibration)
    reach, updating = (
        rates(system.device, calibration, graph.dtype, family=name) for name in (code, UPDATE)
    )
    kernels = timed_kernels(graph, reach, updating)
    if plan.dp > 1:
        step = simulate(
            system, subject.workload, plan, calibration, software=subject.software, trace=False
        )
        waited = step.parts()
        kernels.append(all_reduce(graph, plan, waited["communication"], calibration.spread))
    total = sum(one.seconds for one in kernels)
    engine = "vector" if reach.on_vector else "matrix"
    fitted = code in calibration.eager
    found = []
    for one in kernels:
        common, own = _parted(one, system.device, f"{engine} {graph.dtype}", whole=fitted)
        weight = one.seconds / total if total else 0.0
        found.append(Error(one.kind, weight, common, own, one.exact))
    return [
        Advice(
            _blank(kernels[number].shape, system.device, graph.dtype, engine, plan.dp),
            found[number].weight,
            width(before),
            width(after),
        )
        for number, before, after in choose(found, most)
    ]


def choose(kernels: Sequence[Error], most: int = MOST) -> list[Choice]:
    """The measurements, at most `most`, that lower the variance most, one after the other.

    Two kernels with half the time each, 0.3 in common and 0.4 of their own: v is
    0.3^2 + 2 (0.5 x 0.4)^2 = 0.17, and (0.3^2 + 0.5 x 0.4^2)^2 / (0.3^2 + 0.4^2) of it goes.

    >>> first, _ = choose([Error("products", 0.5, 0.3, 0.4)] * 2)
    >>> round(first.before, 6), round(first.before - first.after, 3)
    (0.17, 0.115)
    """
    seen, weights, covariance = _factors(kernels)
    chosen: list[Choice] = []
    start = before = float(weights @ covariance @ weights)
    left = [number for number, one in enumerate(kernels) if one.weight > 0.0]
    while left and len(chosen) < most:
        spread = seen @ covariance
        noisy = np.einsum("ij,ij->i", spread, seen) + NOISE**2
        gains = (spread @ weights) ** 2 / noisy
        best = max(left, key=lambda number: gains[number])
        if gains[best] <= LEAST * start:
            break
        covariance = covariance - np.outer(spread[best], spread[best]) / noisy[best]
        after = max(before - float(gains[best]), 0.0)
        chosen.append(Choice(best, before, after))
        left.remove(best)
        before = after
    return chosen


def width(variance: float) -> float:
    """Ends of the 80 % interval of a time with this variance of its logarithm, high - low over
    the time itself.

    >>> round(width(0.01), 3)
    0.257
    """
    return 2.0 * math.sinh(REACH80 * math.sqrt(variance))


def _factors(kernels: Sequence[Error]) -> tuple[Floats, Floats, Floats]:
    """What each measurement sees, and what the step has, of independent errors, and their
    covariance: of each kind, of each kernel, and of each kernel's stand-in."""
    kinds = list(dict.fromkeys(one.kind for one in kernels))
    count = len(kernels)
    seen = np.zeros((count, len(kinds) + 2 * count))
    step = np.zeros(len(kinds) + 2 * count)
    for number, one in enumerate(kernels):
        kind, own = kinds.index(one.kind), len(kinds) + number
        seen[number, kind] = one.common
        seen[number, own if one.exact else own + count] = one.own
        step[kind] += one.weight * one.common
        step[own] = one.weight * one.own
    return seen, step, np.eye(len(step))


def _parted(one: Timed, device: Device, key: str, *, whole: bool) -> tuple[float, float]:
    """The standard deviations of the common and of the own error of a kernel.

    Where a kind is borrowed, its own part is what measured devices have left (see `_typical`), the
    common one the rest of its spread.
    """
    layer = _layer(device)
    if whole or (layer is not None and _entry(layer, one.kind, key) is not None):
        share = OWN_COMMON
    else:
        own = _typical(one.kind, key)
        share = UNKNOWN_COMMON if own is None else max(1.0 - (own / one.spread) ** 2, 0.0)
    return one.spread * math.sqrt(share), one.spread * math.sqrt(1.0 - share)


def _layer(device: Device) -> Layer | None:
    """What was fitted to the device itself."""
    known = (*shipped(), userdata.LOCAL)
    return load_layer(device.name) if device.name in known else None


def _entry(layer: Layer, kind: str, key: str) -> float | None:
    """The spread of an entry, if there is one."""
    if layer.host is not None:
        return layer.host.spread
    if kind == "streams":
        return layer.streams.spread if layer.streams is not None else None
    if kind == "chains":
        chain = nearest(layer.recurrences, *key.split())
        return chain.spread if chain else None
    if kind == "products":
        timed = nearest(layer.products, *key.split())
        return next(iter(timed.values())).spread if timed else None
    if kind == "convolutions":
        sliding = nearest(layer.convolutions, *key.split())
        return next(iter(sliding.values())).spread if sliding else None
    return None


@lru_cache
def _typical(kind: str, key: str) -> float | None:
    """The median spread of measured devices under parameters of their own, or None."""
    devices = {one.name for one in catalog.shipped() if one.kind == "device"}
    spreads = [_entry(load_layer(name), kind, key) for name in shipped() if name in devices]
    known = [spread for spread in spreads if spread is not None]
    return median(known) if known else None


def _blank(shape: Shape, device: Device, dtype: Dtype, engine: str, devices: int) -> Measurement:
    # The thread of a CPU issues what it runs: one of both takes no time.
    one_thread = is_host(device) or device.launch.kernel == 0.0
    called = isinstance(shape, Launch) or shape.family == "collective" or one_thread
    return Measurement.model_validate(
        {
            "shape": shape,
            "device": device.name,
            "dtype": dtype,
            "engine": engine if shape.family in WITH_ENGINE else None,
            "timing": "call" if called else "kernel",
            "devices": devices if shape.family == "collective" else 1,
            "provenance": Provenance(source="advice"),
        }
    )
