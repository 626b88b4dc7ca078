"""The word language model in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from workloads.wordlm import WordLM


class WordModel(nn.Module):
    """Words in, mean cross-entropy of the next word out (nats)."""

    def __init__(self, workload: WordLM, device: str | torch.device = "cpu") -> None:
        super().__init__()
        hidden, vocabulary = workload.hidden, workload.vocabulary
        self.embedding = nn.Embedding(vocabulary, hidden, device=device)
        self.lstm = nn.LSTM(hidden, hidden, workload.layers, device=device)
        self.output = nn.Linear(hidden, vocabulary, device=device)
        # Small enough that a tied table gives nearly even predictions at first.
        nn.init.normal_(self.embedding.weight, std=hidden**-0.5)
        if workload.tied:
            self.output.weight = self.embedding.weight

    def forward(self, words: Tensor, targets: Tensor) -> Tensor:
        """`words`, `targets`: (steps, batch) integers."""
        return functional.cross_entropy(self._logits(words), targets.flatten())

    def losses(self, words: Tensor, targets: Tensor) -> Tensor:
        """The loss of each word, (steps, batch)."""
        losses = functional.cross_entropy(self._logits(words), targets.flatten(), reduction="none")
        return losses.view_as(targets)

    def _logits(self, words: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(words))
        return self.output(states.flatten(0, 1))  # type: ignore[no-any-return]


def build(workload: WordLM, device: str | torch.device = "cpu") -> nn.Module:
    return WordModel(workload, device)


def example(
    workload: WordLM, batch: int, device: str | torch.device = "cpu"
) -> tuple[Tensor, Tensor]:
    """Random words and targets, each (sequence, batch)."""
    shape = (workload.sequence, batch)
    text = torch.randint(workload.vocabulary, (2, *shape), device=device)
    return text[0], text[1]
