"""Claims about depth, the optimizer and the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from calibration.converge import runs as files
from calibration.converge.fit import OWN_MINIMUM, law_of
from calibration.converge.fitting.compare import Comparison, Estimate, compare
from calibration.converge.fitting.points import Points, one_setting, points
from calibration.converge.runs import Runs
from calibration.reproduce.campaigns import BATCH, CHAR, DEPTH, SGD, Campaign, Campaigns, Run
from calibration.reproduce.claims.judged import Claim
from calibration.reproduce.effects import LEVEL, Effect, Rows, by, slopes

DOMAIN = "character LM"


@dataclass(frozen=True)
class Batches:
    """S = S_min (1 + B_crit / B) of one width, with the batches that were run."""

    hidden: int
    least_steps: Effect
    critical: Effect
    runs: tuple[Run, ...]

    def steps(self, batch: float) -> float:
        return self.least_steps.value * (1.0 + self.critical.value / batch)

    @property
    def noise_scale(self) -> float:
        """Median of the measured gradient noise scale between half of a run's steps and its steps.

        In samples; NaN if none was measured.
        """
        scales = [
            scale
            for run in self.runs
            for step, scale in run.noises
            if run.steps / 2 <= step <= run.steps
        ]
        return median(scales) if scales else math.nan


def claims(found: Campaigns) -> list[Claim]:
    return [_deeper(found), *optimizers(found), _bounded(found)]


def depth(run: Run) -> int:
    return int(run.setting["depth"])


def batch(run: Run) -> int:
    return int(run.setting["batch"])


def _deeper(found: Campaigns) -> Claim:
    campaign = found[DEPTH]
    effect, note = None, ""
    if campaign and len({depth(run) for run in campaign.runs}) >= 3:
        runs = campaign.runs
        rows = Rows(
            np.log([run.steps for run in runs]),
            [(run.hidden, run.data) for run in runs],
            [run.cell for run in runs],
            np.array([run.censored for run in runs]),
        )
        effect = slopes(rows, {"depth": np.log([depth(run) for run in runs])}).get("depth")
        depths = sorted({depth(run) for run in runs})
        note = f"depth {depths[0]} to {depths[-1]}, at equal width and data"
    return Claim(
        "depth",
        "Steps fall with the number of layers",
        DOMAIN,
        "exponent of steps in depth",
        effect,
        -math.inf,
        0.0,
        note,
    )


def paired(found: Campaigns) -> list[tuple[Run, str]]:
    """Runs of both optimizers in the cells that both were run in, each with its optimizer."""
    adam, sgd = found[CHAR], found[SGD]
    if adam is None or sgd is None:
        return []
    campaigns = {"adam": adam.runs, "sgd": sgd.runs}
    common = set.intersection(*({_sizes(run) for run in runs} for runs in campaigns.values()))
    return [
        (run, name) for name, runs in campaigns.items() for run in runs if _sizes(run) in common
    ]


def comparison(found: Campaigns) -> Comparison | None:
    """Adam's campaign against SGD's, on the cells of both."""
    adam, sgd = found[CHAR], found[SGD]
    if adam is None or sgd is None:
        return None
    return compare(_points(sgd), _points(adam))


def _points(campaign: Campaign) -> Points:
    read = files.read(campaign.path)
    return points(one_setting(read.runs), OWN_MINIMUM, read.patience)[0]


def optimizers(found: Campaigns) -> list[Claim]:
    """What Adam does to the curve, against SGD on the cells of both."""
    compared, note = comparison(found), ""
    if sgd := found[SGD]:
        stray = sum(run.diverged for run in sgd.runs)
        note = f"SGD at a rate of {sgd.header.setting.get('learning_rate')}, {stray} runs diverged"
    if compared and compared.left_out:
        note += f"; {compared.left_out} cells left out, where one met no target"
    return [
        Claim(
            "adam-lower",
            "Adam shifts the curve down",
            DOMAIN,
            "Adam's steps over SGD's at equal sizes",
            _effect(compared.ratio if compared else None),
            -math.inf,
            1.0,
            note,
        ),
        Claim(
            "adam-steeper",
            "Adam makes the curve steeper",
            DOMAIN,
            "k2 of Adam less that of SGD",
            _effect(compared.difference if compared else None),
            0.0,
            math.inf,
            f"k2 of Adam {_effect(compared.second)}, of SGD {_effect(compared.first)}"
            if compared and compared.first
            else "",
        ),
    ]


def _effect(found: Estimate | None) -> Effect | None:
    return Effect(found.value, found.low, found.high) if found else None


def batches(found: Campaigns) -> list[Batches]:
    """The law of batches for each width and data size of three batches or more."""
    campaign = found[BATCH]
    if campaign is None:
        return []
    groups = by(campaign.runs, lambda run: (run.data, run.hidden)).values()
    read = files.read(campaign.path)
    fits = [_batch_law(read, runs) for runs in groups]
    return [fit for fit in fits if fit is not None]


def _batch_law(read: Runs, runs: Sequence[Run]) -> Batches | None:
    if len({batch(run) for run in runs if not run.censored}) < 3:
        return None
    names = {run.name for run in runs}
    law = law_of(replace(read, runs=tuple(run for run in read.runs if run.name in names)))
    a, critical = law.parameters["a"], law.parameters["batch_critical"]
    center = law.center["batch"]
    draws = np.array(law.draws)
    least = np.exp(draws[:, 0]) / (1.0 + draws[:, -1] / center)
    value = a.value / (1.0 + critical.value / center)
    low, high = np.percentile(least, LEVEL)
    return Batches(
        runs[0].hidden,
        Effect(value, min(value, float(low)), max(value, float(high))),
        Effect(critical.value, critical.low, critical.high),
        tuple(runs),
    )


def _bounded(found: Campaigns) -> Claim:
    """At the largest batch the elasticity of steps is -B_crit / (B_crit + B)."""
    fits = batches(found)
    effect, note = None, ""
    if fits:
        widest = max(fits, key=lambda fit: fit.hidden)
        most = max(batch(run) for run in widest.runs)
        critical = widest.critical
        value, high, low = (
            -size / (size + most)
            for size in (critical.value, critical.low or 0.0, critical.high or 0.0)
        )
        effect = Effect(value, low, high)
        note = "; ".join(
            f"width {fit.hidden}: B_crit {fit.critical}, noise scale {fit.noise_scale:.3g}"
            for fit in fits
        )
    return Claim(
        "batch-bound",
        "Data parallelism has an upper bound",
        DOMAIN,
        "exponent of steps in the batch, at the largest batch (-1: no bound in sight)",
        effect,
        -0.5,
        math.inf,
        note,
    )


def _sizes(run: Run) -> tuple[int, int]:
    return run.parameters, run.data
