"""Published laws of the loss of transformers, solved for the steps to a loss.

    L = E + A / N^a + B / T^b

N parameters, T tokens seen (Hoffmann et al.) or least steps taken (Kaplan et al.). A loss below the
floor E + A / N^a is never reached by N parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hwsim.convergence.batch import steps
from hwsim.convergence.law import DRAWS, PER_LOG_UNIT, SEED, Steps, interval, outside
from hwsim.convergence.loss import steps_at
from hwsim.errors import InputError
from hwsim.graph.ops import Embedding
from hwsim.graph.step import StepGraph
from hwsim.graph.workload import Workload

WHERE = "--target-loss"
MODEL = "transformer"


@dataclass(frozen=True)
class Critical:
    """The critical batch in tokens at a loss L: scale / L^(1 / exponent)."""

    scale: float
    exponent: float

    def at(self, loss: float) -> float:
        """
        >>> round(Critical(2e8, 0.21).at(3.0) / 1e6, 2)
        1.07
        """
        return self.scale / math.pow(loss, 1.0 / self.exponent)


@dataclass(frozen=True)
class LossLaw:
    """Constants as published (nats per token), and the ranges of the runs behind them.

    `over`: what T counts. `embeddings`: whether N counts them.
    """

    name: str
    source: str
    E: float
    A: float
    a: float
    B: float
    b: float
    over: Literal["tokens", "steps"]
    embeddings: bool
    models: tuple[float, float]
    lengths: tuple[float, float]
    critical: Critical | None = None

    def floor(self, parameters: float) -> float:
        """The loss that a model of this size never falls below."""
        return self.E + self.A / math.pow(parameters, self.a)

    def smallest(self, loss: float) -> float:
        """The size whose floor is `loss`; infinite if no size's is.

        >>> round(CHINCHILLA.smallest(2.3) / 1e6)
        202
        """
        return float(steps_at(loss, self.E, self.A, self.a))

    def length(self, parameters: float, loss: float) -> float:
        """Tokens or least steps to `loss`; infinite if it is never reached.

        >>> round(CHINCHILLA.length(1e9, 2.3) / 1e9, 1)
        280.0
        """
        return float(steps_at(loss, self.floor(parameters), self.B, self.b))


KAPLAN = LossLaw(
    "kaplan",
    "Kaplan et al. 2020, arXiv 2001.08361, equations 1.4 and 1.6",
    E=0.0,
    A=6.5e13**0.077,
    a=0.077,
    B=2.1e3**0.76,
    b=0.76,
    over="steps",
    embeddings=False,
    models=(768.0, 1.5e9),
    lengths=(1.0, 2.5e5),
    critical=Critical(2e8, 0.21),
)
CHINCHILLA = LossLaw(
    "chinchilla",
    "Hoffmann et al. 2022, arXiv 2203.15556, approach 3",
    E=1.69,
    A=406.4,
    a=0.34,
    B=410.7,
    b=0.28,
    over="tokens",
    embeddings=True,
    models=(7e7, 1.6e10),
    lengths=(5e9, 5e11),
)
EPOCH = LossLaw(
    "epoch",
    "Besiroglu et al. 2024, arXiv 2404.10102: approach 3 of Hoffmann et al. fitted again",
    E=1.8172,
    A=482.01,
    a=0.3478,
    B=2085.43,
    b=0.3658,
    over="tokens",
    embeddings=True,
    models=(7e7, 1.6e10),
    lengths=(5e9, 5e11),
)
LAWS = {law.name: law for law in (KAPLAN, CHINCHILLA, EPOCH)}


@dataclass(frozen=True)
class ToLoss:
    """Steps to a loss by a published law, with the user's critical batch (samples)."""

    law: LossLaw
    loss: float
    critical: float | None = None

    def count(self, workload: Workload, graph: StepGraph) -> Steps:
        """Raises InputError for another model than a transformer, and for a loss that it never
        reaches."""
        law, loss = self.law, self.loss
        if workload.name != MODEL:
            what = f"found {workload.name}, but law '{law.name}' is of transformers"
            raise InputError("--law", what, "write another law, or --model transformer")
        size = graph.parameters if law.embeddings else graph.parameters - _embeddings(graph)
        length = law.length(size, loss)
        if math.isinf(length):
            raise _unreachable(law, size, loss)
        batch, critical = workload.batch, self._critical(workload)
        value = length
        if law.over == "tokens":
            value = length / (batch * workload.items_per_sample)
            value *= 1.0 if critical is None else 1.0 + batch / critical
        elif critical is not None:
            value = float(steps(batch, length, critical))
        spread = PER_LOG_UNIT * (outside(size, law.models) + outside(length, law.lengths))
        luck = np.random.default_rng(SEED).standard_normal(DRAWS)
        draws = np.asarray(value * np.exp(spread * luck))
        low, high = interval(draws)
        return Steps(
            value=value,
            low=min(low, value),
            high=max(high, value),
            draws=draws,
            law=law.name,
            target=f"a loss of {loss:g} nats per token",
            source=law.source,
            extrapolated=spread > 0,
            warnings=tuple(_warnings(law, size, length, value, workload)),
            critical=critical,
        )

    def _critical(self, workload: Workload) -> float | None:
        """In samples."""
        if self.law.critical is None:
            return self.critical
        return self.law.critical.at(self.loss) / workload.items_per_sample


def _embeddings(graph: StepGraph) -> int:
    ops = (op for layer in graph.layers for op in layer.ops)
    return sum(op.parameters for op in ops if isinstance(op, Embedding))


def _unreachable(law: LossLaw, size: float, loss: float) -> InputError:
    kind = "parameters" if law.embeddings else "parameters besides embeddings"
    what = f"found {loss:g}, but by law '{law.name}' a model of {size:,.0f} {kind} stays above "
    what += f"{law.floor(size):.4g}"
    smallest = law.smallest(loss)
    if math.isinf(smallest):
        return InputError(WHERE, what, f"write more than {law.E:g}, which no model falls below")
    return InputError(WHERE, what, f"write more, or take a model of over {smallest:,.0f} {kind}")


def _warnings(
    law: LossLaw, size: float, length: float, steps: float, workload: Workload
) -> Iterator[str]:
    yield f"steps: law '{law.name}' was published without an interval of what it predicts"
    if outside(size, law.models):
        low, high = law.models
        yield f"steps: extrapolated beyond the measured model sizes ({low:,.0f} to {high:,.0f})"
    if outside(length, law.lengths):
        low, high = law.lengths
        yield f"steps: extrapolated beyond the measured {law.over} ({low:,.0f} to {high:,.0f})"
    if getattr(workload, "experts", None):
        yield f"steps: law '{law.name}' is of dense models, asked for a mixture of experts"
    passes = steps * workload.batch * workload.items_per_sample / workload.dataset
    if passes > 1:
        yield f"steps: {passes:,.1f} passes over the data, where the law knows of one alone"
