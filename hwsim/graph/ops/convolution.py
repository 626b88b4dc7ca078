"""Two-dimensional convolution as the implicit matrix product that accelerators run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwsim.errors import InputError
from hwsim.graph.ops.kernel import Kernel, Op, Window, bias_gradient


@dataclass(frozen=True, slots=True)
class Convolution2d(Op):
    """x (batch, channels, height, width) with `filters` of (channels, *kernel).

    Implicit GEMM: forward m = batch P Q, n = filters, k = channels R S, where (P, Q) is the
    output and (R, S) the kernel; both gradients have the same 2 m n k useful FLOPs. Elements are
    x, filters and y: the unfolded matrix never reaches memory (NVIDIA CUTLASS, implicit GEMM).
    Raises InputError if the kernel is larger than the padded input.

    >>> one = Convolution2d("conv", 1, 1, 161, 500, 32, (41, 11), (2, 2), (20, 5))
    >>> one.output, one.parameters
    ((81, 250), 14464)
    """

    name: str
    batch: int
    channels: int
    height: int
    width: int
    filters: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    bias: bool = True
    input_gradient: bool = True

    def __post_init__(self) -> None:
        for size, kernel, padding, axis in zip(
            (self.height, self.width), self.kernel, self.padding, ("height", "width"), strict=True
        ):
            if kernel > size + 2 * padding:
                raise InputError(
                    self.name,
                    f"found {axis} {size} under a kernel of {kernel} with padding {padding}",
                    f"write {max(1, kernel - 2 * padding)} or more",
                )

    @property
    def output(self) -> tuple[int, int]:
        """(P, Q) = (size + 2 padding - kernel) // stride + 1."""
        (r, s), (u, v), (p, q) = self.kernel, self.stride, self.padding
        return (self.height + 2 * p - r) // u + 1, (self.width + 2 * q - s) // v + 1

    @property
    def parameters(self) -> int:
        return self._weights + (self.filters if self.bias else 0)

    @property
    def saved(self) -> float:
        return self.batch * self.channels * self.height * self.width

    def forward(self) -> tuple[Kernel, ...]:
        return (self._product("forward", self._positions, self.filters, self._depth),)

    def backward(self) -> tuple[Kernel, ...]:
        kernels = [self._product("wgrad", self.filters, self._depth, self._positions)]
        if self.input_gradient:
            kernels.insert(0, self._product("dgrad", self._positions, self._depth, self.filters))
        if self.bias:
            kernels.append(bias_gradient(self.name, self._positions, self.filters))
        return tuple(kernels)

    @property
    def _positions(self) -> int:
        return self.batch * self.output[0] * self.output[1]

    @property
    def _depth(self) -> int:
        return self.channels * self.kernel[0] * self.kernel[1]

    @property
    def _weights(self) -> int:
        return self.filters * self._depth

    def _product(self, way: Literal["forward", "dgrad", "wgrad"], m: int, n: int, k: int) -> Kernel:
        return Kernel(
            f"{self.name}.{way}",
            "matrix",
            flops=2 * m * n * k,
            elements=self.saved + self._weights + self._positions * self.filters,
            shape=(1, m, n, k),
            window=Window(
                way,
                self.batch,
                self.channels,
                self.filters,
                self.height,
                self.width,
                *self.output,
                self.kernel[0] * self.kernel[1],
                self.stride[0] * self.stride[1],
                square=self.kernel[0] == self.kernel[1],
            ),
        )
