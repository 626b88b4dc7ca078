"""The options that say how steps are counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Annotated

import typer

from hwsim.convergence.counting import Counting, load
from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from hwsim.study.sweep.paths import count

Steps = Annotated[float | None, typer.Option(help="Your own count of steps.")]
Tokens = Annotated[float | None, typer.Option(help="Items to train on, instead.")]
Epochs = Annotated[float | None, typer.Option(help="Passes over the data, instead.")]
Law = Annotated[
    str | None, typer.Option(metavar="LAW", help="A law's name or file, or a table size,steps.")
]
TargetLoss = Annotated[float | None, typer.Option(help="The loss to reach, with a law of losses.")]
CriticalBatch = Annotated[
    float | None, typer.Option(help="Samples at which a batch is half as efficient.")
]


class Options:
    """--steps, --tokens, --epochs or --law, with --target-loss and --critical-batch."""

    def __init__(
        self,
        steps: float | None,
        tokens: float | None,
        epochs: float | None,
        law: str | None,
        loss: float | None,
        critical: float | None,
    ) -> None:
        numbers = {"--steps": steps, "--tokens": tokens, "--epochs": epochs}
        found = {name: value for name, value in numbers.items() if value is not None}
        named = [*found, *(["--law"] if law is not None else [])]
        if len(named) > 1:
            raise InputError(" and ".join(named), "found together", "write one of them")
        more = {"--target-loss": loss, "--critical-batch": critical}
        of_a_law = {name: value for name, value in more.items() if value is not None}
        if found and of_a_law:
            what = f"found with {named[0]}"
            raise InputError(next(iter(of_a_law)), what, "write --law instead of the count")
        if loss is not None and law is None:
            raise InputError("--target-loss", "found without --law", "add --law NAME")
        for name, value in (found | of_a_law).items():
            if not 0 < value < math.inf:
                raise InputError(name, f"found {value:g}", "write a finite number above 0")
        self._steps, self._tokens, self._epochs = steps, tokens, epochs
        self._law = load(law, loss, critical) if law is not None else None
        self._critical = critical

    def of(self, workload: Workload) -> float | Counting | None:
        """The steps of this workload, or what counts them; None leaves it to the workload's law.

        Raises InputError for a critical batch of a workload without a law.
        """
        per_step = workload.batch * workload.items_per_sample
        if self._tokens is not None:
            return float(math.ceil(self._tokens / per_step))
        if self._epochs is not None:
            count = self._epochs * workload.dataset / per_step
            if math.isinf(count):
                raise InputError("--epochs", f"found {self._epochs:g}", "write fewer")
            return float(math.ceil(count))
        if self._law is None and self._critical is not None:
            if workload.law is None:
                what = f"found no law of the steps of {workload.name}"
                raise InputError("--critical-batch", what, "add --law NAME or FILE")
            return load(workload.law, critical=self._critical)
        return self._law or self._steps


@dataclass(frozen=True)
class Varied:
    """The options as they are, but for those that a sweep sets."""

    steps: float | None
    tokens: float | None
    epochs: float | None
    law: str | None
    target_loss: float | None
    critical_batch: float | None

    def __call__(self, settings: Mapping[str, str]) -> Options:
        """Raises InputError for options that exclude each other."""
        return _options(self, tuple(settings.items()))


@lru_cache(maxsize=256)
def _options(given: Varied, settings: tuple[tuple[str, str], ...]) -> Options:
    chosen = {name: text if name == "law" else count(name, text) for name, text in settings}
    return Options(*(asdict(given) | chosen).values())
