"""How long a step takes on average where its tasks' times vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hwsim.errors import InputError
from hwsim.parallel.program import Program
from hwsim.simulate.disturbance import Disturbance
from hwsim.simulate.engine import run

QUANTILES = (0.1, 0.5, 0.9)


class Expected(NamedTuple):
    """Seconds per step over several runs; `deviation` is the standard deviation between them."""

    mean: float
    deviation: float
    quantiles: Mapping[float, float]


def expected(program: Program, disturbance: Disturbance, runs: int) -> Expected:
    """Simulate a program under `runs` seeds that follow from the disturbance's own.

    Raises InputError for less than one run.
    """
    if runs < 1:
        raise InputError("runs", f"found {runs}", "write a whole number from 1")
    seeds = np.random.SeedSequence(disturbance.seed).generate_state(runs)
    seconds = np.array(
        [
            run(program, disturbance=replace(disturbance, seed=int(seed)), trace=False).seconds
            for seed in seeds
        ]
    )
    found = np.quantile(seconds, QUANTILES)
    return Expected(
        mean=float(seconds.mean()),
        deviation=float(seconds.std(ddof=1)) if runs > 1 else 0.0,
        quantiles=dict(zip(QUANTILES, found.tolist(), strict=True)),
    )
