"""Decoder-only transformer, from GPT-2 to the LLaMA shape."""

from __future__ import annotations

from itertools import count
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hwsim.errors import InputError
from hwsim.graph.ops import (
    Attention,
    CrossEntropy,
    Embedding,
    Linear,
    Normalization,
    Op,
    Pointwise,
)
from hwsim.graph.step import Layer
from hwsim.graph.workload import Count, Flag, Label, Workload

# tanh form: x (1 + tanh(a (x + b x^3))) / 2; gate: x sigmoid(x) times the other half.
GELU_FLOPS = 8
SWIGLU_FLOPS = 5
# Each element: two products and a sum.
ROTARY_FLOPS = 3

Heads = Annotated[Count, Field(le=65_536)]


class Transformer(Workload):
    """A decoder-only transformer language model, GPT-2 to LLaMA in shape.

    The defaults are GPT-2 small (Radford et al. 2019; nanoGPT's sizes: 124 million parameters).
    ``kv_heads`` None means `heads`; ``ffn`` None means 4 x hidden; ``gated`` is SwiGLU with its
    third matrix (Shazeer 2020), else GELU; ``positions`` a learned table or rotary; ``tied`` shares
    the embedding with the output. Batch 128, Adam at a constant 1e-3, fp32, no dropout and the
    dataset (9 billion tokens, about OpenWebText) are assumed.

    >>> Transformer().graph().parameters
    124439808
    """

    name: ClassVar[str] = "transformer"
    unit: ClassVar[str] = "tokens"
    uncut: ClassVar[str] = "attention reads all positions (context parallelism, cp, divides them)"
    setting_fields: ClassVar[tuple[str, ...]] = (
        "layers",
        "sequence",
        "vocabulary",
        *Workload.setting_fields,
    )

    layers: Count = 12
    hidden: Count = 768
    heads: Heads = 12
    kv_heads: Heads | None = None
    ffn: Count | None = None
    gated: Flag = False
    vocabulary: Count = 50_257
    sequence: Count = 1024
    tied: Flag = True
    positions: Literal["learned", "rotary"] = "learned"
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    bias: Flag = True
    attention: Literal["fused", "eager"] = "fused"
    causal: Flag = True
    dataset: Count = 9_000_000_000
    corpus: Label = "openwebtext"

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        _divides("heads", self.heads, "hidden", self.hidden)
        _divides("kv_heads", self.kv_width // self.head_dim, "heads", self.heads)
        if self.positions == "rotary" and self.head_dim % 2:
            what = f"found rotary positions with {self.head_dim} units per head"
            raise InputError("workload.positions", what, "write 'learned', or make them even")
        return self

    @property
    def items_per_sample(self) -> int:
        return self.sequence

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads

    @property
    def kv_width(self) -> int:
        """Width of all keys of a token, and of all values."""
        return (self.kv_heads or self.heads) * self.head_dim

    @property
    def ffn_width(self) -> int:
        return self.ffn or 4 * self.hidden

    def build(self, batch: int) -> tuple[Layer, ...]:
        tokens = batch * self.sequence
        width = tokens * self.hidden
        head = Linear("head", tokens, self.hidden, self.vocabulary, bias=False, tied=self.tied)
        return (
            Layer("embedding", self._embedding(tokens), output=width),
            Layer(
                "block",
                (*self._attention(batch), *self._feed_forward(tokens)),
                self.layers,
                output=width,
            ),
            Layer(
                "output",
                (
                    self._norm("norm", tokens),
                    head,
                    CrossEntropy("loss", tokens, self.vocabulary),
                ),
            ),
        )

    def _embedding(self, tokens: int) -> tuple[Op, ...]:
        table = Embedding("embedding", tokens, self.vocabulary, self.hidden)
        if self.positions == "rotary":
            return (table,)
        return (
            table,
            Embedding("positions", self.sequence, self.sequence, self.hidden, divided=False),
            Pointwise("positions.add", tokens * self.hidden, inputs=2, kept=0),
        )

    def _attention(self, batch: int) -> tuple[Op, ...]:
        tokens, hidden, keys = batch * self.sequence, self.hidden, self.kv_width
        rotary = Pointwise("rotary", tokens * (hidden + keys), flops=ROTARY_FLOPS, kept=0)
        return (
            self._norm("attention.norm", tokens),
            Linear("qkv", tokens, hidden, hidden + 2 * keys, self.bias),
            *((rotary,) if self.positions == "rotary" else ()),
            Attention(
                "attention",
                batch,
                self.heads,
                keys // self.head_dim,
                self.sequence,
                self.head_dim,
                self.causal,
                fused=self.attention == "fused",
            ),
            Linear("projection", tokens, hidden, hidden, self.bias),
            Pointwise("attention.add", tokens * hidden, inputs=2, kept=0),
        )

    def _feed_forward(self, tokens: int) -> tuple[Op, ...]:
        hidden, ffn = self.hidden, self.ffn_width
        up = Linear("up", tokens, hidden, 2 * ffn if self.gated else ffn, self.bias)
        activation = (
            Pointwise("swiglu", tokens * ffn, inputs=2, flops=SWIGLU_FLOPS)
            if self.gated
            else Pointwise("gelu", tokens * ffn, flops=GELU_FLOPS)
        )
        return (
            self._norm("ffn.norm", tokens),
            up,
            activation,
            Linear("down", tokens, ffn, hidden, self.bias),
            Pointwise("ffn.add", tokens * hidden, inputs=2, kept=0),
        )

    def _norm(self, name: str, rows: int) -> Normalization:
        return Normalization(name, rows, self.hidden, self.norm == "layernorm" and self.bias)


def _divides(name: str, value: int, whole_name: str, whole: int) -> None:
    if whole % value:
        near = next(
            n for step in count(1) for n in (value - step, value + step) if n > 0 and not whole % n
        )
        what = f"found {value}, which does not divide {whole_name} = {whole}"
        raise InputError(f"workload.{name}", what, f"write {near}")
