"""Word language model: stacked LSTM layers over the most frequent words."""

from __future__ import annotations

from typing import ClassVar

from hwsim.graph.ops import CrossEntropy, Embedding, Linear
from hwsim.graph.recurrent import LSTM
from hwsim.graph.step import Layer
from hwsim.graph.workload import Count, Flag, Label, Rate, Workload


class WordLM(Workload):
    """A word language model: stacked LSTM layers of equal width.

    From Ardalani and Hestness: 2 layers, sequence 80, the 10,000 most frequent words of the One
    Billion Word benchmark, and 0.1 % of its 768 million words as the smallest training set. The
    model is that of Jozefowicz et al. 2016 (arXiv 1602.02410). The paper doesn't state a width:
    hidden 2004 is that of the graph which Hestness et al. (PPoPP 2019, Catamount) published for
    this model. An embedding as wide, no projection and no dropout are assumed. So is ``tied`` (one
    matrix for input and output embedding): with it their 481 FLOPs per parameter, sample and step
    are met at finite width, without it only in the limit.

    >>> WordLM().graph().parameters
    84338320
    """

    name: ClassVar[str] = "wordlm"
    unit: ClassVar[str] = "words"
    law: ClassVar[str | None] = "wordlm-small"
    assumed: ClassVar[dict[str, str]] = {
        "tied": "with it the published FLOPs per parameter are met at finite width"
    }
    setting_fields: ClassVar[tuple[str, ...]] = (
        "layers",
        "sequence",
        "vocabulary",
        "tied",
        *Workload.setting_fields,
    )

    hidden: Count = 2004
    layers: Count = 2
    sequence: Count = 80
    vocabulary: Count = 10_000
    tied: Flag = True
    dataset: Count = 768_000
    corpus: Label = "billion-word"

    @property
    def items_per_sample(self) -> int:
        return self.sequence

    def build(self, batch: int) -> tuple[Layer, ...]:
        return self.build_chunk(batch, self.sequence, carried=False)

    def build_chunk(self, batch: int, steps: int, carried: bool) -> tuple[Layer, ...]:
        tokens, hidden = batch * steps, self.hidden
        width = tokens * hidden
        return (
            Layer(
                "embedding",
                (Embedding("embedding", tokens, self.vocabulary, hidden),),
                output=width,
            ),
            Layer(
                "lstm",
                (LSTM("lstm", batch, steps, hidden, hidden, carried=carried),),
                repeat=self.layers,
                output=width,
            ),
            Layer(
                "output",
                (
                    Linear(
                        "softmax",
                        tokens,
                        hidden,
                        self.vocabulary,
                        tied=self.tied,
                        quantized=False,
                    ),
                    CrossEntropy("loss", tokens, self.vocabulary),
                ),
            ),
        )


class WordLMSmall(WordLM):
    """wordlm at sizes that a CPU trains: the setting of the measured runs.

    Trained on the 2,000 most frequent words of public-domain English prose and verse.

    >>> WordLMSmall().graph().parameters
    196560
    """

    name: ClassVar[str] = "wordlm-small"
    family: ClassVar[str | None] = "wordlm"

    batch: Count = 16
    hidden: Count = 64
    sequence: Count = 20
    vocabulary: Count = 2_000
    dataset: Count = 25_000
    learning_rate: Rate = 3e-3
    corpus: Label = "public_domain_en.txt"
