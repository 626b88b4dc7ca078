"""The gradient noise scale: the batch beyond which a larger one stops saving steps, as gradients
say it (McCandlish et al. 2018, arXiv 1812.06162, appendix A.1).

    B_noise = tr(S) / |G|^2

S is the covariance of the gradient of one sample, G the mean gradient. Both follow without bias
from the squared norms of the gradients of small batches (b samples) and of their mean (B samples).
"""

from __future__ import annotations

from collections import deque

import torch

from calibration.converge.tasks import Task

PIECES = 4
MEMORY = 5  # measurements that one figure is the mean of: a single one is mostly noise


class NoiseScale:
    """`measure()` at some evaluations; the figure is the ratio of means over the last few."""

    def __init__(self, task: Task, batch: int, seed: int) -> None:
        self.task, self.piece = task, max(batch // PIECES, 1)
        # Its own generator: measuring must not change what the run is trained on.
        self.random = torch.Generator().manual_seed(seed)
        self.traces: deque[float] = deque(maxlen=MEMORY)
        self.squares: deque[float] = deque(maxlen=MEMORY)

    def measure(self) -> float | None:
        """Samples; None while the estimate of the squared gradient is not positive."""
        model = self.task.model
        parameters = list(model.parameters())
        small, mean = 0.0, [torch.zeros_like(p) for p in parameters]
        model.eval()  # a captured step knows one batch size only
        for _ in range(PIECES):
            loss = self.task.loss(self.task.batch(self.piece, self.random))
            gradients = torch.autograd.grad(loss, parameters)
            small += squared(gradients) / PIECES
            for total, gradient in zip(mean, gradients, strict=True):
                total.add_(gradient, alpha=1.0 / PIECES)
        model.train()
        trace, square = estimates(small, squared(mean), self.piece, PIECES * self.piece)
        self.traces.append(trace)
        self.squares.append(square)
        above, below = sum(self.traces), sum(self.squares)
        return above / below if above > 0.0 and below > 0.0 else None


def squared(tensors: list[torch.Tensor] | tuple[torch.Tensor, ...]) -> float:
    """The squared norm of all tensors together."""
    return float(sum(t.square().sum() for t in tensors))


def estimates(small: float, large: float, b: int, many: int) -> tuple[float, float]:
    """tr(S) and |G|^2 from squared norms at batches of `b` and `many` samples.

        tr(S) = (small - large) / (1/b - 1/B),   |G|^2 = (B large - b small) / (B - b)

    >>> estimates(small=1.0 + 12.0 / 4, large=1.0 + 12.0 / 16, b=4, many=16)
    (12.0, 1.0)
    """
    trace = (small - large) / (1.0 / b - 1.0 / many)
    return trace, (many * large - b * small) / (many - b)
