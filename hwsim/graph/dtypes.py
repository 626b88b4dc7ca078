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
