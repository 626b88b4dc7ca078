"""BERT: a bidirectional transformer that fills in masked words."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from hwsim.errors import InputError
from hwsim.graph.ops import (
    Attention,
    CrossEntropy,
    Dropout,
    Embedding,
    Linear,
    Normalization,
    Op,
    Pointwise,
)
from hwsim.graph.ops.pointwise import GELU_FLOPS
from hwsim.graph.step import Layer
from hwsim.graph.workload import Count, Flag, Label, Workload
from workloads.transformer import Heads

SEGMENTS = 2


class Bert(Workload):
    """A bidirectional encoder, trained to fill in masked words and to tell the next sentence.

    The defaults are BERT-large (Devlin et al. 2019, arXiv 1810.04805) on sequences of 512 positions
    of which 76 at most are masked (MLPerf Training, language_model/tensorflow/bert). ``length`` is
    the mean number of positions that are not padding, where those alone are computed (None: all);
    ``predictions`` how many a sequence are masked and go through the output layer. ``attention`` as
    in a transformer. The dataset, 2.5 billion words, is the paper's English Wikipedia.
    Batch 128, Adam at a constant 1e-3 and fp32 are assumed.

    >>> Bert().graph().parameters
    336226108
    """

    name: ClassVar[str] = "bert"
    unit: ClassVar[str] = "tokens"
    uncut: ClassVar[str] = "attention reads all positions"
    setting_fields: ClassVar[tuple[str, ...]] = (
        "layers",
        "sequence",
        "length",
        "predictions",
        "vocabulary",
        *Workload.setting_fields,
    )

    layers: Count = 24
    hidden: Count = 1024
    heads: Heads = 16
    ffn: Count | None = None
    vocabulary: Count = 30_522
    sequence: Count = 512
    length: Count | None = None
    predictions: Count = 76
    attention: Literal["fused", "eager"] = "fused"
    dropout: Flag = False
    dataset: Count = 2_500_000_000
    corpus: Label = "wikipedia-en"

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        if self.hidden % self.heads:
            what = f"found {self.heads}, which does not divide hidden = {self.hidden}"
            raise InputError("workload.heads", what, "write a divisor")
        for name, value, most in (
            ("length", self.positions, self.sequence),
            ("predictions", self.predictions, self.positions),
        ):
            if value > most:
                what = f"found {value} of {most} positions"
                raise InputError(f"workload.{name}", what, f"write at most {most}")
        return self

    @property
    def positions(self) -> int:
        """Positions of a sequence that are computed."""
        return self.length or self.sequence

    @property
    def items_per_sample(self) -> int:
        return self.positions

    def build(self, batch: int) -> tuple[Layer, ...]:
        width = batch * self.positions * self.hidden
        return (
            Layer("embedding", self._embedding(batch * self.positions), output=width),
            Layer("block", self._block(batch), self.layers, width),
            Layer("output", (*self._next_sentence(batch), *self._masked_words(batch))),
        )

    def _embedding(self, tokens: int) -> tuple[Op, ...]:
        width = self.hidden
        return (
            Embedding("embedding", tokens, self.vocabulary, width),
            Embedding("positions", tokens, self.sequence, width, divided=False),
            Embedding("segments", tokens, SEGMENTS, width, divided=False),
            Pointwise("embedding.add", tokens * width, inputs=3, flops=2, kept=0),
            Normalization("embedding.norm", tokens, width),
            *self._dropped("embedding", tokens),
        )

    def _block(self, batch: int) -> tuple[Op, ...]:
        tokens, hidden = batch * self.positions, self.hidden
        ffn = self.ffn or 4 * hidden
        return (
            Linear("qkv", tokens, hidden, 3 * hidden),
            Attention(
                "attention",
                batch,
                self.heads,
                self.heads,
                self.positions,
                hidden // self.heads,
                causal=False,
                fused=self.attention == "fused",
                dropout=self.dropout,
            ),
            Linear("projection", tokens, hidden, hidden),
            *self._added("attention", tokens),
            Linear("up", tokens, hidden, ffn),
            Pointwise("gelu", tokens * ffn, flops=GELU_FLOPS),
            Linear("down", tokens, ffn, hidden),
            *self._added("ffn", tokens),
        )

    def _added(self, name: str, tokens: int) -> tuple[Op, ...]:
        """The sum with a branch's input, normalized."""
        return (
            *self._dropped(name, tokens),
            Pointwise(f"{name}.add", tokens * self.hidden, inputs=2, kept=0),
            Normalization(f"{name}.norm", tokens, self.hidden),
        )

    def _dropped(self, name: str, tokens: int) -> tuple[Op, ...]:
        return (Dropout(f"{name}.dropout", tokens * self.hidden),) if self.dropout else ()

    def _next_sentence(self, batch: int) -> tuple[Op, ...]:
        """Whether the second segment follows the first, from the first position."""
        return (
            Linear("pooler", batch, self.hidden, self.hidden, quantized=False),
            Pointwise("pooler.tanh", batch * self.hidden),
            Linear("next", batch, self.hidden, SEGMENTS, quantized=False),
            CrossEntropy("next.loss", batch, SEGMENTS),
        )

    def _masked_words(self, batch: int) -> tuple[Op, ...]:
        rows, width = batch * self.predictions, self.hidden
        return (
            Pointwise("masked.gather", rows * width, kept=0, flops=0),
            Linear("transform", rows, width, width, quantized=False),
            Pointwise("transform.gelu", rows * width, flops=GELU_FLOPS),
            Normalization("transform.norm", rows, width),
            Linear("head", rows, width, self.vocabulary, tied=True, quantized=False),
            CrossEntropy("loss", rows, self.vocabulary),
        )
