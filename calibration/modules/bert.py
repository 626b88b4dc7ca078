"""BERT in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from calibration.modules.transformer import DROPPED, dropped, eager, fused
from workloads.bert import SEGMENTS, Bert


class Block(nn.Module):
    """norm(x + attention(x)), then the same with the feed-forward network."""

    def __init__(self, workload: Bert, device: str | torch.device) -> None:
        super().__init__()
        hidden, ffn = workload.hidden, workload.ffn or 4 * workload.hidden
        self.heads, self.rate = workload.heads, DROPPED if workload.dropout else 0.0
        self.attend = fused if workload.attention == "fused" else eager
        self.qkv = nn.Linear(hidden, 3 * hidden, device=device)
        self.projection = nn.Linear(hidden, hidden, device=device)
        self.attention_norm = nn.LayerNorm(hidden, device=device)
        self.up = nn.Linear(hidden, ffn, device=device)
        self.down = nn.Linear(ffn, hidden, device=device)
        self.norm = nn.LayerNorm(hidden, device=device)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(x).chunk(3, -1)
        )
        mixed = self.attend(q, k, v, False, self.rate).transpose(1, 2).flatten(2)
        x = self.attention_norm(x + dropped(self.projection(mixed), self.rate))
        inner = functional.gelu(self.up(x), approximate="tanh")
        out: Tensor = self.norm(x + dropped(self.down(inner), self.rate))
        return out


class BertModel(nn.Module):
    """Tokens in, mean cross-entropies of the masked words and of the next sentence out (nats)."""

    def __init__(self, workload: Bert, device: str | torch.device = "cpu") -> None:
        super().__init__()
        hidden, vocabulary = workload.hidden, workload.vocabulary
        self.rate = DROPPED if workload.dropout else 0.0
        self.embedding = nn.Embedding(vocabulary, hidden, device=device)
        self.positions = nn.Embedding(workload.sequence, hidden, device=device)
        self.segments = nn.Embedding(SEGMENTS, hidden, device=device)
        self.embedding_norm = nn.LayerNorm(hidden, device=device)
        self.blocks = nn.Sequential(*(Block(workload, device) for _ in range(workload.layers)))
        self.pooler = nn.Linear(hidden, hidden, device=device)
        self.next = nn.Linear(hidden, SEGMENTS, device=device)
        self.transform = nn.Linear(hidden, hidden, device=device)
        self.transform_norm = nn.LayerNorm(hidden, device=device)
        self.head = nn.Linear(hidden, vocabulary, device=device)
        for table in (self.embedding, self.positions, self.segments):
            nn.init.normal_(table.weight, std=0.02)
        self.head.weight = self.embedding.weight

    def forward(
        self, tokens: Tensor, segments: Tensor, masked: Tensor, words: Tensor, follows: Tensor
    ) -> Tensor:
        """`tokens`, `segments`: (batch, positions); `masked`: (batch, predictions) positions of
        `words`; `follows`: (batch,); all of integers."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens) + self.positions(places) + self.segments(segments)
        x = self.blocks(dropped(self.embedding_norm(x), self.rate))
        pooled = self.next(torch.tanh(self.pooler(x[:, 0])))
        chosen = x.gather(1, masked.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        shaped = functional.gelu(self.transform(chosen), approximate="tanh")
        logits = self.head(self.transform_norm(shaped))
        found = functional.cross_entropy(logits.flatten(0, 1), words.flatten())
        return found + functional.cross_entropy(pooled, follows)


def build(workload: Bert, device: str | torch.device = "cpu") -> nn.Module:
    return BertModel(workload, device)


def example(
    workload: Bert, batch: int, device: str | torch.device = "cpu"
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Random tokens, segments, masked positions with their words, and what follows."""

    def random(most: int, *shape: int) -> Tensor:
        return torch.randint(most, shape, device=device)

    positions, predictions = workload.positions, workload.predictions
    return (
        random(workload.vocabulary, batch, positions),
        random(SEGMENTS, batch, positions),
        random(positions, batch, predictions),
        random(workload.vocabulary, batch, predictions),
        random(SEGMENTS, batch),
    )
