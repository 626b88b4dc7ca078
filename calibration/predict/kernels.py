"""What was timed as kernels of the graph, so that the estimate's own cost functions see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from calibration.shapes import (
    AttentionCore,
    Convolution,
    Gemm,
    Launch,
    Pointwise,
    Recurrent,
    Shape,
    Update,
)
from hwsim.graph.dtypes import BYTES, Dtype
from hwsim.graph.ops import Attention, Convolution2d, Kernel, gemm
from hwsim.graph.recurrent import GATES as LSTM_GATES
from hwsim.graph.recurrent import LSTM_BACKWARD_FLOPS, LSTM_FLOPS
from hwsim.graph.step import UPDATE_FLOPS, Optimizer, update_bytes

# Products of the state at every step; a GRU's third waits for its reset gate, here it does not.
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
# Arithmetic of one element, as hwsim.graph counts it; the rest of the operations is one each.
REDUCTIONS = ("softmax", "layernorm")
POINTWISE_FLOPS = {"gelu": 8, "softmax": 5, "layernorm": 7}
# Operands read and written by each operation of an update over lists of tensors.
_MOMENTUM = {"average": 3, "step": 3}
FOREACH: dict[Optimizer, dict[str, int]] = {
    "sgd": {"step": 3},
    "momentum": _MOMENTUM,
    "adam": {"average": 3, "decay": 2, "square": 3, "root": 2, "scale": 2, "sum": 2, "step": 4},
}


def kernels_of(shape: Shape, dtype: Dtype) -> list[Kernel]:
    """The launches of one timed operation, in order.

    Raises InputError for sizes that can't be, such as a filter larger than its input.

    >>> [kernel.flops for kernel in kernels_of(Gemm(m=2, n=3, k=4), "fp32")]
    [48]
    """
    return _BUILDERS[type(shape)](shape, dtype)


def _gemm(shape: Gemm, dtype: Dtype) -> list[Kernel]:  # noqa: ARG001
    sides, transposed = (shape.m, shape.n), shape.transpose_b
    if shape.order == "columns":  # what is stored by columns is, by rows, its transpose
        sides, transposed = (shape.n, shape.m), shape.transpose_a
    return [gemm("product", *sides, shape.k, batch=shape.batch, transposed=transposed)]


def _convolution(shape: Convolution, dtype: Dtype) -> list[Kernel]:  # noqa: ARG001
    op = Convolution2d(
        "convolution",
        shape.n,
        shape.c,
        shape.h,
        shape.w,
        shape.k,
        (shape.r, shape.s),
        (shape.stride_h, shape.stride_w),
        (shape.pad_h, shape.pad_w),
        bias=False,
    )
    data, weights = op.backward()
    ways = {"forward": op.forward()[0], "backward_data": data, "backward_weights": weights}
    kernel = ways[shape.way]
    if kernel.window is None or shape.algorithm is None:
        return [kernel]
    return [replace(kernel, window=kernel.window._replace(algorithm=shape.algorithm))]


def _recurrent(shape: Recurrent, dtype: Dtype) -> list[Kernel]:  # noqa: ARG001
    """The chain of products and cells; the weights' gradient is one product over all steps."""
    gates, units, steps = GATES[shape.cell], shape.batch * shape.hidden, shape.timesteps
    width = gates * shape.hidden

    def chain(n: int, k: int) -> Kernel:
        return gemm("chain", shape.batch, n, k, repeat=steps, sequential=True, weights=n * k)

    def cell(flops: int, operands: int) -> Kernel:
        flops_of_step = flops * units * gates / LSTM_GATES
        elements = (2 * gates + operands) * units
        return Kernel("cell", "vector", flops_of_step, elements, repeat=steps, sequential=True)

    if shape.way == "forward":
        return [chain(width, shape.hidden), cell(LSTM_FLOPS, 3)]
    data = [cell(LSTM_BACKWARD_FLOPS, 6), chain(shape.hidden, width)]
    weights = [gemm("weights", width, shape.hidden, steps * shape.batch)]
    return {"backward_data": data, "backward_weights": weights}.get(shape.way, data + weights)


def _pointwise(shape: Pointwise, dtype: Dtype) -> list[Kernel]:
    flops = POINTWISE_FLOPS.get(shape.op, 1) * shape.rows * shape.cols
    reduces = shape.op in REDUCTIONS
    elements = shape.bytes_moved / BYTES[dtype]
    return [Kernel(shape.op, "vector", flops, elements, reduction=reduces)]


def _attention(shape: AttentionCore, dtype: Dtype) -> list[Kernel]:  # noqa: ARG001
    op = Attention(
        "attention",
        shape.batch,
        shape.heads,
        shape.kv_heads,
        shape.seq,
        shape.head_dim,
        shape.causal,
        shape.fused,
    )
    return list(op.forward() if shape.way == "forward" else op.backward())


def _update(shape: Update, dtype: Dtype) -> list[Kernel]:
    """Fused: one launch that moves each value once. Foreach: one launch an operation, as torch's
    Adam has them, each with its operands: two averages, root, quotient, sum, quotient and step."""
    count = shape.parameters
    if shape.how == "foreach":
        return [
            Kernel(f"update.{name}", "vector", count, operands * count, repeat=1)
            for name, operands in FOREACH[shape.optimizer].items()
        ]
    size = update_bytes(shape.optimizer, dtype)
    flops = UPDATE_FLOPS[shape.optimizer] * count
    return [Kernel("update", "vector", flops, count, element_bytes=size)]


def _launch(shape: Launch, dtype: Dtype) -> list[Kernel]:  # noqa: ARG001
    return [Kernel("tiny", "vector", 1, 2)]


_BUILDERS: dict[type[Shape], Callable[[Any, Dtype], list[Kernel]]] = {
    Gemm: _gemm,
    Convolution: _convolution,
    Recurrent: _recurrent,
    Pointwise: _pointwise,
    AttentionCore: _attention,
    Update: _update,
    Launch: _launch,
}
