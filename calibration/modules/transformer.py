"""The decoder-only transformer in torch."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional

from workloads.transformer import Transformer

ROTARY_BASE = 10_000.0
DROPPED = 0.1


def rotate(x: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021) of x (batch, heads, sequence, head_dim)."""
    half = x.shape[-1] // 2
    rates = ROTARY_BASE ** -(torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = torch.outer(torch.arange(x.shape[-2], device=x.device, dtype=torch.float32), rates)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    left, right = x[..., :half], x[..., half:]
    return torch.cat((left * cosine - right * sine, right * cosine + left * sine), dim=-1)


def dropped(x: Tensor, rate: float) -> Tensor:
    return functional.dropout(x, rate) if rate else x


def eager(q: Tensor, k: Tensor, v: Tensor, causal: bool, rate: float = 0.0) -> Tensor:
    """Attention with its scores in memory; q (batch, heads, sequence, head_dim)."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores: Tensor = (q * q.shape[-1] ** -0.5) @ k.mT
    if causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    return torch.matmul(dropped(scores.softmax(-1), rate), v)


def fused(q: Tensor, k: Tensor, v: Tensor, causal: bool, rate: float = 0.0) -> Tensor:
    """Attention in one kernel.

    On the meta device the kernel is named outright, because torch would choose the path of separate
    products there, which an accelerator does not take: flash, or cuDNN's where values are narrower
    than keys.
    """
    if q.is_meta and q.shape[-1] != v.shape[-1]:
        cudnn = torch.ops.aten._scaled_dot_product_cudnn_attention
        narrower: Tensor = cudnn(q, k, v, None, True, rate, causal)[0]
        return narrower
    if q.is_meta:
        flash = torch.ops.aten._scaled_dot_product_flash_attention
        out: Tensor = flash(q, k, v, rate, causal)[0]
        return out
    return functional.scaled_dot_product_attention(
        q, k, v, dropout_p=rate, is_causal=causal, enable_gqa=k.shape[1] != q.shape[1]
    )


def activated(inner: Tensor, gated: bool) -> Tensor:
    if not gated:
        return functional.gelu(inner, approximate="tanh")
    gate, value = inner.chunk(2, -1)
    return functional.silu(gate) * value


class Projection(nn.Module):
    """Queries, keys and values (batch, heads, sequence, units) from one product."""

    def __init__(self, workload: Transformer, device: str | torch.device) -> None:
        super().__init__()
        self.widths = (workload.query_width, workload.kv_width, workload.kv_width)
        self.head_width, self.rotary = workload.head_width, workload.positions == "rotary"
        self.qkv = nn.Linear(workload.hidden, sum(self.widths), workload.bias, device=device)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = (
            part.unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for part in self.qkv(x).split(self.widths, -1)
        )
        return (rotate(q), rotate(k), v) if self.rotary else (q, k, v)


class LatentProjection(nn.Module):
    """The same by way of latent features; a rotated part of the keys is that of all heads."""

    def __init__(self, workload: Transformer, device: str | torch.device) -> None:
        super().__init__()
        query_rank, kv_rank = workload.query_rank or 0, workload.kv_rank or 0
        width, turned, bias = workload.head_width, workload.rotary_dim or 0, workload.bias
        self.heads, self.width, self.turned = workload.heads, width, turned
        self.latent = (query_rank, kv_rank, turned)
        self.down = nn.Linear(workload.hidden, sum(self.latent), bias, device=device)
        self.query_norm = nn.RMSNorm(query_rank, device=device)
        self.kv_norm = nn.RMSNorm(kv_rank, device=device)
        self.query_up = nn.Linear(query_rank, self.heads * (width + turned), bias, device=device)
        self.kv_up = nn.Linear(kv_rank, 2 * self.heads * width, bias, device=device)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, kv, shared = self.down(x).split(self.latent, -1)
        q, kv = (
            up.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for up in (self.query_up(self.query_norm(query)), self.kv_up(self.kv_norm(kv)))
        )
        plain, turning = q.split((self.width, self.turned), -1)
        k, v = kv.chunk(2, -1)
        same = rotate(shared.unsqueeze(1)).expand(-1, self.heads, -1, -1)
        return torch.cat((plain, rotate(turning)), -1), torch.cat((k, same), -1), v


class FeedForward(nn.Module):
    """Two products with an activation between them."""

    def __init__(self, workload: Transformer, width: int, device: str | torch.device) -> None:
        super().__init__()
        hidden, bias = workload.hidden, workload.bias
        self.gated = workload.gated
        self.up = nn.Linear(hidden, 2 * width if self.gated else width, bias, device=device)
        self.down = nn.Linear(width, hidden, bias, device=device)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(activated(self.up(x), self.gated))
        return out


class Experts(nn.Module):
    """Each token through the networks that a router chooses, and a shared one.

    Routing is balanced by force: tokens in the order of their experts are cut into equal groups.
    """

    def __init__(self, workload: Transformer, device: str | torch.device) -> None:
        super().__init__()
        experts, width, hidden = workload.experts or 1, workload.expert_width, workload.hidden
        inner = 2 * width if workload.gated else width
        self.topk, self.gated = workload.topk, workload.gated
        self.router = nn.Linear(hidden, experts, bias=False, device=device)
        self.up = nn.Parameter(torch.randn(experts, hidden, inner, device=device) * hidden**-0.5)
        self.down = nn.Parameter(torch.randn(experts, width, hidden, device=device) * width**-0.5)
        self.biases = nn.ParameterList(
            torch.zeros(experts, 1, size, device=device)
            for size in ((inner, hidden) if workload.bias else ())
        )
        shared = workload.shared_experts * width
        self.shared = FeedForward(workload, shared, device) if shared else None

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(0, -2)
        weights, chosen = self.router(tokens).softmax(-1).topk(self.topk)
        order = chosen.flatten().argsort(stable=True)
        experts, copies = len(self.up), order.numel()
        rows = ceil(copies / experts)
        padding = (0, 0, 0, experts * rows - copies)
        source = order // self.topk
        routed, scale = (
            functional.pad(part, padding).view(experts, rows, -1)
            for part in (tokens[source], weights.flatten()[order].unsqueeze(1))
        )
        up_bias, down_bias = self.biases or (0.0, 0.0)
        inner = activated(routed @ self.up + up_bias, self.gated) * scale
        out = (inner @ self.down + down_bias).flatten(0, 1)[:copies]
        mixed = torch.zeros_like(tokens).index_add(0, source, out).view_as(x)
        return mixed if self.shared is None else mixed + self.shared(x)


class Block(nn.Module):
    """x + attention(norm(x)), then the same with the feed-forward network or the experts."""

    def __init__(self, workload: Transformer, device: str | torch.device, routed: bool) -> None:
        super().__init__()
        hidden, queries, bias = workload.hidden, workload.query_width, workload.bias
        self.causal = workload.causal
        self.rate = DROPPED if workload.dropout else 0.0
        self.attend = fused if workload.attention == "fused" else eager
        self.attention_norm = norm(workload, device)
        kind = Projection if workload.kv_rank is None else LatentProjection
        self.qkv = kind(workload, device)
        self.projection = nn.Linear(queries, hidden, bias, device=device)
        self.ffn_norm = norm(workload, device)
        self.ffn = (
            Experts(workload, device)
            if routed
            else FeedForward(workload, workload.ffn_width, device)
        )

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.attention_norm(x))
        mixed = self.attend(q, k, v, self.causal, self.rate).transpose(1, 2).flatten(2)
        x = x + dropped(self.projection(mixed), self.rate)
        return x + dropped(self.ffn(self.ffn_norm(x)), self.rate)


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
        dense = workload.layers if workload.experts is None else workload.dense_layers
        self.blocks = nn.Sequential(
            *(Block(workload, device, layer >= dense) for layer in range(workload.layers))
        )
        self.rate = DROPPED if workload.dropout else 0.0
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
        logits = self.head(self.norm(self.blocks(dropped(x, self.rate))))
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
