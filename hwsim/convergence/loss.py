"""Loss as a function of model size and steps or tokens, and its inverse: how many to a fixed loss.

    L(N, X) = E + A N^-a + B X^-b          X(N, L) = (B / (L - E - A N^-a))^(1/b)

X is optimizer steps or tokens, N parameters, loss in nats a token. The inverse has a pole at the
smallest feasible size, where E + A N^-a = L: there and below X is infinite, and far above it X
falls to a plateau. Arguments are numbers or arrays.

The published laws hold for the texts, tokenizers and parameter counts of their papers: their loss
is not another corpus's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from hwsim.convergence import batch

Values = float | npt.NDArray[np.float64]


def steps_at(loss: Values, floor: Values, amplitude: Values, exponent: Values) -> Values:
    """(B / (L - L_floor))^(1/b), infinite at and below the floor.

    >>> round(float(steps_at(3.0, floor=2.5, amplitude=50.0, exponent=0.5)), 6)
    10000.0
    >>> float(steps_at(2.5, floor=2.5, amplitude=50.0, exponent=0.5))
    inf
    """
    gap = np.asarray(loss - np.asarray(floor), dtype=float)
    with np.errstate(divide="ignore", over="ignore"):
        ratio = np.where(gap > 0.0, amplitude / np.where(gap > 0.0, gap, 1.0), np.inf)
        return np.asarray(ratio ** (1.0 / np.asarray(exponent)))


@dataclass(frozen=True)
class LossLaw:
    """A published L(N, X) with its parameters E, A, a, B, b.

    `unit` is that of X; `errors` are the published standard errors of the parameters by name
    (correlated: one alone says little); `sizes` and `range` are the smallest and largest N and X
    that were trained, None where the paper doesn't say; `citation` is the paper.
    """

    name: str
    citation: str
    unit: Literal["steps", "tokens"]
    E: float
    A: float
    a: float
    B: float
    b: float
    sizes: tuple[float, float]
    range: tuple[float, float] | None
    errors: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""

    def loss(self, size: Values, amount: Values) -> Values:
        """L(N, X), nats a token."""
        return self.floor(size) + self.B * amount**-self.b

    def floor(self, size: Values) -> Values:
        """E + A N^-a: what a model reaches with endless training."""
        return self.E + self.A * size**-self.a

    def needed(self, size: Values, loss: Values) -> Values:
        """X(N, L), infinite for models that never reach the loss."""
        return steps_at(loss, self.floor(size), self.B, self.b)

    def smallest(self, loss: Values) -> Values:
        """The pole: the size below which the loss is never reached; infinite if L <= E."""
        return steps_at(loss, self.E, self.A, self.a)


KAPLAN = LossLaw(
    name="kaplan2020",
    citation="Kaplan et al. 2020, Scaling Laws for Neural Language Models, arXiv 2001.08361",
    unit="steps",
    E=0.0,
    A=6.5e13**0.077,
    a=0.077,
    B=2.1e3**0.76,
    b=0.76,
    sizes=(768.0, 1.5e9),
    range=None,
    remark="N without embeddings; least steps, at batches far above the critical one; WebText2",
)
HOFFMANN = LossLaw(
    name="hoffmann2022",
    citation="Hoffmann et al. 2022, Training Compute-Optimal Large Language Models, "
    "arXiv 2203.15556, approach 3",
    unit="tokens",
    E=1.69,
    A=406.4,
    a=0.34,
    B=410.7,
    b=0.28,
    sizes=(7e7, 1.6e10),
    range=(5e9, 5e11),
    remark="MassiveText",
)
BESIROGLU = LossLaw(
    name="besiroglu2024",
    citation="Besiroglu et al. 2024, Chinchilla Scaling: A replication attempt, arXiv 2404.10102",
    unit="tokens",
    E=1.8172,
    A=482.01,
    a=0.3478,
    B=2085.43,
    b=0.3658,
    sizes=(7e7, 1.6e10),
    range=(5e9, 5e11),
    errors={"E": 0.03, "A": 124.58, "a": 0.02, "B": 1293.23, "b": 0.02},
    remark="fitted again to Hoffmann et al.'s points, as read from a figure, without five outliers",
)
PUBLISHED = {law.name: law for law in (KAPLAN, HOFFMANN, BESIROGLU)}


def kaplan_critical(loss: Values) -> Values:
    """B_crit(L) = 2e8 / L^(1/0.21) tokens (Kaplan et al. 2020, section 5.1).

    >>> round(float(kaplan_critical(3.0)) / 1e6, 2)
    1.07
    """
    return 2e8 / loss ** (1.0 / 0.21)


def kaplan_steps(size: Values, loss: Values, batch_tokens: Values) -> Values:
    """Steps of Kaplan's law at a batch, S_min(N, L) (1 + B_crit(L) / B), B in tokens.

    >>> round(float(KAPLAN.needed(1e9, 3.5)), -2), round(float(kaplan_steps(1e9, 3.5, 5e5)), -2)
    (1700.0, 3500.0)
    """
    return batch.steps(batch_tokens, KAPLAN.needed(size, loss), kaplan_critical(loss))
