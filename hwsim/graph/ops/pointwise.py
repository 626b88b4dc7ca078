"""Vector work on activations: normalization and everything elementwise."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.graph.ops.kernel import Kernel, Op

# Mean, variance (two), difference, scaling by the deviation, gain and shift.
NORMALIZATION_FLOPS = 7
NORMALIZATION_BACKWARD_FLOPS = 14
# Scaled and masked; in, out, and a mask whose byte is half an element at 16 bits.
DROPOUT_FLOPS = 2
DROPOUT_PASSES = 2.5
# tanh form: x (1 + tanh(a (x + b x^3))) / 2; gate: x sigmoid(x) times the other half.
GELU_FLOPS = 8
SWIGLU_FLOPS = 5


@dataclass(frozen=True, slots=True)
class Normalization(Op):
    """Rows of `width` brought to unit variance, with a trained gain and, if ``bias``, a shift.

    Layer normalization; RMS normalization is counted as the same work without the shift's
    parameters. One pass each way: 2 operands forward, 3 backward.

    >>> Normalization("norm", rows=10, width=4).parameters
    8
    """

    name: str
    rows: int
    width: int
    bias: bool = True

    @property
    def parameters(self) -> int:
        return self.width * (2 if self.bias else 1)

    @property
    def saved(self) -> float:
        return self.rows * self.width

    def forward(self) -> tuple[Kernel, ...]:
        size = self.rows * self.width
        elements = 2 * size + self.parameters
        flops = NORMALIZATION_FLOPS * size
        return (Kernel(f"{self.name}.forward", "vector", flops, elements, reduction=True),)

    def backward(self) -> tuple[Kernel, ...]:
        size = self.rows * self.width
        elements = 3 * size + 2 * self.parameters
        flops = NORMALIZATION_BACKWARD_FLOPS * size
        return (Kernel(f"{self.name}.backward", "vector", flops, elements, reduction=True),)


@dataclass(frozen=True, slots=True)
class Pointwise(Op):
    """`inputs` operands of `elements` each in, `outputs` out, `flops` per element.

    ``kept`` of the operands are saved (all by default; none of a sum's). The backward pass reads
    the outputs' gradients and what was kept, writes the inputs' gradients, and is counted with
    twice the FLOPs.

    >>> gelu = Pointwise("gelu", elements=100, inputs=1, outputs=1, flops=8)
    >>> gelu.forward()[0].elements, gelu.backward()[0].elements, gelu.saved
    (200, 300, 100)
    """

    name: str
    elements: int
    inputs: int = 1
    outputs: int = 1
    flops: float = 1
    kept: int | None = None

    @property
    def parameters(self) -> int:
        return 0

    @property
    def saved(self) -> float:
        return self.elements * (self.inputs if self.kept is None else self.kept)

    def forward(self) -> tuple[Kernel, ...]:
        elements = self.elements * (self.inputs + self.outputs)
        return (Kernel(f"{self.name}.forward", "vector", self.flops * self.elements, elements),)

    def backward(self) -> tuple[Kernel, ...]:
        elements = self.elements * (self.inputs + self.outputs) + self.saved
        flops = 2 * self.flops * self.elements
        return (Kernel(f"{self.name}.backward", "vector", flops, elements),)


@dataclass(frozen=True, slots=True)
class Dropout(Op):
    """`elements` of which some are left out (Srivastava et al. 2014); a byte each tells which.

    >>> one = Dropout("dropout", elements=100)
    >>> one.saved, one.masks, one.forward()[0].elements
    (0, 100, 250.0)
    """

    name: str
    elements: int

    @property
    def parameters(self) -> int:
        return 0

    @property
    def saved(self) -> float:
        return 0

    @property
    def masks(self) -> float:
        return self.elements

    def forward(self) -> tuple[Kernel, ...]:
        return (self._pass("forward"),)

    def backward(self) -> tuple[Kernel, ...]:
        return (self._pass("backward"),)

    def _pass(self, way: str) -> Kernel:
        flops, elements = DROPOUT_FLOPS * self.elements, DROPOUT_PASSES * self.elements
        return Kernel(f"{self.name}.{way}", "vector", flops, elements)
