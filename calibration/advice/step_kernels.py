"""The kernels of a workload's step, as the measurements that time them on their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

from pydantic import ValidationError

from calibration.shapes import (
    AttentionCore,
    Collective,
    Convolution,
    Gemm,
    Launch,
    Pointwise,
    Recurrent,
    Shape,
    Update,
)
from hwsim.cost.rates import Rates
from hwsim.cost.roofline import BOUNDS, kernel_cost, kind_of, spread_of
from hwsim.errors import InputError
from hwsim.graph.dtypes import BYTES, Dtype
from hwsim.graph.ops import Attention, Convolution2d, Kernel, Normalization, Op
from hwsim.graph.recurrent import LSTM, RHN
from hwsim.graph.step import StepGraph, state_bytes
from hwsim.parallel.plan import Plan

WAYS = {"forward": "forward", "dgrad": "backward_data", "wgrad": "backward_weights"}
ADDENDS = 3  # operands of an addition that stands in for an elementwise kernel


class Timed(NamedTuple):
    """What a measurement of `shape` tells of: `seconds` of a step, their kind and spread.

    `exact` where it times this very kernel, not only one like it.
    """

    shape: Shape
    kind: str
    seconds: float
    spread: float
    exact: bool = True


def timed_kernels(graph: StepGraph, reach: Rates, updating: Rates) -> list[Timed]:
    """What one device does in a step, equal kernels together; `updating` are the update's rates.

    Raises InputError for a kernel that is larger than a measurement can be.
    """
    found: dict[Shape, Timed] = {}
    try:
        for one in _each(graph, reach, updating):
            before = found.get(one.shape)
            found[one.shape] = one if before is None else _joined(before, one)
    except ValidationError as error:
        first = error.errors()[0]
        what = f"found a kernel of {first['loc'][0]} {first['input']}, which no one can measure"
        raise InputError("--model", what, "write smaller sizes") from None
    return list(found.values())


def all_reduce(graph: StepGraph, plan: Plan, seconds: float, spread: float) -> Timed:
    """The sums of gradients, `seconds` of which the device waits for: that of one bucket."""
    size = min(plan.bucket, state_bytes(graph.dtype) * graph.parameters)
    shape = Collective(collective="all_reduce", bytes=ceil(size))
    return Timed(shape, "collectives", seconds, spread, exact=False)


def _joined(one: Timed, other: Timed) -> Timed:
    seconds = one.seconds + other.seconds
    spread = max(one.spread, other.spread)
    exact = one.exact and other.exact
    return one._replace(seconds=seconds, spread=spread, exact=exact)


def _each(graph: StepGraph, reach: Rates, updating: Rates) -> Iterator[Timed]:
    for layer in graph.layers:
        for op in layer.ops:
            for way, kernels in (("forward", op.forward()), ("backward", op.backward())):
                for one in _of(op, way, kernels, reach, graph.dtype):
                    yield one._replace(seconds=layer.repeat * one.seconds)
    shape = Update(optimizer=graph.optimizer, parameters=graph.parameters)
    yield _timed(shape, graph.update(), updating, graph.dtype)


def _of(op: Op, way: str, kernels: Sequence[Kernel], reach: Rates, dtype: Dtype) -> Iterator[Timed]:
    """The kernels of one operator and pass: a recurrent chain and an attention as a whole."""
    if isinstance(op, Attention):
        exact = op.value_width == op.head_dim
        yield _timed(_attention(op, way), kernels, reach, dtype, kind="attention", exact=exact)
        return
    if isinstance(op, LSTM | RHN):
        chain = [kernel for kernel in kernels if kernel.sequential]
        kernels = [kernel for kernel in kernels if not kernel.sequential]
        exact = isinstance(op, LSTM)
        yield _timed(_recurrent(op, way), chain, reach, dtype, kind="chains", exact=exact)
    for kernel in kernels:
        if isinstance(op, Convolution2d) and kernel.window is not None:
            yield _timed(_convolution(op, WAYS[kernel.window.way]), [kernel], reach, dtype)
        elif kernel.engine == "matrix" and kernel.shape is not None:
            batch, m, n, k = kernel.shape
            yield _timed(Gemm(batch=batch, m=m, n=n, k=k), [kernel], reach, dtype)
        elif BOUNDS[kernel_cost(kernel, reach, dtype).bound] == "launch":
            shape = Launch(mode="training")
            yield _timed(shape, [kernel], reach, dtype, kind="launches", exact=False)
        elif isinstance(op, Normalization) and kernel.reduction:
            yield _timed(_layernorm(op, dtype), [kernel], reach, dtype, exact=way == "forward")
        else:
            yield _timed(_addition(kernel, dtype), [kernel], reach, dtype, exact=False)


def _timed(
    shape: Shape,
    kernels: Sequence[Kernel],
    reach: Rates,
    dtype: Dtype,
    *,
    kind: str | None = None,
    exact: bool = True,
) -> Timed:
    costs = [(kernel_cost(kernel, reach, dtype).seconds, kernel) for kernel in kernels]
    seconds = sum(cost for cost, _ in costs)
    spread = max((spread_of(kernel, reach) for _, kernel in costs), default=0.0)
    return Timed(shape, kind or kind_of(kernels[0]), seconds, spread, exact)


def _attention(op: Attention, way: str) -> AttentionCore:
    return AttentionCore.model_validate(
        {
            "way": way,
            "batch": op.batch,
            "heads": op.heads,
            "kv_heads": op.kv_heads,
            "seq": op.sequence,
            "head_dim": op.head_dim,
            "causal": int(op.causal),
            "fused": int(op.fused),
        }
    )


def _recurrent(op: LSTM | RHN, way: str) -> Recurrent:
    """The layer; a highway network's micro-layers of two gates as steps of a GRU, with three."""
    deep = isinstance(op, RHN)
    return Recurrent.model_validate(
        {
            "cell": "gru" if deep else "lstm",
            "way": way,
            "hidden": op.hidden,
            "batch": op.batch,
            "timesteps": op.steps * op.depth if isinstance(op, RHN) else op.steps,
        }
    )


def _convolution(op: Convolution2d, way: str) -> Convolution:
    (r, s), (pad_h, pad_w), (stride_h, stride_w) = op.kernel, op.padding, op.stride
    sizes = {"n": op.batch, "c": op.channels, "h": op.height, "w": op.width, "k": op.filters}
    window = {"r": r, "s": s, "pad_h": pad_h, "pad_w": pad_w}
    strides = {"stride_h": stride_h, "stride_w": stride_w}
    return Convolution.model_validate({"way": way, **sizes, **window, **strides})


def _layernorm(op: Normalization, dtype: Dtype) -> Pointwise:
    moved = ceil(2 * op.rows * op.width * BYTES[dtype])
    return Pointwise(op="layernorm", rows=op.rows, cols=op.width, bytes_moved=moved)


def _addition(kernel: Kernel, dtype: Dtype) -> Pointwise:
    """An addition with the traffic of an elementwise kernel."""
    size = BYTES[dtype] if kernel.element_bytes is None else kernel.element_bytes
    columns = max(round(kernel.elements * size / (ADDENDS * BYTES[dtype])), 1)
    moved = ceil(ADDENDS * columns * BYTES[dtype])
    return Pointwise(op="add", rows=1, cols=columns, bytes_moved=moved)
