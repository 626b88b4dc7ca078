"""Steps to a loss by the published laws of transformers (`hwsim.convergence.loss`)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from hwsim.convergence.batch import steps
from hwsim.convergence.law import PER_LOG_UNIT, Steps, interval, outside, scattered
from hwsim.convergence.loss import BESIROGLU, HOFFMANN, KAPLAN, PUBLISHED, LossLaw, kaplan_critical
from hwsim.errors import InputError
from hwsim.graph.ops import Embedding
from hwsim.graph.step import StepGraph
from hwsim.graph.workload import Workload

WHERE = "--target-loss"
MODEL = "transformer"
LAWS = {"kaplan": KAPLAN, "chinchilla": HOFFMANN, "epoch": BESIROGLU, **PUBLISHED}


@dataclass(frozen=True)
class ToLoss:
    """Steps to a loss by a published law, with the user's critical batch (samples)."""

    law: LossLaw
    loss: float
    critical: float | None = None

    def count(self, workload: Workload, graph: StepGraph) -> Steps:
        """Raises InputError for another model than a transformer, and for a loss that it never
        reaches, or has without training."""
        law, loss = self.law, self.loss
        if workload.name != MODEL:
            what = f"found {workload.name}, but law '{law.name}' is of transformers"
            raise InputError("--law", what, "write another law, or --model transformer")
        if loss >= (least := math.log(getattr(workload, "vocabulary", math.inf))):
            what = f"found {loss:g}, but a guess among all words is at {least:.3g} nats already"
            raise InputError(WHERE, what, "write a smaller loss")
        size = _size(law, graph)
        length = float(law.needed(size, loss))
        if math.isinf(length):
            raise _unreachable(law, size, loss)
        batch, critical = workload.batch, self._critical(workload)
        value = length
        if law.unit == "tokens":
            value = length / (batch * workload.items_per_sample)
            value *= 1.0 if critical is None else 1.0 + batch / critical
        elif critical is not None:
            value = float(steps(batch, length, critical))
        beyond = outside(size, law.sizes) + (outside(length, law.range) if law.range else 0.0)
        spread = PER_LOG_UNIT * beyond
        draws = scattered(value, spread)
        low, high = interval(draws)
        return Steps(
            value=value,
            low=min(low, value),
            high=max(high, value),
            draws=draws,
            law=law.name,
            target=f"a loss of {loss:g} nats per token",
            source=f"{law.citation} ({law.remark})",
            extrapolated=beyond > 0,
            warnings=tuple(_warnings(law, size, length, value, workload)),
            critical=critical,
        )

    def _critical(self, workload: Workload) -> float | None:
        """In samples."""
        if self.law is not KAPLAN:
            return self.critical
        return float(kaplan_critical(self.loss)) / workload.items_per_sample


def _size(law: LossLaw, graph: StepGraph) -> int:
    """Parameters as the law counts them: Kaplan et al. leave embeddings out."""
    if law is not KAPLAN:
        return graph.parameters
    ops = (op for layer in graph.layers for op in layer.ops)
    return graph.parameters - sum(op.parameters for op in ops if isinstance(op, Embedding))


def _unreachable(law: LossLaw, size: float, loss: float) -> InputError:
    kind = "parameters besides embeddings" if law is KAPLAN else "parameters"
    what = f"found {loss:g}, but by law '{law.name}' a model of {size:,.0f} {kind} stays above "
    what += f"{law.floor(size):.4g}"
    smallest = float(law.smallest(loss))
    if math.isinf(smallest):
        return InputError(WHERE, what, f"write more than {law.E:g}, which no model falls below")
    return InputError(WHERE, what, f"write more, or take a model of over {smallest:,.0f} {kind}")


def _warnings(
    law: LossLaw, size: float, length: float, count: float, workload: Workload
) -> Iterator[str]:
    yield f"steps: law '{law.name}' was published without an interval of what it predicts"
    if outside(size, law.sizes):
        low, high = law.sizes
        yield f"steps: extrapolated beyond the measured model sizes ({low:,.0f} to {high:,.0f})"
    if law.range and outside(length, law.range):
        low, high = law.range
        yield f"steps: extrapolated beyond the measured {law.unit} ({low:,.0f} to {high:,.0f})"
    if getattr(workload, "experts", None):
        yield f"steps: law '{law.name}' is of dense models, asked for a mixture of experts"
    passes = count * workload.batch * workload.items_per_sample / workload.dataset
    if passes > 1:
        yield f"steps: {passes:,.1f} passes over the data, where the law knows of one alone"
