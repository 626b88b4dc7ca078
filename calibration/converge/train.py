"""One training run of a character model: losses on a fixed validation text at growing steps.

Evaluations are dense in log-steps, so that the step of the target can be interpolated at any size.
A run goes on past its minimum (`patience`) and is censored when it ends before that is seen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from calibration.converge.corpus import Corpus
from calibration.modules.charlm import build
from hwsim.convergence.target import smoothed
from workloads.charlm import CharLM

FIRST_EVALUATION, GROWTH, LEAST_GAP = 20, 1.05, 5
VALIDATION_STREAMS = 128
CLIP = 5.0


@dataclass(frozen=True)
class Stop:
    """When a run ends: `patience` x the step of the best loss, between two bounds.

    Small models sit on a plateau (the frequencies of single characters) with a false minimum at
    step 40 to 100; `least` keeps them running through it.
    """

    patience: float = 1.6
    least: int = 400
    most: int = 40_000


@dataclass(frozen=True)
class Evaluation:
    """Mean losses in nats per character, and the seconds spent training so far."""

    step: int
    loss: float
    train_loss: float
    seconds: float


def train(workload: CharLM, corpus: Corpus, seed: int, stop: Stop) -> Iterator[Evaluation]:
    """Evaluations until the minimum is `stop.patience` times behind, or `stop.most` is reached.

    A run whose loss is no longer finite ends with that evaluation.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    text = torch.from_numpy(corpus.training[: workload.dataset])
    model = build(workload)
    optimizer = _optimizer(workload, model)
    offsets = torch.arange(workload.sequence + 1).unsqueeze(1)
    inputs, targets = _streams(corpus)
    steps: list[int] = []
    losses: list[float] = []
    spent, due, running = 0.0, FIRST_EVALUATION, 0.0
    with _denormals_flushed():
        for step in range(1, stop.most + 1):
            begun = time.perf_counter()
            starts = torch.randint(len(text) - workload.sequence, (workload.batch,))
            window = text[starts + offsets]
            loss = model(window[:-1], window[1:])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            spent += time.perf_counter() - begun
            running += loss.item()
            if step < due and step < stop.most:
                continue
            with torch.no_grad():
                losses.append(model(inputs, targets).item())
            since = step - (steps[-1] if steps else 0)
            steps.append(step)
            yield Evaluation(step, losses[-1], running / since, spent)
            running, due = 0.0, max(int(step * GROWTH), step + LEAST_GAP)
            if not math.isfinite(losses[-1]) or past_minimum(steps, losses, stop):
                return


@contextmanager
def _denormals_flushed() -> Iterator[None]:
    """They slow a CPU down by far; afterwards this thread's other work has them again."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def past_minimum(steps: list[int], losses: list[float], stop: Stop) -> bool:
    """Whether the run has gone `patience` times further than its best smoothed loss."""
    if steps[-1] < stop.least:
        return False
    curve = smoothed(losses)
    best = steps[int(curve.argmin())]
    return steps[-1] >= stop.patience * best


def _optimizer(workload: CharLM, model: torch.nn.Module) -> torch.optim.Optimizer:
    rate = workload.learning_rate
    if workload.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), rate, fused=True)
    momentum = 0.9 if workload.optimizer == "momentum" else 0.0
    return torch.optim.SGD(model.parameters(), rate, momentum=momentum)


def _streams(corpus: Corpus) -> tuple[torch.Tensor, torch.Tensor]:
    """The validation text as parallel streams: inputs and targets, each (length, streams)."""
    length = (len(corpus.validation) - 1) // VALIDATION_STREAMS
    text = torch.from_numpy(corpus.validation)
    inputs = text[: length * VALIDATION_STREAMS].view(VALIDATION_STREAMS, length).t()
    targets = text[1 : length * VALIDATION_STREAMS + 1].view(VALIDATION_STREAMS, length).t()
    return inputs.contiguous(), targets.contiguous()
