"""The committed campaigns, each a file of curves, with a row per finished run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from calibration.converge import curves
from hwsim.convergence.law import Law
from hwsim.convergence.target import crossing, crossing_of_loss
from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from workloads.charlm import CharLMSmall
from workloads.speech import SpeechSmall
from workloads.wordlm import WordLMSmall

Floats = npt.NDArray[np.float64]
Cell = tuple[int, int, str]

CHAR, WORD, SPEECH = "charlm-small", "wordlm-small", "speech-small"
DEPTH, SGD, BATCH = "charlm-depth", "charlm-sgd", "charlm-batch"
DOMAINS = {CHAR: "character LM", WORD: "word LM", SPEECH: "speech"}
FILES = (*DOMAINS, DEPTH, SGD, BATCH)
WORKLOADS: dict[str, type[Workload]] = {
    kind.name: kind for kind in (CharLMSmall, WordLMSmall, SpeechSmall)
}
# Of what a loss is the mean: a recording's loss is divided by its number of letters.
LOSS_PER = {"characters": "character", "words": "word", "frames": "letter"}


@dataclass(frozen=True)
class Run:
    """A finished run: sizes, steps to within 1 % of its minimum, and its evaluations.

    `censored`: it ended before its minimum was passed, so that `steps` is a lower bound.
    `noises` are (step, gradient noise scale in samples); `seconds` were spent training.
    """

    name: str
    parameters: int
    data: int
    hidden: int
    seed: int
    setting: dict[str, Any]
    steps: float
    minimum: float
    censored: bool
    diverged: bool
    at: Floats
    losses: Floats
    seconds: Floats
    noises: tuple[tuple[float, float], ...]

    @property
    def cell(self) -> Cell:
        """Runs of one cell differ in their seeds alone."""
        return self.parameters, self.data, json.dumps(self.setting, sort_keys=True)

    @property
    def seconds_per_step(self) -> float:
        return float(self.seconds[-1] / self.at[-1])

    def seconds_to(self, steps: float) -> float:
        """Measured seconds of training up to a step, interpolated."""
        return float(np.interp(steps, [0.0, *self.at], [0.0, *self.seconds]))

    def steps_to(self, loss: float) -> float | None:
        """The first step with this loss, on the smoothed curve; None if there is none."""
        return crossing_of_loss([int(step) for step in self.at], self.losses, loss)


@dataclass(frozen=True)
class Campaign:
    """A file of curves: where it lies, its header and its runs."""

    path: Path
    header: curves.Header
    runs: tuple[Run, ...]

    @property
    def kind(self) -> type[Workload]:
        return WORKLOADS[self.header.workload]

    @property
    def loss_unit(self) -> str:
        return f"nats per {LOSS_PER.get(self.header.corpus.unit, 'item')}"

    @cached_property
    def law(self) -> Law | None:
        """The fitted law; None where the runs are too few for one."""
        from calibration.converge.fit import fit_law

        try:
            return fit_law(self.path)
        except InputError:  # the file itself has been read before: its runs are too few
            return None

    def workload(self, run: Run) -> Workload:
        """The workload that a run trained."""
        fields = {"hidden": run.hidden, "dataset": run.data, **run.setting}
        return self.kind.model_validate(fields)


Campaigns = Mapping[str, Campaign | None]


def shipped() -> Path:
    """The folder of the committed curves."""
    return Path(str(resources.files("calibration") / "data"))


def load(folder: Path) -> dict[str, Campaign | None]:
    """Every campaign of a folder by name; None for a file that is not there.

    Raises InputError for a file that can't be read, or whose runs are of another workload.
    """
    return {name: _campaign(folder / f"{name}.jsonl") for name in FILES}


def _campaign(path: Path) -> Campaign | None:
    if not os.path.exists(path):
        return None
    found = curves.read(path)
    if found.header.workload not in WORKLOADS:
        raise InputError(
            f"{path}: workload",
            f"found '{found.header.workload}'",
            f"give curves of {', '.join(WORKLOADS)}",
        )
    runs = [_run(found, curve) for curve in found.finished.values()]
    return Campaign(path, found.header, tuple(runs))


def _run(found: curves.Curves, curve: curves.Curve) -> Run:
    met = crossing(curve.steps, curve.losses, patience=found.header.stop.patience)
    lines = [json.loads(text) for text in found.lines[curve.run]][: len(curve.steps)]
    end = curve.end
    setting = found.header.setting | end.varied
    return Run(
        name=curve.run,
        parameters=end.parameters,
        data=end.dataset,
        hidden=end.hidden,
        seed=end.seed,
        setting=setting,
        steps=met.steps,
        minimum=met.minimum,
        censored=met.censored,
        diverged=end.end == "diverged",
        at=np.array(curve.steps, dtype=float),
        losses=np.array(curve.losses),
        seconds=np.array([_number(line.get("seconds")) for line in lines]),
        noises=tuple(
            (float(line["step"]), scale)
            for line in lines
            if math.isfinite(scale := _number(line.get("noise_scale"))) and scale > 0
        ),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
