"""Many cases as few kernels of arrays: the estimate's own cost functions, called once for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from calibration.measurement import Case
from calibration.predict.kernels import kernels_of
from calibration.shapes import Recurrent
from hwsim.cost.rates import Rates
from hwsim.cost.roofline import kernel_cost
from hwsim.errors import InputError
from hwsim.graph.dtypes import Dtype
from hwsim.graph.ops import Kernel

Floats = npt.NDArray[np.float64]
# What must be equal for convolutions to share a formula's branches.
BRANCHES = ("way", "taps", "stride", "square", "algorithm")


class Stack(NamedTuple):
    """Cases `rows` whose kernels differ in sizes alone."""

    kernels: tuple[Kernel, ...]
    rows: npt.NDArray[np.int64]
    recurrent: bool


def stacks(cases: Sequence[Case], dtype: Dtype) -> list[Stack]:
    """The cases, all of one data type, as stacked kernels; impossible ones are left out."""
    groups: dict[Any, list[tuple[int, list[Kernel]]]] = defaultdict(list)
    for row, case in enumerate(cases):
        try:
            kernels = kernels_of(case.shape, dtype)
        except InputError:
            continue
        kinds = tuple(_signature(kernel) for kernel in kernels)
        groups[isinstance(case.shape, Recurrent), kinds].append((row, kernels))
    return [
        Stack(
            tuple(_stacked(same) for same in zip(*(k for _, k in members), strict=True)),
            np.array([row for row, _ in members]),
            recurrent,
        )
        for (recurrent, _), members in groups.items()
    ]


def seconds(stacked: Sequence[Stack], count: int, rates: Rates, dtype: Dtype) -> Floats:
    """Predicted seconds of each of `count` cases; NaN for those that are in no stack."""
    found = np.full(count, np.nan)
    for stack in stacked:
        total = sum(kernel_cost(kernel, rates, dtype).seconds for kernel in stack.kernels)
        if stack.recurrent and rates.chains is not None:
            total = total + rates.chains.start
        found[stack.rows] = total
    return found


def _signature(kernel: Kernel) -> tuple[Any, ...]:
    window = kernel.window
    branches = None if window is None else tuple(getattr(window, name) for name in BRANCHES)
    return (kernel.engine, kernel.sequential, kernel.reduction, kernel.shape is None, branches)


def _stacked(kernels: Sequence[Kernel]) -> Kernel:
    first = kernels[0]

    def column(name: str) -> Any:
        return np.array([getattr(kernel, name) for kernel in kernels], dtype=float)

    shape: Any = None
    if first.shape is not None:
        shape = tuple(np.array([k.shape for k in kernels], dtype=float).T)
    window = first.window
    if window is not None:
        sizes: dict[str, Any] = {
            name: np.array([getattr(k.window, name) for k in kernels], dtype=float)
            for name in window._fields
            if name not in BRANCHES
        }
        window = window._replace(**sizes)
    return Kernel(
        first.name,
        first.engine,
        flops=column("flops"),
        elements=column("elements"),
        repeat=column("repeat"),
        sequential=first.sequential,
        weights=column("weights"),
        shape=shape,
        transposed=column("transposed"),
        window=window,
        reduction=first.reduction,
    )
