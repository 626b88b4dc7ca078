"""What the last layer's output is judged by."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.graph.ops.kernel import Kernel, Op

# Maximum, difference, exponential, sum, and the log taken off.
LOG_SOFTMAX_FLOPS = 5
# A log-sum of three: maximum (2), differences (3), exponentials (3), sum (2), log, maximum back,
# and the frame's log-probability.
CTC_STATE_FLOPS = 13


@dataclass(frozen=True, slots=True)
class CrossEntropy(Op):
    """Mean cross-entropy of `rows` predictions over `classes`: log-softmax, then a look-up.

    >>> CrossEntropy("loss", rows=6, classes=10).saved
    66
    """

    name: str
    rows: int
    classes: int

    @property
    def parameters(self) -> int:
        return 0

    @property
    def saved(self) -> float:
        return self.rows * self.classes + self.rows

    def forward(self) -> tuple[Kernel, ...]:
        size = self.rows * self.classes
        return (
            Kernel(f"{self.name}.log_softmax", "vector", LOG_SOFTMAX_FLOPS * size, 2 * size),
            Kernel(f"{self.name}.lookup", "vector", self.rows, 2 * self.rows),
        )

    def backward(self) -> tuple[Kernel, ...]:
        size = self.rows * self.classes
        return (Kernel(f"{self.name}.backward", "vector", 3 * size, 2 * size + self.rows),)


@dataclass(frozen=True, slots=True)
class CTC(Op):
    """Connectionist temporal classification (Graves et al. 2006), log-softmax included.

    Each frame's forward variables over 2 labels + 1 states need those of the frame before, so
    the recursion has `frames` sequential steps; so has its backward counterpart.

    >>> CTC("ctc", batch=2, frames=50, labels=10, classes=29).forward()[1].repeat
    50
    """

    name: str
    batch: int
    frames: int
    labels: int
    classes: int

    @property
    def parameters(self) -> int:
        return 0

    @property
    def saved(self) -> float:
        return self._predictions + self.frames * self._states

    def forward(self) -> tuple[Kernel, ...]:
        size = self._predictions
        return (
            Kernel(f"{self.name}.log_softmax", "vector", LOG_SOFTMAX_FLOPS * size, 2 * size),
            self._recursion("alpha"),
        )

    def backward(self) -> tuple[Kernel, ...]:
        size, states = self._predictions, self.frames * self._states
        return (
            self._recursion("beta"),
            # The states' posteriors summed into their labels, then through the log-softmax.
            Kernel(f"{self.name}.backward", "vector", 3 * states + 3 * size, 2 * states + 2 * size),
        )

    @property
    def _predictions(self) -> int:
        return self.batch * self.frames * self.classes

    @property
    def _states(self) -> int:
        return self.batch * (2 * self.labels + 1)

    def _recursion(self, part: str) -> Kernel:
        """Reads a frame's states and log-probabilities, writes the next frame's states."""
        flops, elements = CTC_STATE_FLOPS * self._states, 3 * self._states
        name = f"{self.name}.{part}"
        return Kernel(name, "vector", flops, elements, repeat=self.frames, sequential=True)
