"""What a training run spends besides its steps: start-up, evaluation, checkpoints and restarts."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError
from pydantic import model_validator as validator

from hwsim import records
from hwsim.errors import InputError
from hwsim.graph.workload import Count
from hwsim.units import Seconds

PARTS = ("steps", "evaluation", "checkpoint", "startup", "restart")
RARE = 1e-12  # failures in a stretch below which they are taken to be as many

Floats = npt.NDArray[np.float64]


class Overheads(BaseModel):
    """What stops the training, nothing unless given (`--set run.startup=5min`).

    `startup`: seconds before the first step. `evaluation`, `checkpoint`: seconds of one, which
    comes after every `evaluation_every`, `checkpoint_every` steps. `mtbf`: mean time between
    failures of the run as a whole, `device_mtbf` of each device; their rates add up. `restart`:
    seconds from a failure until the run goes on at its last checkpoint, or its beginning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    startup: Seconds = 0.0
    evaluation: Seconds = 0.0
    evaluation_every: Count | None = None
    checkpoint: Seconds = 0.0
    checkpoint_every: Count | None = None
    mtbf: Seconds | None = None
    device_mtbf: Seconds | None = None
    restart: Seconds = 0.0

    @validator(mode="wrap")
    @classmethod
    def _clear_faults(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise records.explained(cls, error, "run.") from None

    @validator(mode="after")
    def _in_range(self) -> Self:
        for name, seconds in self:
            rare = name.endswith("mtbf")
            if isinstance(seconds, float) and not (seconds > 0 or (seconds == 0 and not rare)):
                least = "more than zero" if rare else "zero or more"
                raise InputError(f"run.{name}", f"found {seconds:g} s", f"write {least}")
        return self

    def check(self) -> None:
        """Raises InputError for a part without the other that it needs."""
        for name in ("evaluation", "checkpoint"):
            if getattr(self, name) and getattr(self, f"{name}_every") is None:
                every = f"run.{name}_every"
                raise InputError(every, f"found nothing, but run.{name}", f"write {every}=STEPS")
        if self.restart and self.mtbf is None and self.device_mtbf is None:
            what = "found restarts, but no failures"
            raise InputError("run.restart", what, "write run.mtbf or run.device_mtbf too")

    def failures(self, devices: int) -> float:
        """Failures per second of a run on so many devices."""
        return (1.0 / self.mtbf if self.mtbf else 0.0) + (
            devices / self.device_mtbf if self.device_mtbf else 0.0
        )

    def parts(
        self, steps: Floats | float, step: Floats | float, devices: int
    ) -> dict[str, Floats | float]:
        """Expected seconds by part of a run of `steps` steps that take `step` seconds each.

        >>> run = Overheads(evaluation=2.0, evaluation_every=100, startup=60.0)
        >>> [float(seconds) for seconds in run.parts(1000.0, 0.5, 1).values()]
        [500.0, 20.0, 0.0, 60.0, 0.0]
        """
        found = {
            "steps": steps * step,
            "evaluation": self.evaluation * _times(steps, self.evaluation_every),
            "checkpoint": self.checkpoint * _times(steps, self.checkpoint_every),
            "startup": self.startup,
        }
        work = found["steps"] + found["evaluation"] + found["checkpoint"]
        every = self.checkpoint_every
        stretches = 1.0 if every is None else np.maximum(steps / every, 1.0)
        rate = self.failures(devices)
        return found | {"restart": repeated(work, work / stretches, self.restart, rate)}


def repeated(
    work: Floats | float, stretch: Floats | float, restart: float, rate: float
) -> Floats | float:
    """Seconds that failures add to `work` seconds with a checkpoint behind every `stretch`.

        e^(rate R) (e^(rate s) - 1) / (rate s) work  -  work

    for failures at random, during restarts too: Daly 2006 ("A higher order estimate of the optimum
    checkpoint interval for restart dumps", FGCS 22), whose first order is Young's of 1974 (CACM
    17): each failure costs the restart and half a stretch.

    >>> round(float(repeated(1e6, 1e3, 100.0, 1e-6)), 1), 1e6 * 1e-6 * (100.0 + 1e3 / 2)
    (600.2, 600.0)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        risk = np.maximum(rate * stretch, RARE)
        added = work * np.maximum(np.exp(rate * restart) * np.expm1(risk) / risk - 1.0, 0.0)
    return added if rate else 0.0 * work


def _times(steps: Floats | float, every: int | None) -> Floats | float:
    """How often something that comes after `every` steps came."""
    if every is None:
        return 0.0 * steps
    return np.floor(steps / every)
