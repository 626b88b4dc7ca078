"""The core of attention: softmax(Q K' / sqrt(d)) V, eager or fused."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.graph.ops.kernel import Kernel, Op, gemm

# Subtract the maximum, exponentiate, sum, divide, and find the maximum.
SOFTMAX_FLOPS = 5
# dS = P (dP - sum(dP P)): two products, a sum, a difference.
SOFTMAX_BACKWARD_FLOPS = 4


@dataclass(frozen=True, slots=True)
class Attention(Op):
    """Q (batch, heads, sequence, head_dim), K and V with kv_heads; no projections.

    Each product has 2 batch heads sequence^2 head_dim FLOPs; grouped heads share K and V but
    not the products. Eager runs 2 products forward and 4 backward and writes the scores to memory;
    fused (FlashAttention-2, Dao 2023) reads Q, K, V, writes the output, and recomputes the scores
    in the backward pass: 5 products. A causal mask does not halve anything here, as in torch's
    own count of scaled_dot_product_attention; kernels that skip masked blocks do better.

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

    @property
    def parameters(self) -> int:
        return 0

    @property
    def saved(self) -> float:
        # Fused keeps one log-sum per row besides; the output it needs is the next input.
        rest = self._rows if self.fused else self._scores
        return self._queries + 2 * self._keys + rest

    def forward(self) -> tuple[Kernel, ...]:
        if self.fused:
            return (self._fused("forward", 2, 2 * self._queries + 2 * self._keys + self._rows),)
        kernels = [self._product("scores", self.sequence, self.head_dim)]
        if self.causal:
            kernels.append(self._pointwise("mask.forward", 1, 2))
        kernels.append(self._pointwise("softmax.forward", SOFTMAX_FLOPS, 2))
        kernels.append(self._product("values", self.head_dim, self.sequence))
        return tuple(kernels)

    def backward(self) -> tuple[Kernel, ...]:
        if self.fused:  # q, k, v, o, do and the log-sums in; dq, dk, dv out
            elements = 4 * self._queries + 4 * self._keys + self._rows
            return (self._fused("backward", 5, elements),)
        kernels = [
            self._product("values.dgrad", self.head_dim, self.sequence),
            self._product("softmax.dgrad", self.sequence, self.head_dim),
            self._pointwise("softmax.backward", SOFTMAX_BACKWARD_FLOPS, 3),
        ]
        if self.causal:
            kernels.append(self._pointwise("mask.backward", 1, 2))
        for side in ("queries", "keys"):
            kernels.append(self._product(f"{side}.dgrad", self.head_dim, self.sequence))
        return tuple(kernels)

    @property
    def _rows(self) -> int:
        return self.batch * self.heads * self.sequence

    @property
    def _scores(self) -> int:
        return self._rows * self.sequence

    @property
    def _queries(self) -> int:
        return self._rows * self.head_dim

    @property
    def _keys(self) -> int:
        return self.batch * self.kv_heads * self.sequence * self.head_dim

    def _product(self, part: str, n: int, k: int) -> Kernel:
        return gemm(f"{self.name}.{part}", self.sequence, n, k, batch=self.batch * self.heads)

    def _pointwise(self, part: str, flops: int, passes: int) -> Kernel:
        scores = self._scores
        return Kernel(f"{self.name}.{part}", "vector", flops * scores, passes * scores)

    def _fused(self, way: str, products: int, elements: int) -> Kernel:
        """All products in one launch; its shape has the output's tile and their summed depth."""
        shape = (self.batch * self.heads, self.sequence, self.head_dim, products * self.sequence)
        flops = 2 * products * self._scores * self.head_dim
        return Kernel(f"{self.name}.{way}", "matrix", flops, elements, shape=shape)
