"""Single operations as work for the clock, on random data: zeros are faster on some devices.

Inputs are not rotated: what fits in a cache is there when a repeat begins.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from calibration.measure.work import TYPES, Work
from calibration.measurement import Case
from calibration.modules import transformer
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
from hwsim.errors import InputError

Make = Callable[..., Tensor]

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
# Inputs of a recurrent layer, which is timed without their product: as few as its fast kernels
# take. The product that remains is this over `hidden` of the recurrent one; nothing is subtracted.
INPUTS = {"cpu": 1, "cuda": 8}
ROW = 100  # launches in a row
FUSED = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.CUDNN_ATTENTION,
]
UNARY: dict[str, Callable[..., Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": functional.gelu,
    "softmax": partial(torch.softmax, dim=-1),
}
BINARY: dict[str, Callable[..., Tensor]] = {"add": torch.add, "mul": torch.mul}
SCALAR: dict[str, Callable[..., Tensor]] = {"add_scalar": torch.add, "mul_scalar": torch.mul}
OPS = (*UNARY, *BINARY, *SCALAR, "layernorm")


def work_of(case: Case, device: str) -> Work:
    """What the case times, with its inputs on torch's `device`.

    Raises InputError for what has no work here; torch's own errors pass.
    """
    shape = case.shape
    if type(shape) not in _BUILDERS:
        raise InputError("shape.kind", f"{shape.kind} can't be measured")
    if case.dtype not in TYPES:
        raise InputError("dtype", f"found {case.dtype or 'nothing'}, which torch does not compute")
    make = partial(torch.randn, device=device, dtype=TYPES[case.dtype])
    return _BUILDERS[type(shape)](shape, make)


def parts_of(shape: Shape) -> int:
    """How many of what the shape describes one run of its work does."""
    if not isinstance(shape, Launch):
        return 1
    return 2 * ROW if shape.mode == "training" else ROW


def _gemm(shape: Gemm, make: Make) -> Work:
    def operand(rows: int, columns: int, transposed: bool) -> Tensor:
        sizes = (columns, rows) if transposed else (rows, columns)
        stored = make(shape.batch, *sizes) if shape.batch > 1 else make(*sizes)
        return stored.mT if transposed else stored

    a = operand(shape.m, shape.k, shape.transpose_a)
    b = operand(shape.k, shape.n, shape.transpose_b)
    product = torch.bmm if shape.batch > 1 else torch.mm
    return Work(partial(product, a, b, out=product(a, b)))


def _convolution(shape: Convolution, make: Make) -> Work:
    if shape.algorithm is not None:
        raise InputError("shape.algorithm", "torch does not let it be chosen")
    images = make(shape.n, shape.c, shape.h, shape.w)
    filters = make(shape.k, shape.c, shape.r, shape.s)
    window = ((shape.stride_h, shape.stride_w), (shape.pad_h, shape.pad_w), (1, 1), False, (0, 0))
    forward = partial(torch.ops.aten.convolution, images, filters, None, *window, 1)
    if shape.way == "forward":
        return Work(forward)
    wanted = [shape.way == "backward_data", shape.way == "backward_weights", False]
    gradient = torch.randn_like(forward())
    backward = torch.ops.aten.convolution_backward
    return Work(partial(backward, gradient, images, filters, None, *window, 1, wanted))


def _recurrent(shape: Recurrent, make: Make) -> Work:
    """The library's layer on its narrowest input; `backward` without the input's gradient."""
    if shape.way not in ("forward", "backward"):
        raise InputError("shape.way", f"torch does not run {shape.way} alone")
    like = make(0)
    inputs = INPUTS[like.device.type]
    layer = CELLS[shape.cell](inputs, shape.hidden, device=like.device, dtype=like.dtype)
    sequence = make(shape.timesteps, shape.batch, inputs)
    if shape.way == "forward":
        return Work(partial(layer, sequence))
    return _gradient_of(layer(sequence)[0], tuple(layer.parameters()))


def _gradient_of(result: Tensor, inputs: tuple[Tensor, ...]) -> Work:
    """The backward pass of `result`, whose graph is kept for the next run."""
    gradient = torch.randn_like(result)
    return Work(partial(torch.autograd.grad, result, inputs, gradient, retain_graph=True))


def _pointwise(shape: Pointwise, make: Make) -> Work:
    """Written to an output that is there already; a layer normalization makes its own."""
    x = make(shape.rows, shape.cols)
    if shape.op in UNARY:
        return Work(partial(UNARY[shape.op], x, out=torch.empty_like(x)))
    if shape.op in BINARY:
        return Work(partial(BINARY[shape.op], x, torch.randn_like(x), out=torch.empty_like(x)))
    if shape.op in SCALAR:
        return Work(partial(SCALAR[shape.op], x, 1.5, out=torch.empty_like(x)))
    if shape.op == "layernorm":
        weight, bias = make(shape.cols), make(shape.cols)
        return Work(partial(functional.layer_norm, x, (shape.cols,), weight, bias))
    raise InputError("shape.op", f"found {shape.op}", f"write one of {', '.join(OPS)}")


def _attention(shape: AttentionCore, make: Make) -> Work:
    q, k, v = (
        make(shape.batch, heads, shape.seq, shape.head_dim, requires_grad=True)
        for heads in (shape.heads, shape.kv_heads, shape.kv_heads)
    )
    attend = transformer.fused if shape.fused else transformer.eager
    if shape.fused:
        # An error where no fused kernel takes these; torch warns of every reason before.
        with warnings.catch_warnings(action="ignore"), sdpa_kernel(FUSED):
            attend(q, k, v, shape.causal)
    forward = partial(attend, q, k, v, shape.causal)
    return Work(forward) if shape.way == "forward" else _gradient_of(forward(), (q, k, v))


def _update(shape: Update, make: Make) -> Work:
    if shape.parameters % shape.tensors:
        raise InputError("shape.tensors", f"{shape.tensors} does not divide the parameters")
    tensors: list[Tensor] = []
    for _ in range(shape.tensors):
        parameter = nn.Parameter(make(shape.parameters // shape.tensors))
        parameter.grad = torch.randn_like(parameter)
        tensors.append(parameter)
    return Work(optimizer(shape.optimizer, tensors, how=shape.how).step)


def optimizer(
    name: str, parameters: list[Tensor], rate: float = 1e-3, how: str = "fused"
) -> torch.optim.Optimizer:
    """torch's, with its `fused` or `foreach` kernels."""
    kernels: dict[str, Any] = {how: True}
    if name == "adam":
        # Without it the step is counted on the host, and can't be captured.
        capturable = how == "fused" and parameters[0].is_cuda
        return torch.optim.Adam(parameters, rate, capturable=capturable, **kernels)
    momentum = 0.9 if name == "momentum" else 0.0
    return torch.optim.SGD(parameters, rate, momentum=momentum, **kernels)


def _launch(shape: Launch, make: Make) -> Work:
    """A row of operations on one element."""
    x = make(1, requires_grad=shape.mode == "training")

    def row() -> Tensor:
        y = x
        for _ in range(ROW):
            y = torch.sigmoid(y)
        return y

    if shape.mode == "training":
        return Work(lambda: torch.autograd.grad(row(), x), queued=True)
    return Work(row, queued=True)


_BUILDERS: dict[type[Shape], Callable[[Any, Make], Work]] = {
    Gemm: _gemm,
    Convolution: _convolution,
    Recurrent: _recurrent,
    Pointwise: _pointwise,
    AttentionCore: _attention,
    Update: _update,
    Launch: _launch,
}
