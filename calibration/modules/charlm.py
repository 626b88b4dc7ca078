"""The character language model in torch: one Recurrent Highway Network layer (Zilly et al. 2017).

At every character the state passes through `depth` highway micro-layers,

    h = tanh(W_h x [first] + R_h s + b_h),   t = sigmoid(W_t x [first] + R_t s + b_t)
    s' = h t + s (1 - t)

with both gates' matrices stacked, so that a micro-layer is one product and one pointwise kernel.
The whole recurrence is one autograd function with its backward pass written out: eager autograd
takes three times as many operators for the same step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from workloads.charlm import CharLM

# Zilly et al. start the transform gate at a negative bias, so that states are carried at first.
TRANSFORM_BIAS = -2.0


class _Recurrence(torch.autograd.Function):
    """States of every time step, shape (steps, batch, hidden), from a zero start."""

    @staticmethod
    def forward(ctx: Any, driven: Tensor, matrices: Tensor, biases: Tensor) -> Tensor:
        steps, batch, width = driven.shape
        depth, hidden = matrices.shape[0], width // 2
        states = driven.new_empty(steps * depth + 1, batch, hidden)
        states[0].zero_()
        gates = driven.new_empty(steps * depth, batch, width)
        transposed = [m.t() for m in matrices]
        for step in range(steps):
            for layer in range(depth):
                at = step * depth + layer
                gate = gates[at]
                torch.addmm(biases[layer], states[at], transposed[layer], out=gate)
                if layer == 0:
                    gate += driven[step]
                candidate, transform = gate[:, :hidden].tanh_(), gate[:, hidden:].sigmoid_()
                torch.lerp(states[at], candidate, transform, out=states[at + 1])
        ctx.save_for_backward(matrices, states, gates)
        return states[depth::depth]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        matrices, states, gates = ctx.saved_tensors
        upstream = gradients[0]
        steps, depth, hidden = upstream.shape[0], matrices.shape[0], upstream.shape[2]
        candidate, transform = gates[..., :hidden], gates[..., hidden:]
        # d(pre-activation) = d(state) x these factors, for all micro-layers at once.
        factors = torch.cat(
            (
                transform * (1 - candidate.square()),
                (candidate - states[:-1]) * transform * (1 - transform),
            ),
            dim=-1,
        )
        carry = 1 - transform
        state = torch.zeros_like(upstream[0])
        for at in range(steps * depth - 1, -1, -1):
            if at % depth == depth - 1:
                state = state + upstream[at // depth]
            factor = factors[at]
            factor[:, :hidden] *= state
            factor[:, hidden:] *= state
            state = torch.addmm(state * carry[at], factor, matrices[at % depth])
        # (depth, steps x batch, 2 hidden): one weight-gradient product per micro-layer, all steps.
        by_layer = _by_layer(factors, steps, depth)
        inputs = _by_layer(states[:-1], steps, depth)
        return factors[::depth], torch.bmm(by_layer.mT, inputs), by_layer.sum(1)


def _by_layer(values: Tensor, steps: int, depth: int) -> Tensor:
    """(steps x depth, batch, width) -> (depth, steps x batch, width)."""
    return values.view(steps, depth, *values.shape[1:]).transpose(0, 1).flatten(1, 2)


class CharModel(nn.Module):
    """Characters in, mean cross-entropy of the next character out (nats)."""

    def __init__(self, workload: CharLM, device: str | torch.device = "cpu") -> None:
        super().__init__()
        hidden, depth = workload.hidden, workload.depth
        self.embedding = nn.Embedding(workload.vocabulary, hidden, device=device)
        self.input = nn.Linear(hidden, 2 * hidden, bias=False, device=device)
        self.matrices = nn.Parameter(torch.empty(depth, 2 * hidden, hidden, device=device))
        self.biases = nn.Parameter(torch.zeros(depth, 2 * hidden, device=device))
        self.output = nn.Linear(hidden, workload.vocabulary, device=device)
        nn.init.uniform_(self.matrices, -(hidden**-0.5), hidden**-0.5)
        with torch.no_grad():
            self.biases[:, hidden:] = TRANSFORM_BIAS

    def forward(self, characters: Tensor, targets: Tensor) -> Tensor:
        """`characters`, `targets`: (steps, batch) integers."""
        return functional.cross_entropy(self._logits(characters), targets.flatten())

    def losses(self, characters: Tensor, targets: Tensor) -> Tensor:
        """The loss of each character, (steps, batch)."""
        losses = functional.cross_entropy(
            self._logits(characters), targets.flatten(), reduction="none"
        )
        return losses.view_as(targets)

    def _logits(self, characters: Tensor) -> Tensor:
        driven = self.input(self.embedding(characters))
        # Under automatic mixed precision the input's product is narrow, and so is the recurrence.
        weights = (self.matrices.to(driven.dtype), self.biases.to(driven.dtype))
        states = _Recurrence.apply(driven, *weights)  # type: ignore[no-untyped-call]
        return self.output(states.flatten(0, 1))  # type: ignore[no-any-return]


def build(workload: CharLM, device: str | torch.device = "cpu") -> nn.Module:
    return CharModel(workload, device)


def example(
    workload: CharLM, batch: int, device: str | torch.device = "cpu"
) -> tuple[Tensor, Tensor]:
    """Random characters and targets, each (sequence, batch)."""
    shape = (workload.sequence, batch)
    text = torch.randint(workload.vocabulary, (2, *shape), device=device)
    return text[0], text[1]
