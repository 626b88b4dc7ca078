"""Claims about depth, the optimizer and the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from calibration.converge.fit import ROBUST_SCALE
from calibration.reproduce.campaigns import BATCH, CHAR, DEPTH, SGD, Campaigns, Run
from calibration.reproduce.claims.judged import Claim
from calibration.reproduce.effects import RESAMPLES, SEED, Effect, Rows, by, slopes

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
    return [_deeper(found), *_optimizers(found), _bounded(found)]


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


def optimizer_effects(found: Campaigns) -> dict[str, Effect]:
    """Of Adam against SGD: "shift", mean log ratio of steps; "slope", difference of exponents."""
    pairs = paired(found)
    if not pairs:
        return {}
    runs = [run for run, _ in pairs]
    adam = np.array([name == "adam" for _, name in pairs], dtype=float)
    y = np.log([run.steps for run in runs])
    bounds = np.array([run.censored for run in runs])
    cells = [_sizes(run) for run in runs]
    effects = slopes(Rows(y, cells, cells, bounds), {"shift": adam})
    if len({run.parameters for run in runs}) >= 3:
        size = np.log([run.parameters for run in runs])
        groups = [(run.data, name) for run, name in pairs]
        center = size - size.mean()
        effects |= slopes(Rows(y, groups, cells, bounds), {"size": center, "slope": center * adam})
    return effects


def _optimizers(found: Campaigns) -> list[Claim]:
    effects = optimizer_effects(found)
    shift = effects.get("shift")
    note = ""
    if sgd := found[SGD]:
        note = f"SGD at a rate of {sgd.header.setting.get('learning_rate')}"
        if shift:
            note += f"; steps of Adam over SGD's: {math.exp(shift.value):.2f}"
        stray = sum(run.diverged for run in sgd.runs)
        note += f"; {stray} SGD runs diverged" if stray else ""
    return [
        Claim(
            "adam-lower",
            "Adam shifts the curve down",
            DOMAIN,
            "log of Adam's steps over SGD's, equal sizes",
            shift,
            -math.inf,
            0.0,
            note,
        ),
        Claim(
            "adam-steeper",
            "Adam makes the curve steeper",
            DOMAIN,
            "exponent of steps in parameters, Adam's less SGD's",
            effects.get("slope"),
            -math.inf,
            0.0,
        ),
    ]


def batches(found: Campaigns) -> list[Batches]:
    """The law of batches for each width and data size of three batches or more."""
    campaign = found[BATCH]
    if campaign is None:
        return []
    groups = by(campaign.runs, lambda run: (run.data, run.hidden)).values()
    fits = [_batch_law(runs) for runs in groups]
    return [fit for fit in fits if fit is not None]


def _batch_law(runs: Sequence[Run]) -> Batches | None:
    met = [run for run in runs if not run.censored]
    sizes = by(met, batch)
    if len(sizes) < 3:
        return None
    best = _fit_batches(met)
    random = np.random.default_rng(SEED)
    draws: list[tuple[float, float]] = []
    cells = list(sizes.values())
    while len(draws) < RESAMPLES:
        chosen = random.integers(len(cells), size=len(cells))
        if len(set(chosen)) >= 3:
            draws.append(_fit_batches([run for i in chosen for run in cells[i]]))
    low, high = np.percentile(draws, (2.5, 97.5), axis=0)
    least, critical = (
        Effect(value, float(min(one, value)), float(max(other, value)))
        for value, one, other in zip(best, low, high, strict=True)
    )
    return Batches(runs[0].hidden, least, critical, tuple(runs))


def _fit_batches(runs: Sequence[Run]) -> tuple[float, float]:
    """S_min and B_crit, by robust least squares in log-steps."""
    from scipy.optimize import least_squares

    y = np.log([run.steps for run in runs])
    size = np.array([batch(run) for run in runs], dtype=float)
    middle = float(np.exp(np.mean(np.log(size))))

    def residuals(theta: np.ndarray) -> np.ndarray:
        return np.asarray(y - theta[0] - np.log1p(np.exp(theta[1]) / size))

    start = [float(np.median(y)) - math.log(2.0), math.log(middle)]
    bounds = ([-5.0, math.log(1e-3 * middle)], [25.0, math.log(1e3 * middle)])
    found = least_squares(residuals, start, bounds=bounds, loss="soft_l1", f_scale=ROBUST_SCALE)
    return float(np.exp(found.x[0])), float(np.exp(found.x[1]))


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
