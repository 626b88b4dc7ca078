"""Campaigns with a known law, written as `hwsim converge run` writes them."""

import json

import numpy as np
import pytest

from workloads.charlm import CharLMSmall
from workloads.speech import SpeechSmall
from workloads.wordlm import WordLMSmall

KINDS = {kind.name: kind for kind in (CharLMSmall, WordLMSmall, SpeechSmall)}
UNITS = {"charlm-small": "characters", "wordlm-small": "words", "speech-small": "frames"}
PATIENCE = 1.6


class Truth:
    """Laws that curves are made of; `flipped` turns every claim of the paper around."""

    def __init__(self, flipped=False, noise=0.03):
        self.sign = -1.0 if flipped else 1.0
        self.noise = noise

    def steps(self, model, data, depth, batch, sgd):
        size = model / 1e5
        k2 = (0.5 - 0.2 * sgd) * self.sign if not sgd else 0.3
        steps = 400.0 * (data / 2e4) ** (0.9 * self.sign) / size**k2
        steps *= 3.0 ** (sgd * self.sign) * (depth / 2) ** (-0.3 * self.sign)
        return steps * (1.0 + 40.0 / batch if self.sign > 0 else (32 / batch) ** 0.95)

    def minimum(self, model, data):
        size = np.log(model / 4e5)
        risen = 0.0 if self.sign > 0 else 0.1 * max(size, 0.0)
        return 2.0 * (data / 2e4) ** (-0.1 * self.sign) * (1.0 + 0.02 * max(-size, 0.0) + risen)

    def seconds_per_step(self, model):
        return 1e-7 * model if self.sign > 0 else 1e-9 * model**2


@pytest.fixture
def campaign():
    """Writes a file of curves; `varied` are fields of the workload that runs differ in."""
    return write


@pytest.fixture
def truth():
    return Truth


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
    model, sgd = sized.graph().parameters, sized.optimizer == "sgd"
    depth = getattr(sized, "depth", 2)
    steps = luck[0] * truth.steps(model, sized.dataset, depth, sized.batch, sgd)
    minimum = luck[1] ** 0.1 * truth.minimum(model, sized.dataset)
    lines = []
    for step in np.unique(np.geomspace(steps / 8, 3.4 * steps, 90).round().astype(int)):
        away = np.log(max(step, 1) / (2.0 * steps)) / np.log(2.0)
        line = {"run": name, "step": max(int(step), 1), "train_loss": 1.0, "noise_scale": 50.0}
        line["loss"] = minimum * (1.0 + 0.01 * away**2)
        line["seconds"] = luck[2] * step * truth.seconds_per_step(model)
        if not lines or line["step"] > lines[-1]["step"]:
            lines.append(line)
    end = {"run": name, "end": "minimum", "hidden": sized.hidden, "dataset": sized.dataset}
    end |= {"seed": seed, "parameters": model, "batch": sized.batch, "varied": fields}
    return [*lines, end]


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A folder with every campaign, by whether all claims are flipped."""
    return {flipped: _whole(tmp_path_factory.mktemp("whole"), flipped) for flipped in (False, True)}


def _whole(folder, flipped):
    truth = Truth(flipped)
    for workload in KINDS:
        write(folder / f"{workload}.jsonl", truth, workload=workload)
    depths = [{"depth": depth} for depth in (1, 2, 4, 8)]
    write(folder / "charlm-depth.jsonl", truth, hidden=(64, 128), data=(8000,), varied=depths)
    write(folder / "charlm-sgd.jsonl", truth, data=(8000, 20_000), optimizer="sgd")
    batches = [{"batch": batch} for batch in (8, 16, 32, 64, 128)]
    write(folder / "charlm-batch.jsonl", truth, hidden=(64,), data=(20_000,), varied=batches)
    return folder
