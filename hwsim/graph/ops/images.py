"""Vector work on images: batch normalization and pooling."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.graph.ops.kernel import Kernel, Op
from hwsim.graph.ops.pointwise import NORMALIZATION_BACKWARD_FLOPS, NORMALIZATION_FLOPS


@dataclass(frozen=True, slots=True)
class BatchNormalization(Op):
    """`rows` (images x height x width) of `channels`, each channel brought to unit variance.

    Ioffe and Szegedy 2015. The statistics need all rows before the first result: forward reads the
    input twice and writes it once, backward reads input and gradient twice and writes once.
    ``activated``: a rectifier in the same kernels; ``added``: so many operands that are summed to
    the result before it (of a residual block, 1).

    >>> one = BatchNormalization("norm", rows=100, channels=4)
    >>> one.parameters, one.forward()[0].elements, one.backward()[0].elements
    (8, 1208, 2016)
    """

    name: str
    rows: int
    channels: int
    activated: bool = False
    added: int = 0

    @property
    def parameters(self) -> int:
        return 2 * self.channels

    @property
    def saved(self) -> float:
        return self.rows * self.channels

    @property
    def masks(self) -> float:
        """Where the rectifier let a sum pass; of the result alone it is computed again."""
        return self.rows * self.channels if self.activated and self.added else 0.0

    def forward(self) -> tuple[Kernel, ...]:
        return (self._pass("forward", 3, NORMALIZATION_FLOPS, self.parameters),)

    def backward(self) -> tuple[Kernel, ...]:
        return (self._pass("backward", 5, NORMALIZATION_BACKWARD_FLOPS, 2 * self.parameters),)

    def _pass(self, way: str, operands: int, flops: int, parameters: int) -> Kernel:
        size = self.rows * self.channels
        more = self.added + self.activated
        elements = (operands + self.added) * size + parameters
        name = f"{self.name}.{way}"
        return Kernel(name, "vector", (flops + more) * size, elements, reduction=True)


@dataclass(frozen=True, slots=True)
class Pooling(Op):
    """The largest (or mean) of windows: `inputs` elements in, `outputs` out, `taps` a window.

    The backward pass reads the outputs' gradients and where they came from, and writes the inputs'.

    >>> Pooling("pool", inputs=400, outputs=100, taps=9).forward()[0].elements
    500
    """

    name: str
    inputs: int
    outputs: int
    taps: int

    @property
    def parameters(self) -> int:
        return 0

    @property
    def saved(self) -> float:
        return self.outputs

    def forward(self) -> tuple[Kernel, ...]:
        size = self.inputs + self.outputs
        return (Kernel(f"{self.name}.forward", "vector", self.taps * self.outputs, size),)

    def backward(self) -> tuple[Kernel, ...]:
        size = self.inputs + 2 * self.outputs
        return (Kernel(f"{self.name}.backward", "vector", self.taps * self.outputs, size),)
