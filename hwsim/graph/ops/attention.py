"""The core of attention: softmax(Q K' / sqrt(d)) V, eager or fused."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from hwsim.graph.ops.kernel import Kernel, Op, gemm
from hwsim.graph.ops.pointwise import DROPOUT_FLOPS, DROPOUT_PASSES

# Subtract the maximum, exponentiate, sum, divide, and find the maximum.
SOFTMAX_FLOPS = 5
# dS = P (dP - sum(dP P)): two products, a sum, a difference.
SOFTMAX_BACKWARD_FLOPS = 4


@dataclass(frozen=True, slots=True)
class Attention(Op):
    """Q (batch, heads, sequence, head_dim), K and V with kv_heads; no projections.

    Values and the output have ``value_dim`` units a head, head_dim unless it is given. Each product
    has 2 batch heads sequence^2 head_dim (or value_dim) FLOPs; grouped heads share K and V but
    not the products. Eager runs 2 products forward and 4 backward and writes the scores to memory;
    fused (FlashAttention-2, Dao 2023) reads Q, K, V, writes the output, and recomputes the scores
    in the backward pass: 5 products. A causal mask does not halve anything here, as in torch's
    own count of scaled_dot_product_attention; kernels that skip masked blocks do better. Of a
    ``context`` of several devices each has its part of the queries, and gathers K and V.
    ``dropout`` leaves out probabilities; fused, it draws them again and keeps nothing.

    >>> fused = Attention("core", 1, 2, 2, sequence=8, head_dim=4)
    >>> fused.forward()[0].flops, fused.backward()[0].flops
    (2048, 5120)
    """

    name: str
    batch: int
    heads: int
    kv_heads: int
    sequence: int
    head_dim: int
    causal: bool = True
    fused: bool = True
    context: int = 1
    dropout: bool = False
    value_dim: int | None = None

    @property
    def parameters(self) -> int:
        return 0

    @property
    def saved(self) -> float:
        return self._queries + self.keys_values // self.context + self._between

    @property
    def masks(self) -> float:
        return self.scores if self.dropout and not self.fused else 0

    @property
    def core(self) -> bool:
        return True

    @property
    def recomputable(self) -> float:
        return self._between

    @property
    def value_width(self) -> int:
        """Units of a head's values."""
        return self.value_dim or self.head_dim

    @property
    def keys_values(self) -> int:
        """Elements of all keys and values."""
        return self.batch * self.kv_heads * self.sequence * (self.head_dim + self.value_width)

    def forward(self) -> tuple[Kernel, ...]:
        if self.fused:
            elements = self._queries + self._outputs + self.keys_values + self._rows
            return (self._fused("forward", (1, 1), elements),)
        kernels = [self._product("scores", self.sequence, self.head_dim)]
        if self.causal:
            kernels.append(self._pointwise("mask.forward", 1, 2))
        kernels.append(self._pointwise("softmax.forward", SOFTMAX_FLOPS, 2))
        if self.dropout:
            kernels.append(self._pointwise("dropout.forward", DROPOUT_FLOPS, DROPOUT_PASSES))
        kernels.append(self._product("values", self.value_width, self.sequence))
        return tuple(kernels)

    def backward(self) -> tuple[Kernel, ...]:
        if self.fused:  # q, k, v, o, do and the log-sums in; dq, dk, dv out
            outside = self._queries + self._outputs + self.keys_values
            return (self._fused("backward", (3, 2), 2 * outside + self._rows),)
        kernels = [
            self._product("values.dgrad", self.value_width, self.sequence),
            self._product("softmax.dgrad", self.sequence, self.value_width),
        ]
        if self.dropout:
            kernels.append(self._pointwise("dropout.backward", DROPOUT_FLOPS, DROPOUT_PASSES))
        kernels.append(self._pointwise("softmax.backward", SOFTMAX_BACKWARD_FLOPS, 3))
        if self.causal:
            kernels.append(self._pointwise("mask.backward", 1, 2))
        for side in ("queries", "keys"):
            kernels.append(self._product(f"{side}.dgrad", self.head_dim, self.sequence))
        return tuple(kernels)

    @property
    def _between(self) -> int:
        """Fused keeps one log-sum per row, eager the probabilities, and those that dropout left.

        The output that fused attention needs is the next operator's input.
        """
        if self.fused:
            return self._rows
        return self.scores * (2 if self.dropout else 1)

    @property
    def _rows(self) -> int:
        return self.batch * self.heads * self._queried

    @property
    def _queried(self) -> int:
        return self.sequence // self.context

    @property
    def scores(self) -> int:
        """Elements of the scores of all heads."""
        return self._rows * self.sequence

    @property
    def _queries(self) -> int:
        return self._rows * self.head_dim

    @property
    def _outputs(self) -> int:
        return self._rows * self.value_width

    def _product(self, part: str, n: int, k: int) -> Kernel:
        return gemm(f"{self.name}.{part}", self._queried, n, k, batch=self.batch * self.heads)

    def _pointwise(self, part: str, flops: int, passes: float) -> Kernel:
        scores = self.scores
        return Kernel(f"{self.name}.{part}", "vector", flops * scores, passes * scores)

    def _fused(self, way: str, products: tuple[int, int], elements: int) -> Kernel:
        """All products, some of head_dim and some of value_dim, in one launch; its shape has the
        output's tile and their summed depth."""
        widths = products[0] * self.head_dim + products[1] * self.value_width
        depth = ceil(widths * self.sequence / self.value_width)
        shape = (self.batch * self.heads, self._queried, self.value_width, depth)
        name = f"{self.name}.{way}"
        flops = 2 * self.scores * widths
        return Kernel(name, "matrix", flops, elements, shape=shape, core=True)
