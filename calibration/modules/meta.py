"""Shapes of torch's CTC loss on the meta device, for which torch itself registers none."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor


def _loss(log_probs: Tensor, targets: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    """One loss per sample, and its forward variables: (batch, frames, 2 labels + 1)."""
    frames, batch = log_probs.shape[0], log_probs.shape[1]
    longest = targets.shape[1] if targets.dim() == 2 else targets.shape[0]
    states = log_probs.new_empty(batch, frames, 2 * longest + 1)
    return log_probs.new_empty(batch), states


def _gradient(_: Tensor, log_probs: Tensor, *__: Any) -> Tensor:
    return torch.empty_like(log_probs)


@cache
def register() -> None:
    """Teaches torch these shapes, once for a process."""
    for overload in ("", ".Tensor"):
        torch.library.impl(f"aten::_ctc_loss{overload}", "meta", _loss)
        torch.library.impl(f"aten::_ctc_loss_backward{overload}", "meta", _gradient)
