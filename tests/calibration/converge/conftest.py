"""Synthetic campaigns whose law is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calibration.converge import curves
from calibration.converge.fitting.points import Points

MODELS, DATA = np.geomspace(5e3, 2e6, 6), np.geomspace(8e3, 2e5, 4)
CENTER = (float(np.sqrt(5e3 * 2e6)), float(np.sqrt(8e3 * 2e5)), 32.0)
PATIENCE = 1.6


def synthetic(
    seed=0,
    a=400.0,
    b=150.0,
    k1=0.7,
    k2=0.5,
    noise=0.05,
    models=MODELS,
    data=DATA,
    batches=(32.0,),
    critical=0.0,
    seeds=3,
):
    """Steps of every cell and seed, with log-normal noise."""
    random = np.random.default_rng(seed)
    grid = np.meshgrid(models, data, batches, range(seeds), indexing="ij")
    model, amount, batch, _ = (axis.ravel() for axis in grid)
    steps = a * (amount / CENTER[1]) ** k1 / (model / CENTER[0]) ** k2 + b
    steps *= (1.0 + critical / batch) / (1.0 + critical / CENTER[2])
    steps *= np.exp(noise * random.standard_normal(len(steps)))
    return Points(model, amount, batch, steps, np.zeros(len(steps), dtype=bool), model.round())


def losses(steps, last):
    """Evaluations of a run that meets its target at `steps`, its minimum at twice that."""
    at = np.unique(np.geomspace(steps / 8, last, 120).round().astype(int))
    away = np.log(at / (2.0 * steps)) / np.log(2.0)
    return at.tolist(), (1.0 + 0.01 * away**2).tolist()


def write(path, rows, censored=(), varied=lambda _: {}):
    """A campaign's file of these steps."""
    about = {"name": "help", "sha256": "", "items": 9, "validation": 1, "vocabulary": 3}
    header = curves.Header(
        workload="charlm-small",
        setting={"depth": 2, "batch": 32},
        corpus=curves.Corpus(**about),
        stop=curves.StopRule(patience=PATIENCE, least=1, most=10**9),
        date="",
        machine="",
        versions={},
        command="",
    )
    records = [header.line()]
    for i, steps in enumerate(rows.steps):
        last = 2.0 * steps * (1.05 if i in censored else 1.7)
        for step, loss in zip(*losses(steps, last), strict=True):
            records.append({"run": str(i), "step": step, "loss": loss})
        end = {"hidden": round(rows.model[i]), "dataset": round(rows.data[i]), "seed": i}
        end |= {"parameters": round(rows.model[i]), "batch": round(rows.batch[i])}
        records.append({"run": str(i), "end": "minimum", **end, "varied": varied(i)})
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def table(path, rows, censored=(), tell=lambda loss: f"{loss:.6f}"):
    """The same as a CSV of curves, shuffled, with a column that nobody asked for."""
    lines = []
    for i, steps in enumerate(rows.steps):
        last = 2.0 * steps * (1.05 if i in censored else 1.7)
        sizes = f"{rows.model[i]:.0f},{rows.data[i]:.0f},{rows.batch[i]:.0f}"
        for step, loss in zip(*losses(steps, last), strict=True):
            lines.append(f"r{i},{sizes},{step},note,{tell(loss)}")
    np.random.default_rng(1).shuffle(lines)
    lines = sorted(lines, key=lambda line: int(line[1 : line.index(",")]) > 3)
    header = "run,parameters,data,batch,step,remark,loss"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


class Campaigns:
    """The functions above, for tests."""

    synthetic, write, table = staticmethod(synthetic), staticmethod(write), staticmethod(table)
    models, data, center, patience = MODELS, DATA, CENTER, PATIENCE


@pytest.fixture(scope="session")
def made():
    return Campaigns
