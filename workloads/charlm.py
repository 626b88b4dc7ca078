"""Character language model: one Recurrent Highway Network layer."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from hwsim.graph.ops import CrossEntropy, Embedding, Linear
from hwsim.graph.recurrent import RHN
from hwsim.graph.step import Layer
from hwsim.graph.workload import Count, Label, Workload


class CharLM(Workload):
    """A character language model: one deep Recurrent Highway Network layer.

    Embedding, RHN of `depth` micro-layers, softmax over characters. From Ardalani and Hestness
    ("Have a Larger Cake and Eat it Faster Too"): depth 10, sequence 150, batch 128, Adam at 1e-3,
    and 348,000 characters, their smallest training set: 0.01 % of the 3.48e9 of the One Billion
    Word benchmark. The paper doesn't state a width: hidden 2004 is that of the graph which
    Hestness et al. (PPoPP 2019, Catamount) published for this model. The vocabulary of 98 is
    assumed, as are an embedding as wide as the layer, coupled gates and no dropout (Zilly et al.
    2017, arXiv 1607.03474).

    >>> CharLM().graph().parameters
    88785314
    """

    name: ClassVar[str] = "charlm"
    unit: ClassVar[str] = "characters"
    law: ClassVar[str | None] = "charlm-small"
    assumed: ClassVar[dict[str, str]] = {"vocabulary": "the paper states none"}
    setting_fields: ClassVar[tuple[str, ...]] = (
        "depth",
        "sequence",
        "vocabulary",
        *Workload.setting_fields,
    )

    hidden: Count = 2004
    depth: Count = 10
    sequence: Count = 150
    vocabulary: Count = 98
    dataset: Count = 348_000
    corpus: Label = "billion-word"

    @property
    def items_per_sample(self) -> int:
        return self.sequence

    def build(self, batch: int) -> tuple[Layer, ...]:
        return self.build_chunk(batch, self.sequence, carried=False)

    def build_chunk(self, batch: int, steps: int, carried: bool) -> tuple[Layer, ...]:
        """The layers; the gradient of the first state is computed whether `carried` or not.

        A chunk of one step has each micro-layer by itself, so that a pipeline can be cut between.
        """
        del carried
        tokens, hidden = batch * steps, self.hidden
        width = tokens * hidden
        whole = RHN("rhn", batch, steps, hidden, hidden, self.depth)
        recurrence = [Layer("recurrence", (whole,), output=width)]
        if self.rings(steps):
            first = replace(whole, depth=1)
            later = replace(first, inputs=0, input_gradient=False)
            recurrence = [Layer("micro-layer.first", (first,), output=width)]
            if self.depth > 1:
                recurrence.append(Layer("micro-layer", (later,), self.depth - 1, output=width))
        return (
            Layer(
                "embedding",
                (Embedding("embedding", tokens, self.vocabulary, hidden),),
                output=width,
            ),
            *recurrence,
            Layer(
                "output",
                (
                    Linear("softmax", tokens, hidden, self.vocabulary, quantized=False),
                    CrossEntropy("loss", tokens, self.vocabulary),
                ),
            ),
        )

    def rings(self, steps: int) -> bool:
        return steps == 1 < self.sequence


class CharLMSmall(CharLM):
    """charlm at sizes that a CPU trains: the setting of the measured runs.

    Trained on the help topics of the Python documentation (`pydoc_data.topics` of CPython 3.11,
    repeated paragraphs removed), whose 103 characters are the vocabulary.

    >>> CharLMSmall().graph().parameters
    38119
    """

    name: ClassVar[str] = "charlm-small"
    family: ClassVar[str | None] = "charlm"

    batch: Count = 32
    hidden: Count = 64
    depth: Count = 2
    sequence: Count = 30
    vocabulary: Count = 103
    dataset: Count = 25_000
    corpus: Label = "pydoc-topics"
