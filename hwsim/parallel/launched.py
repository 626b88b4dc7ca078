"""The kernels that a software profile launches for the operators of a layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from hwsim.graph.ops import Attention, CrossEntropy, Dropout, Kernel, Normalization, Op, Pointwise
from hwsim.software.spec import Software

GROUPS = 4  # the fused softmax takes so many rows of scores at a time
# Operands of 16 bits in and out of each kernel of a softmax that is computed in fp32.
CASTS = {"float": 3, "scale": 4, "half": 3}
WIDER = 2  # its mask and softmax are in fp32
# Passes in fp32 over the logits of a cross-entropy whose steps are kernels of their own
# (Megatron-LM, megatron/core/tensor_parallel/cross_entropy.py): each reads and writes, the first
# and the last in 16 bits on one side, two only read.
LOSS_FORWARD = {"float": 1.5, "maximum": 1, "subtract": 2, "exponentials": 2, "sum": 1, "divide": 2}
LOSS_BACKWARD = {"scale": 2, "half": 1.5}
FP32 = 4.0


class Kernels(NamedTuple):
    """What an operator launches each way."""

    forward: tuple[Kernel, ...]
    backward: tuple[Kernel, ...]


def launched(ops: Sequence[Op], software: Software | None) -> tuple[Kernels, ...]:
    """The kernels of a layer's operators in order; those of the graph without a profile."""
    if software is None:
        return tuple(Kernels(op.forward(), op.backward()) for op in ops)
    found: list[Kernels] = []
    before: Op | None = None
    for op in ops:
        kernels = Kernels(op.forward(), op.backward())
        if isinstance(op, Attention) and not op.fused:
            kernels = Kernels(*(_softmax(op, way, software) for way in kernels))
        if isinstance(op, CrossEntropy) and "loss" not in software.fused:
            kernels = _loss(op, kernels)
        if "chains" in software.fused and before is not None:
            kernels = _chained(before, op, kernels)
        found.append(kernels)
        before = op
    return tuple(found)


def _softmax(op: Attention, kernels: Sequence[Kernel], software: Software) -> tuple[Kernel, ...]:
    """Scale, mask and softmax of eager attention: one kernel, or each on its own in fp32."""
    one = "softmax" in software.fused and op.batch * op.heads % GROUPS == 0
    if one and op.sequence <= software.longest_softmax:
        return tuple(kernel for kernel in kernels if ".mask." not in kernel.name)
    found: list[Kernel] = []
    for kernel in kernels:
        softmax = kernel.engine == "vector" and ".softmax." in kernel.name
        wider = softmax or ".mask." in kernel.name
        found.append(replace(kernel, elements=WIDER * kernel.elements) if wider else kernel)
        if softmax:
            way = kernel.name.rpartition(".")[2]
            found += (
                Kernel(f"{op.name}.{name}.{way}", "vector", 0, passes * op.scores)
                for name, passes in CASTS.items()
            )
    return tuple(found)


def _loss(op: CrossEntropy, kernels: Kernels) -> Kernels:
    """A cross-entropy whose steps are kernels of their own, in fp32."""
    size = op.rows * op.classes

    def apart(passes: Mapping[str, float], instead: Kernel) -> Iterator[Kernel]:
        flops = instead.flops / len(passes)
        for name, moved in passes.items():
            yield Kernel(f"{op.name}.{name}", "vector", flops, moved * size, element_bytes=FP32)

    softmax, *rest = kernels.forward
    return Kernels(
        (*apart(LOSS_FORWARD, softmax), *rest), tuple(apart(LOSS_BACKWARD, *kernels.backward))
    )


def _chained(before: Op, op: Op, kernels: Kernels) -> Kernels:
    """An elementwise operator in the launch of the one before it, whose result stays in registers.

    It is not read again; nor is it written, unless it is a sum: what a branch is added to.
    """
    width = _width(before)
    if not width or not _width(op):
        return kernels
    spared = width * (1 if isinstance(before, Pointwise) and before.inputs > 1 else 2)
    return Kernels(*(tuple(_joined(kernel, spared) for kernel in way) for way in kernels))


def _joined(kernel: Kernel, spared: float) -> Kernel:
    return replace(kernel, elements=max(kernel.elements - spared, 0.0), joined=True)


def _width(op: Op) -> float:
    """Elements of the result of an elementwise operator; 0 of any other."""
    if isinstance(op, Normalization):
        return op.rows * op.width
    return op.elements if isinstance(op, Pointwise | Dropout) else 0
