"""Made-up tables of steps to targets."""

from __future__ import annotations

import numpy as np
import pytest

COLUMNS = (
    "source,workload,model_params,dataset,target,target_kind,batch,batch_unit,steps,steps_sd,n_runs"
)


class Table:
    """Rows in the order in which they are added."""

    def __init__(self):
        self.lines = []

    def add(self, workload, batch, steps, *, params="", target=3.0, source="lab"):
        kind = "absolute_loss"
        count = "" if steps is None else f"{steps:.6g}"
        self.lines.append(
            f"{source},{workload},{params},c4,{target},{kind},{batch},sequences,{count},,1"
        )
        return self

    def batches(self, workload, batches, least, critical, noise=0.0, seed=0, **fields):
        luck = np.random.default_rng(seed).normal(0.0, noise, len(batches))
        for batch, one in zip(batches, luck, strict=True):
            steps = least * (1.0 + critical / batch) * np.exp(one)
            self.add(workload, batch, steps, **fields)
        return self

    @property
    def text(self):
        return "\n".join([COLUMNS, *self.lines]) + "\n"

    @property
    def blank(self):
        """The same without any result."""
        return "\n".join([COLUMNS, *(",".join(s.split(",")[:8]) + ",,," for s in self.lines)])


@pytest.fixture
def table():
    return Table


@pytest.fixture
def groups():
    """Eight workloads with different critical batches, their steps scattering by 3 %."""
    made, random = Table(), np.random.default_rng(5)
    for index in range(8):
        batches = np.unique(np.geomspace(64, 8192, 5 + index % 3).astype(int))
        critical = float(np.exp(random.normal(np.log(2000), 0.8)))
        made.batches(f"model-{'abcdefgh'[index]}", batches, 1000.0, critical, 0.03, seed=index)
    return made
