"""Steps in fp8 and fp4: linear layers multiply operands that are cast before, all else is bf16.

So do NVIDIA's Transformer Engine and torchao's float8: master weights, activations, gradients,
normalization, attention and the output layer stay in 16 bits or more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from hwsim.cost.calibration import Calibration, Code
from hwsim.cost.rates import Rates, Timing, offered, rates
from hwsim.errors import InputError
from hwsim.graph.dtypes import BYTES, Dtype, stored, stored_bytes
from hwsim.graph.ops import Kernel
from hwsim.hardware.spec import Device

AMAX_FLOPS = 2  # absolute value, maximum
CAST_FLOPS = 2  # product with the scale, rounding


class Quantization(NamedTuple):
    """How an operand is cast: passes over its elements.

    `amax`: read to find the largest value first; `read`: read by the cast, 0 where it is fused with
    the kernel that makes the operand; `copies`: written in the low format, of which the product of
    the pass reads one, and that of the other pass the transposed one. A scale for each block of 16
    or 32 elements is left out.
    """

    amax: float = 1.0
    read: float = 1.0
    copies: float = 2.0


# Transformer Engine's recipes. One scale for a tensor, known once all of it has been read
# (Float8CurrentScaling); or that of steps before (DelayedScaling), or one for each block that
# is cast (MXFP8BlockScaling; OCP Microscaling Formats 1.0): no pass ahead.
CURRENT = Quantization()
AHEAD = Quantization(amax=0.0)
# NVFP4 scales blocks, and the tensor besides (NVIDIA 2025, arXiv 2509.25149).
RECIPES: dict[Dtype, Quantization] = {"fp8": CURRENT, "fp4": CURRENT}


class Launch(NamedTuple):
    """A kernel as it is launched, with what it reaches and the format of its elements."""

    kernel: Kernel
    rates: Rates
    dtype: Dtype


class StepRates(NamedTuple):
    """What the kernels of a step in `dtype` reach: `low` the products in a format below 16 bits
    (None where there is none), `plain` all others."""

    dtype: Dtype
    plain: Rates
    low: Rates | None = None
    recipe: Quantization = CURRENT

    def launches(self, kernel: Kernel) -> Iterator[Launch]:
        """A kernel of the graph, behind the casts of its operands where it runs in `low`.

        What framework code fuses of the graph's elementwise kernels it does not save of casts:
        the recipe has what is fused of them.
        """
        kept = stored(self.dtype)
        if self.low is None or kernel.casts is None:
            yield Launch(kernel, self.plain, kept)
            return
        alone = self.plain._replace(eager=self.plain.eager._replace(streams=1.0))
        for cast in casts(kernel, self.dtype, self.recipe):
            yield Launch(cast, alone, kept)
        yield Launch(product(kernel, self.dtype), self.low, self.dtype)


def step_rates(
    device: Device,
    calibration: Calibration,
    dtype: Dtype,
    *,
    family: str | None = None,
    timing: Timing = "kernel",
    code: Code | None = None,
    recipe: Quantization | None = None,
) -> StepRates:
    """Rates of a step's kernels (see `hwsim.cost.rates.rates`); `recipe` None: that of the format.

    Raises InputError if the device states no rate for `dtype`, or for what its tensors are kept in.
    """
    kept = stored(dtype)
    own = rates(device, calibration, dtype, timing=timing, family=family, code=code)
    if kept == dtype:
        return StepRates(dtype, own)
    known = offered(device)
    if kept not in known:
        able = [name for name in known if BYTES[name] >= BYTES[kept]]
        raise InputError(
            f"workload.dtype on {device.name}",
            f"found {dtype}, of which all but linear layers runs in {kept}, for which the device "
            "states no rate",
            f"write one of: {', '.join(able)}, or state one: --set device.matrix.{kept}=10TFLOPS",
        )
    plain = rates(device, calibration, kept, timing=timing, family=family, code=code)
    return StepRates(dtype, plain, own, recipe or RECIPES[dtype])


def casts(kernel: Kernel, dtype: Dtype, recipe: Quantization) -> Iterator[Kernel]:
    """The kernels that cast the operands of a product to `dtype`, their elements those kept.

    For E elements they move, in elements of the format that they come in,

        E amax,  and  E (read + copies low / kept)

    >>> one = Kernel("fc.dgrad", "matrix", 0.0, 0.0, casts=(100.0,))
    >>> [cast.elements for cast in casts(one, "fp8", CURRENT)]
    [100.0, 200.0]
    """
    written = recipe.copies * BYTES[dtype] / stored_bytes(dtype)
    for size in kernel.casts or ():
        if recipe.amax:
            moved = recipe.amax * size
            yield Kernel(f"{kernel.name}.amax", "vector", AMAX_FLOPS * moved, moved)
        moved = (recipe.read + written) * size
        yield Kernel(f"{kernel.name}.cast", "vector", CAST_FLOPS * size, moved)


def product(kernel: Kernel, dtype: Dtype) -> Kernel:
    """A product of operands in `dtype` whose result is wider, in elements of `dtype`.

    >>> from hwsim.graph.ops.kernel import gemm
    >>> product(gemm("one", 2, 3, 4), "fp8").elements  # 8 + 12 + 2 x 6
    32.0
    """
    batch, m, n, _ = kernel.shape or (0, 0, 0, 0)
    wider = stored_bytes(dtype) / BYTES[dtype] - 1
    return replace(kernel, elements=kernel.elements + wider * batch * m * n)
