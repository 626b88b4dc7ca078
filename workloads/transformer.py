"""Decoder-only transformer, from GPT-2 to the LLaMA shape."""

from __future__ import annotations

from itertools import count
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hwsim.errors import InputError
from hwsim.graph.ops import (
    Attention,
    CrossEntropy,
    Dropout,
    Embedding,
    Experts,
    LatentProjection,
    Linear,
    Normalization,
    Op,
    Pointwise,
)
from hwsim.graph.ops.pointwise import GELU_FLOPS, SWIGLU_FLOPS
from hwsim.graph.step import Layer
from hwsim.graph.workload import Count, Flag, Label, Workload

# Each element: two products and a sum.
ROTARY_FLOPS = 3

Heads = Annotated[Count, Field(le=65_536)]
Some = Annotated[int, Field(ge=0, le=65_536, strict=True)]
Load = Annotated[float, Field(ge=1, allow_inf_nan=False, strict=True)]


class Transformer(Workload):
    """A decoder-only transformer language model, GPT-2 to LLaMA in shape.

    The defaults are GPT-2 small (Radford et al. 2019; nanoGPT's sizes: 124 million parameters).
    ``kv_heads`` None means `heads`, ``head_dim`` hidden / heads; ``ffn`` None means 4 x hidden;
    ``gated`` is SwiGLU with its third matrix (Shazeer 2020), else GELU; ``positions`` a learned
    table, rotary or none (as with ALiBi, whose biases attention makes itself); ``tied`` shares the
    embedding with the output. ``dropout`` follows the embedding, attention and feed-forward network
    of each layer, and the probabilities of attention.
    Batch 128, Adam at a constant 1e-3, fp32, no dropout and the dataset (9 billion tokens, about
    OpenWebText) are assumed.

    With ``kv_rank`` attention is multi-head latent (DeepSeek-V2, arXiv 2405.04434): queries come
    from ``query_rank`` latent features, keys and values from ``kv_rank``. A head has `head_dim`
    units of each, and ``rotary_dim`` more of query and key that alone are rotated.

    With ``experts`` each layer but the first ``dense_layers`` has so many feed-forward networks of
    width ``moe_ffn`` (None means `ffn`), of which each token passes ``topk`` and
    ``shared_experts`` more that all tokens pass. ``imbalance`` is the load of the busiest expert
    over the mean one; their products are ``grouped`` in one launch, or one for each expert.

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
    head_dim: Count | None = None
    query_rank: Count | None = None
    kv_rank: Count | None = None
    rotary_dim: Count | None = None
    ffn: Count | None = None
    gated: Flag = False
    vocabulary: Count = 50_257
    sequence: Count = 1024
    tied: Flag = True
    positions: Literal["learned", "rotary", "none"] = "learned"
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    bias: Flag = True
    attention: Literal["fused", "eager"] = "fused"
    causal: Flag = True
    dropout: Flag = False
    experts: Heads | None = None
    topk: Count = 2
    moe_ffn: Count | None = None
    shared_experts: Some = 0
    dense_layers: Some = 0
    imbalance: Load = 1.0
    grouped: Flag = True
    dataset: Count = 9_000_000_000
    corpus: Label = "openwebtext"

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.head_dim is None:
            _divides("heads", self.heads, "hidden", self.hidden)
        _divides("kv_heads", self.kv_heads or self.heads, "heads", self.heads)
        rotated = self.rotary_dim or self.head_width
        if self.positions == "rotary" and rotated % 2:
            what = f"found rotary positions with {rotated} units per head"
            raise InputError("workload.positions", what, "write 'learned', or make them even")
        return self

    @model_validator(mode="after")
    def _latent_attention_is_whole(self) -> Self:
        fields = ("query_rank", "kv_rank", "rotary_dim")
        found = [name for name in fields if getattr(self, name) is not None]
        if not found:
            return self
        if len(found) < len(fields):
            missing = next(name for name in fields if name not in found)
            what = f"found nothing, but {found[0]}"
            raise InputError(f"workload.{missing}", what, "write all of " + ", ".join(fields))
        if self.kv_heads not in (None, self.heads):
            what = f"found {self.kv_heads} of {self.heads} heads with latent attention"
            raise InputError("workload.kv_heads", what, f"write {self.heads}")
        if self.positions != "rotary":
            what = f"found {self.positions} with rotary_dim"
            raise InputError("workload.positions", what, "write 'rotary'")
        return self

    @model_validator(mode="after")
    def _experts_suffice(self) -> Self:
        if self.experts is None:
            for name in ("moe_ffn", "shared_experts", "dense_layers"):
                if value := getattr(self, name):
                    what = f"found {value} without experts"
                    raise InputError(f"workload.{name}", what, "write workload.experts too")
        elif self.topk > self.experts:
            what, most = f"found {self.topk} of {self.experts} experts", self.experts
            raise InputError("workload.topk", what, f"write at most {most}")
        elif self.dense_layers >= self.layers:
            what, most = f"found {self.dense_layers} of {self.layers} layers", self.layers - 1
            raise InputError("workload.dense_layers", what, f"write at most {most}")
        return self

    @property
    def items_per_sample(self) -> int:
        return self.sequence

    @property
    def head_width(self) -> int:
        return self.head_dim or self.hidden // self.heads

    @property
    def query_width(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.head_width

    @property
    def kv_width(self) -> int:
        """Width of all keys of a token, and of all values."""
        return (self.kv_heads or self.heads) * self.head_width

    @property
    def ffn_width(self) -> int:
        return self.ffn or 4 * self.hidden

    @property
    def expert_width(self) -> int:
        return self.moe_ffn or self.ffn_width

    def build(self, batch: int) -> tuple[Layer, ...]:
        tokens = batch * self.sequence
        width = tokens * self.hidden
        attention = self._attention(batch)
        dense = self.layers if self.experts is None else self.dense_layers
        blocks = (
            Layer("block", (*attention, *self._feed_forward(tokens)), dense, width),
            Layer("experts", (*attention, *self._experts(tokens)), self.layers - dense, width),
        )
        sizes = (tokens, self.hidden, self.vocabulary)
        head = Linear("head", *sizes, bias=False, tied=self.tied, quantized=False)
        loss = CrossEntropy("loss", tokens, self.vocabulary)
        return (
            Layer("embedding", self._embedding(tokens), output=width),
            *(block for block in blocks if block.repeat),
            Layer("output", (self._norm("norm", tokens), head, loss)),
        )

    def _embedding(self, tokens: int) -> tuple[Op, ...]:
        width, table = self.hidden, Embedding("embedding", tokens, self.vocabulary, self.hidden)
        dropped = self._dropped("embedding", tokens)
        if self.positions != "learned":
            return (table, *dropped)
        return (
            table,
            Embedding("positions", self.sequence, self.sequence, width, divided=False),
            Pointwise("positions.add", tokens * width, inputs=2, kept=0),
            *dropped,
        )

    def _attention(self, batch: int) -> tuple[Op, ...]:
        tokens = batch * self.sequence
        return (
            self._norm("attention.norm", tokens),
            *(self._projected(tokens) if self.kv_rank is None else self._by_latents(tokens)),
            Attention(
                "attention",
                batch,
                self.heads,
                self.kv_heads or self.heads,
                self.sequence,
                self.head_width + (self.rotary_dim or 0),
                self.causal,
                fused=self.attention == "fused",
                dropout=self.dropout,
                value_dim=self.head_width,
            ),
            Linear("projection", tokens, self.query_width, self.hidden, self.bias),
            *self._added("attention", tokens),
        )

    def _projected(self, tokens: int) -> tuple[Op, ...]:
        """Queries, keys and values."""
        queries, keys = self.query_width, self.kv_width
        rotary = Pointwise("rotary", tokens * (queries + keys), flops=ROTARY_FLOPS, kept=0)
        return (
            Linear("qkv", tokens, self.hidden, queries + 2 * keys, self.bias),
            *((rotary,) if self.positions == "rotary" else ()),
        )

    def _by_latents(self, tokens: int) -> tuple[Op, ...]:
        """The same, of latent features; one rotated part is copied into the keys of all heads."""
        turned = self.rotary_dim or 0
        width = self.head_width + turned
        return (
            LatentProjection(
                "qkv",
                tokens,
                self.hidden,
                self.heads,
                self.head_width,
                turned,
                self.query_rank or 0,
                self.kv_rank or 0,
                self.bias,
            ),
            Pointwise("rotary", 2 * tokens * self.heads * width, flops=ROTARY_FLOPS, kept=0),
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
            *self._added("ffn", tokens),
        )

    def _experts(self, tokens: int) -> tuple[Op, ...]:
        experts = Experts(
            "experts",
            tokens,
            self.hidden,
            self.expert_width,
            self.experts or 1,
            self.topk,
            self.gated,
            self.bias,
            self.shared_experts * self.expert_width,
            self.imbalance,
            grouped=self.grouped,
        )
        return (self._norm("ffn.norm", tokens), experts, *self._added("ffn", tokens))

    def _added(self, name: str, tokens: int) -> tuple[Op, ...]:
        """What leads a branch back to the layer's input."""
        added = Pointwise(f"{name}.add", tokens * self.hidden, inputs=2, kept=0)
        return (*self._dropped(name, tokens), added)

    def _dropped(self, name: str, tokens: int) -> tuple[Op, ...]:
        return (Dropout(f"{name}.dropout", tokens * self.hidden),) if self.dropout else ()

    def _norm(self, name: str, rows: int) -> Normalization:
        return Normalization(name, rows, self.hidden, self.norm == "layernorm" and self.bias)


def _divides(name: str, value: int, whole_name: str, whole: int) -> None:
    if whole % value:
        near = next(
            n for step in count(1) for n in (value - step, value + step) if n > 0 and not whole % n
        )
        what = f"found {value}, which does not divide {whole_name} = {whole}"
        raise InputError(f"workload.{name}", what, f"write {near}")
