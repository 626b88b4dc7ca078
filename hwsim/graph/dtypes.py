"""Number formats a workload may be trained in, and the bytes of one element."""

from __future__ import annotations

from typing import Literal

Dtype = Literal["fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4"]

# tf32 is a mode of the matrix units: its operands stay 32 bits wide in memory.
BYTES: dict[Dtype, float] = {
    "fp64": 8.0,
    "fp32": 4.0,
    "tf32": 4.0,
    "fp16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "fp4": 0.5,
}


def stored(dtype: Dtype) -> Dtype:
    """What tensors are stored in where training is in `dtype`: bf16 below 16 bits.

    There only the operands of linear layers' products are in the low format, cast just before
    (Micikevicius et al. 2022, arXiv 2209.05433; NVIDIA Transformer Engine).

    >>> stored("fp8"), stored("fp16")
    ('bf16', 'fp16')
    """
    return "bf16" if BYTES[dtype] < BYTES["bf16"] else dtype


def stored_bytes(dtype: Dtype) -> float:
    """Bytes of an element of activations, messages and parameters in a step of `dtype`.

    >>> stored_bytes("fp8"), stored_bytes("fp32")
    (2.0, 4.0)
    """
    return BYTES[stored(dtype)]
