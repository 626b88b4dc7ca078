"""One training run: losses on a fixed validation part at growing steps.

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
from torch import Tensor

from calibration.converge.corpora.corpus import AnyCorpus
from calibration.converge.noise import NoiseScale
from calibration.converge.tasks import Task, make
from hwsim.convergence.target import smoothed
from hwsim.graph.workload import Workload
from workloads.charlm import CharLM

FIRST_EVALUATION, GROWTH, LEAST_GAP = 20, 1.05, 5
NOISE_EVERY = 3  # evaluations
CLIP = 5.0


@dataclass(frozen=True)
class Stop:
    """When a run ends: `patience` x the step of the best loss, between two bounds.

    Small models sit on a plateau (the frequencies of single characters or words) with a false
    minimum; `least` keeps them running through it, and so does `rise`: the share by which the loss
    must have risen above its minimum again, which it doesn't on a plateau.
    """

    patience: float = 1.6
    least: int = 400
    most: int = 40_000
    rise: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """Mean losses in nats per item, and the seconds spent training so far.

    `noise` is the standard error of the difference to the evaluation before, as a share of the
    loss: what the finite validation part adds to a curve. `noise_scale` is in samples.
    """

    step: int
    loss: float
    train_loss: float
    seconds: float
    noise: float | None = None
    noise_scale: float | None = None


def train(
    workload: Workload, corpus: AnyCorpus, seed: int, stop: Stop, device: str = "cpu"
) -> Iterator[Evaluation]:
    """Evaluations until the minimum is `stop.patience` times behind, or `stop.most` is reached.

    A run whose loss is no longer finite ends with that evaluation.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    place = torch.device(device)
    task = make(workload, corpus, place)
    optimizer = _optimizer(workload, task.model)
    noise_scale = NoiseScale(task, workload.batch, seed)
    if place.type == "cuda" and isinstance(workload, CharLM):
        _capture(task, workload.batch)
    steps: list[int] = []
    losses: list[float] = []
    before: Tensor | None = None
    spent, due, running = 0.0, FIRST_EVALUATION, 0.0
    with _denormals_flushed():
        for step in range(1, stop.most + 1):
            begun = time.perf_counter()
            loss = task.loss(task.batch(workload.batch))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(task.model.parameters(), CLIP)
            optimizer.step()
            running += loss.item()
            spent += time.perf_counter() - begun
            if step < due and step < stop.most:
                continue
            parts = _parts(task)
            since = step - (steps[-1] if steps else 0)
            steps.append(step)
            losses.append(float(parts.mean()))
            scale = noise_scale.measure() if len(steps) % NOISE_EVERY == 0 else None
            noise = None if before is None else standard_error(parts - before) / losses[-1]
            yield Evaluation(step, losses[-1], running / since, spent, noise, scale)
            running, due, before = 0.0, max(int(step * GROWTH), step + LEAST_GAP), parts
            if not math.isfinite(losses[-1]) or past_minimum(steps, losses, stop):
                return


def standard_error(values: Tensor) -> float:
    """Of the mean of independent values."""
    return float(values.std() / len(values) ** 0.5) if len(values) > 1 else 0.0


def past_minimum(steps: list[int], losses: list[float], stop: Stop) -> bool:
    """Whether the run has gone `patience` times further than its best smoothed loss, and up."""
    if steps[-1] < stop.least:
        return False
    curve = smoothed(losses)
    best = int(curve.argmin())
    risen = bool(curve[-1] >= (1.0 + stop.rise) * curve[best])
    return risen and steps[-1] >= stop.patience * steps[best]


def _parts(task: Task) -> Tensor:
    task.model.eval()
    with torch.no_grad():
        parts = task.parts().double().cpu()
    task.model.train()
    return parts


def _capture(task: Task, batch: int) -> None:
    """Forward and backward pass as CUDA graphs: a recurrence is thousands of short kernels.

    Only batches of this size are captured; evaluation, in another mode, runs as written.
    """
    task.model.train()
    torch.cuda.make_graphed_callables(task.model, task.batch(batch, torch.Generator()))


@contextmanager
def _denormals_flushed() -> Iterator[None]:
    """They slow a CPU down by far; afterwards this thread's other work has them again."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _optimizer(workload: Workload, model: torch.nn.Module) -> torch.optim.Optimizer:
    rate = workload.learning_rate
    if workload.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), rate, fused=True)
    momentum = 0.9 if workload.optimizer == "momentum" else 0.0
    return torch.optim.SGD(model.parameters(), rate, momentum=momentum)
