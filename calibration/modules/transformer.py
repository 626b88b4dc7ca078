"""The decoder-only transformer in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from workloads.transformer import Transformer

ROTARY_BASE = 10_000.0


def rotate(x: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021) of x (batch, heads, sequence, head_dim)."""
    half = x.shape[-1] // 2
    rates = ROTARY_BASE ** -(torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = torch.outer(torch.arange(x.shape[-2], device=x.device, dtype=torch.float32), rates)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    left, right = x[..., :half], x[..., half:]
    return torch.cat((left * cosine - right * sine, right * cosine + left * sine), dim=-1)


def eager(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Attention with its scores in memory; q (batch, heads, sequence, head_dim)."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores: Tensor = (q * q.shape[-1] ** -0.5) @ k.mT
    if causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    return torch.matmul(scores.softmax(-1), v)


def fused(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Attention in one kernel.

    On the meta device the flash kernel is named outright, because torch would choose the path of
    separate products there, which an accelerator does not take.
    """
    if q.is_meta:
        flash = torch.ops.aten._scaled_dot_product_flash_attention
        out: Tensor = flash(q, k, v, 0.0, causal)[0]
        return out
    return functional.scaled_dot_product_attention(
        q, k, v, is_causal=causal, enable_gqa=k.shape[1] != q.shape[1]
    )


class Block(nn.Module):
    """x + attention(norm(x)), then the same with the feed-forward network."""

    def __init__(self, workload: Transformer, device: str | torch.device) -> None:
        super().__init__()
        hidden, ffn, bias = workload.hidden, workload.ffn_width, workload.bias
        self.head_dim, self.causal, self.gated = workload.head_dim, workload.causal, workload.gated
        self.widths = (hidden, workload.kv_width, workload.kv_width)
        self.rotary = workload.positions == "rotary"
        self.attend = fused if workload.attention == "fused" else eager
        self.attention_norm = norm(workload, device)
        self.qkv = nn.Linear(hidden, sum(self.widths), bias, device=device)
        self.projection = nn.Linear(hidden, hidden, bias, device=device)
        self.ffn_norm = norm(workload, device)
        self.up = nn.Linear(hidden, 2 * ffn if self.gated else ffn, bias, device=device)
        self.down = nn.Linear(ffn, hidden, bias, device=device)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for part in self.qkv(self.attention_norm(x)).split(self.widths, -1)
        )
        if self.rotary:
            q, k = rotate(q), rotate(k)
        mixed = self.attend(q, k, v, self.causal).transpose(1, 2).flatten(2)
        x = x + self.projection(mixed)
        inner = self.up(self.ffn_norm(x))
        if self.gated:
            gate, value = inner.chunk(2, -1)
            inner = functional.silu(gate) * value
        else:
            inner = functional.gelu(inner, approximate="tanh")
        out: Tensor = x + self.down(inner)
        return out


class TransformerModel(nn.Module):
    """Tokens in, mean cross-entropy of the next token out (nats)."""

    def __init__(self, workload: Transformer, device: str | torch.device = "cpu") -> None:
        super().__init__()
        hidden, vocabulary = workload.hidden, workload.vocabulary
        self.embedding = nn.Embedding(vocabulary, hidden, device=device)
        self.positions = (
            nn.Embedding(workload.sequence, hidden, device=device)
            if workload.positions == "learned"
            else None
        )
        self.blocks = nn.Sequential(*(Block(workload, device) for _ in range(workload.layers)))
        self.norm = norm(workload, device)
        self.head = nn.Linear(hidden, vocabulary, bias=False, device=device)
        for table in (self.embedding, self.positions):
            if table is not None:
                nn.init.normal_(table.weight, std=0.02)
        if workload.tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """`tokens`, `targets`: (batch, sequence) integers."""
        x = self.embedding(tokens)
        if self.positions is not None:
            x = x + self.positions.weight[: tokens.shape[1]]
        logits = self.head(self.norm(self.blocks(x)))
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def norm(workload: Transformer, device: str | torch.device) -> nn.Module:
    if workload.norm == "rmsnorm":
        return nn.RMSNorm(workload.hidden, device=device)
    return nn.LayerNorm(workload.hidden, bias=workload.bias, device=device)


def build(workload: Transformer, device: str | torch.device = "cpu") -> nn.Module:
    return TransformerModel(workload, device)


def example(
    workload: Transformer, batch: int, device: str | torch.device = "cpu"
) -> tuple[Tensor, Tensor]:
    """Random tokens and targets, each (batch, sequence)."""
    text = torch.randint(workload.vocabulary, (2, batch, workload.sequence), device=device)
    return text[0], text[1]
