"""Queries, keys and values by way of latent features: what multi-head latent attention reads."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.graph.ops.kernel import Kernel, Op
from hwsim.graph.ops.linear import Linear
from hwsim.graph.ops.pointwise import Normalization


@dataclass(frozen=True, slots=True)
class LatentProjection(Op):
    """x (rows, hidden) to `heads` heads of queries, keys, values (DeepSeek-V2, arXiv 2405.04434).

    A product leads down to ``query_rank`` + ``kv_rank`` + ``rotary_dim`` latent features, of which
    the last, rotated, are a part of all heads' keys. Both latent vectors are brought to unit
    variance, and two products lead up: queries of head_dim + rotary_dim a head, keys and values of
    head_dim each. Matrix FLOPs forward:

        2 rows (hidden (query_rank + kv_rank + rotary_dim)
                + heads (query_rank (head_dim + rotary_dim) + 2 kv_rank head_dim))

    Each of ``spread`` devices leads its part of the rows down.

    >>> one = LatentProjection("qkv", 2, 8, 2, 3, rotary_dim=2, query_rank=4, kv_rank=3)
    >>> one.parameters, one.outputs, sum(k.flops for k in one.forward() if k.shape)
    (155, 22, 592)
    """

    name: str
    rows: int
    hidden: int
    heads: int
    head_dim: int
    rotary_dim: int
    query_rank: int
    kv_rank: int
    bias: bool = False
    spread: int = 1

    @property
    def latent(self) -> int:
        """Latent features of a row."""
        return self.query_rank + self.kv_rank + self.rotary_dim

    @property
    def outputs(self) -> int:
        """Features of a row: of its queries, keys and values."""
        return sum(up.outputs for up in self._up)

    @property
    def shared_parameters(self) -> int:
        """Those that belong to no head."""
        return sum(op.parameters for op in (self._down, *self._norms))

    @property
    def parameters(self) -> int:
        return self.shared_parameters + sum(up.parameters for up in self._up)

    @property
    def saved(self) -> float:
        """The input, and the latent vectors before and after their norms; rows of this device."""
        return self._down.saved + sum(2 * norm.saved for norm in self._norms)

    def forward(self) -> tuple[Kernel, ...]:
        return tuple(kernel for op in self._ops for kernel in op.forward())

    def backward(self) -> tuple[Kernel, ...]:
        return tuple(kernel for op in reversed(self._ops) for kernel in op.backward())

    @property
    def _ops(self) -> tuple[Op, ...]:
        return (self._down, *self._norms, *self._up)

    @property
    def _own(self) -> int:
        return self.rows // self.spread

    @property
    def _down(self) -> Linear:
        return Linear(f"{self.name}.down", self._own, self.hidden, self.latent, self.bias)

    @property
    def _norms(self) -> tuple[Normalization, ...]:
        """Of queries and of keys with values, with a gain each."""
        return (
            Normalization(f"{self.name}.query.norm", self._own, self.query_rank, bias=False),
            Normalization(f"{self.name}.kv.norm", self._own, self.kv_rank, bias=False),
        )

    @property
    def _up(self) -> tuple[Linear, ...]:
        queries = self.heads * (self.head_dim + self.rotary_dim)
        keys_values = 2 * self.heads * self.head_dim
        return (
            Linear(f"{self.name}.query.up", self.rows, self.query_rank, queries, self.bias),
            Linear(f"{self.name}.kv.up", self.rows, self.kv_rank, keys_values, self.bias),
        )
