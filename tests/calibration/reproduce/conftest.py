"""Campaigns with a known law, written as `hwsim converge run` writes them."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("scipy")

from calibration.converge.fitting import compare, intervals
from calibration.reproduce.campaigns import load
from workloads.charlm import CharLMSmall
from workloads.speech import SpeechSmall
from workloads.wordlm import WordLMSmall

KINDS = {kind.name: kind for kind in (CharLMSmall, WordLMSmall, SpeechSmall)}
UNITS = {"charlm-small": "characters", "wordlm-small": "words", "speech-small": "frames"}
PATIENCE = 1.6


@dataclass(frozen=True)
class Truth:
    """Exponents that curves are made of, with log-normal luck of `noise`.

    SGD takes `sgd` times the steps at 1e5 parameters, with an exponent of its own; the minimum
    loss rises by `rise` per e-fold beyond 4e5 parameters; seconds per step grow with the power
    `step` of parameters; no model takes fewer steps than `plateau`.
    """

    k1: float = 0.9
    k2: float = 0.5
    sgd: float = 3.0
    k2_sgd: float = 0.3
    depth: float = -0.3
    critical: float = 40.0
    loss: float = -0.1
    rise: float = 0.0
    step: float = 0.4
    plateau: float = 0.0
    noise: float = 0.03

    def steps(self, workload):
        model, adam = workload.graph().parameters / 1e5, workload.optimizer == "adam"
        at_one = 400.0 * (1.0 if adam else self.sgd) * (workload.dataset / 2e4) ** self.k1
        at_one *= (getattr(workload, "depth", 2) / 2) ** self.depth
        batch = (1.0 + self.critical / workload.batch) / (1.0 + self.critical / 32)
        return at_one * batch / model ** (self.k2 if adam else self.k2_sgd) + self.plateau

    def minimum(self, workload):
        away = np.log(workload.graph().parameters / 4e5)
        level = 2.0 * (workload.dataset / 2e4) ** self.loss
        return level * (1.0 + 0.02 * max(-away, 0.0) + self.rise * max(away, 0.0))

    def seconds_per_step(self, workload):
        return 1e-4 * workload.graph().parameters ** self.step


# The paper's claims hold in the one; in the other none does.
AGREES = Truth()
DIFFERS = Truth(k1=-0.9, k2=-0.5, sgd=0.3, depth=0.3, critical=4000.0, loss=0.1, rise=0.1, step=2.0)


@pytest.fixture
def campaign():
    """Writes a file of curves; `varied` are fields of the workload that runs differ in."""
    return write


@pytest.fixture
def truth():
    return AGREES


def write(
    path,
    truth,
    *,
    workload="charlm-small",
    hidden=(32, 64, 128, 256, 512),
    data=(8000, 20_000, 50_000),
    seeds=2,
    varied=({},),
    name="help",
    **setting,
):
    kind = KINDS[workload]
    base = kind(**setting, corpus=name)
    lines = [_header(base, name)]
    random = np.random.default_rng(1)
    cells = [(h, d, v, s) for h in hidden for d in data for v in varied for s in range(seeds)]
    for number, (width, amount, fields, seed) in enumerate(cells):
        sized = base.model_copy(update={"hidden": width, "dataset": amount, **fields})
        luck = np.exp(truth.noise * random.standard_normal(3))
        lines += _run(truth, sized, f"run-{number}", seed, fields, luck)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _header(workload, name):
    corpus = {"name": name, "sha256": "", "items": 10**6, "validation": 1, "vocabulary": 3}
    return {
        "schema": "hwsim.curves/1",
        "workload": workload.name,
        "setting": workload.setting(),
        "corpus": corpus | {"unit": UNITS[workload.name], "entropy": None},
        "stop": {"patience": PATIENCE, "least": 1, "most": 10**9},
        "date": "2026-01-01",
        "machine": "made up",
        "versions": {},
        "command": "none",
    }


def _run(truth, sized, name, seed, fields, luck):
    steps = luck[0] * truth.steps(sized)
    minimum = luck[1] ** 0.1 * truth.minimum(sized)
    lines = []
    for step in np.unique(np.geomspace(max(steps / 8, 1.0), 3.4 * steps, 90).round().astype(int)):
        away = np.log(step / (2.0 * steps)) / np.log(2.0)
        line = {"run": name, "step": int(step), "train_loss": 1.0, "noise_scale": 50.0}
        line["loss"] = minimum * (1.0 + 0.01 * away**2)
        line["seconds"] = luck[2] * step * truth.seconds_per_step(sized)
        lines.append(line)
    end = {"run": name, "end": "minimum", "hidden": sized.hidden, "dataset": sized.dataset}
    end |= {"seed": seed, "parameters": sized.graph().parameters, "batch": sized.batch}
    return [*lines, end | {"varied": fields}]


@pytest.fixture(scope="session")
def agrees(tmp_path_factory):
    """Every campaign, of runs for which the paper's claims hold; laws are fitted once."""
    return load(_whole(tmp_path_factory.mktemp("agrees"), AGREES))


@pytest.fixture(scope="session")
def differs(tmp_path_factory):
    """The same of runs for which none of them does."""
    return load(_whole(tmp_path_factory.mktemp("differs"), DIFFERS))


def _whole(folder, truth):
    for workload in KINDS:
        write(folder / f"{workload}.jsonl", truth, workload=workload)
    depths = [{"depth": depth} for depth in (1, 2, 4, 8)]
    write(folder / "charlm-depth.jsonl", truth, hidden=(64, 128), data=(8000,), varied=depths)
    write(folder / "charlm-sgd.jsonl", truth, data=(8000, 20_000), optimizer="sgd")
    batches = [{"batch": batch} for batch in (8, 16, 32, 64, 128)]
    write(folder / "charlm-batch.jsonl", truth, hidden=(64,), data=(20_000,), varied=batches)
    return folder


@pytest.fixture
def few_resamples(monkeypatch):
    """Intervals from fewer draws: rough, and fast."""
    from calibration.reproduce import effects

    monkeypatch.setattr(effects, "RESAMPLES", 60)
    monkeypatch.setattr(intervals.bootstrap, "__defaults__", (60,))
    monkeypatch.setattr(compare.compare, "__defaults__", (60,))
