"""Matrix products with a weight, and the table look-up that stands in for one."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.graph.ops.kernel import Kernel, Op, bias_gradient, gemm


@dataclass(frozen=True, slots=True)
class Linear(Op):
    """y = x W' + b with x (rows, inputs), y (rows, outputs).

    Forward 2 rows inputs outputs FLOPs; backward as much for the weight's gradient, and again
    for the input's unless ``input_gradient`` is off (nothing trained comes before). The matrix
    of a ``tied`` one belongs to another operator; a bias is its own all the same. An input that is
    ``gathered`` from so many devices is kept by each of them in part; where the output is
    ``scattered`` over so many, each adds the bias to its own rows. In a step in fp8 or fp4 the
    products of one that is ``quantized`` run in that format: not those of an output layer or a
    router (Transformer Engine, Megatron-LM). Input and weight are cast for the forward pass, the
    output's gradient for the backward pass, each with the transposed copy that the other needs.
    All the same the input is saved, and the weight held, as if in bf16 and once: Transformer Engine
    saves the input's copy in the low format instead, and holds two of the weight besides.

    >>> one = Linear("fc", rows=2, inputs=3, outputs=5)
    >>> one.parameters, one.forward()[0].flops, one.saved
    (20, 60, 6)
    """

    name: str
    rows: int
    inputs: int
    outputs: int
    bias: bool = True
    input_gradient: bool = True
    tied: bool = False
    gathered: int = 1
    scattered: int = 1
    quantized: bool = True

    @property
    def parameters(self) -> int:
        matrix = 0 if self.tied else self.inputs * self.outputs
        return matrix + (self.outputs if self.bias else 0)

    @property
    def saved(self) -> float:
        return self.rows * self.inputs // self.gathered

    def forward(self) -> tuple[Kernel, ...]:
        sizes = (self.rows, self.outputs, self.inputs)
        casts = self._casts(self.rows * self.inputs, self.inputs * self.outputs)
        return (gemm(f"{self.name}.forward", *sizes, transposed=True, casts=casts),)

    def backward(self) -> tuple[Kernel, ...]:
        gradient, sizes = self._casts(self.rows * self.outputs), (self.rows, self.inputs)
        kernels = []
        if self.input_gradient:
            kernels.append(gemm(f"{self.name}.dgrad", *sizes, self.outputs, casts=gradient))
            gradient = self._casts()
        sizes = (self.outputs, self.inputs)
        kernels.append(gemm(f"{self.name}.wgrad", *sizes, self.rows, casts=gradient))
        if self.bias:
            rows = self.rows // self.scattered
            kernels.append(bias_gradient(self.name, rows, self.outputs))
        return tuple(kernels)

    def _casts(self, *sizes: float) -> tuple[float, ...] | None:
        return sizes if self.quantized else None


@dataclass(frozen=True, slots=True)
class Embedding(Op):
    """`tokens` rows gathered from a (vocabulary, width) table.

    The backward pass clears a dense gradient of the table's size and adds `tokens` rows to it.
    Tensor parallelism leaves a table whole that is not ``divided``: one of positions.

    >>> Embedding("table", tokens=10, vocabulary=7, width=4).parameters
    28
    """

    name: str
    tokens: int
    vocabulary: int
    width: int
    divided: bool = True

    @property
    def parameters(self) -> int:
        return self.vocabulary * self.width

    @property
    def saved(self) -> float:
        return self.tokens

    def forward(self) -> tuple[Kernel, ...]:
        rows = self.tokens * self.width
        return (Kernel(f"{self.name}.gather", "vector", 0, 2 * rows + self.tokens),)

    def backward(self) -> tuple[Kernel, ...]:
        rows = self.tokens * self.width
        return (
            Kernel(f"{self.name}.clear", "vector", 0, self.parameters),
            Kernel(f"{self.name}.scatter", "vector", rows, 3 * rows + self.tokens),
        )
