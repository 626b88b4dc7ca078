"""Claims about steps and losses against the sizes of model and data set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Literal

import numpy as np

from calibration.converge.fitting.choice import PLATEAU_SHARE
from calibration.reproduce.campaigns import DOMAINS, Campaign, Campaigns, Run
from calibration.reproduce.claims.judged import Claim, Verdict
from calibration.reproduce.effects import Effect, Rows, by, means, resampled, seeded, slopes
from hwsim.convergence.law import Law, predict

# An exponent within a quarter of 1 either way counts as linear.
LINEAR = (0.8, 1.25)
# "Insignificant": less than twice the 1 % that the paper's own target allows.
FLAT = 0.02
EXPLAINED = 0.9
# An exponent whose interval begins below this is no fall that could end.
LEAST_FALL = 0.01
Key = tuple[int, int]


def claims(found: Campaigns) -> list[Claim]:
    """Those of every domain, measured or not."""
    made = (
        fewer_steps,
        same_loss,
        power_law,
        more_data,
        linear,
        reciprocal,
        plateau,
        flat,
        accurate,
    )
    return [
        claim
        for make in made
        for name, domain in DOMAINS.items()
        for claim in [make(domain, found[name])]
    ]


def fewer_steps(domain: str, campaign: Campaign | None) -> Claim:
    return Claim(
        "fewer-steps",
        "Larger models take fewer steps to their minimum",
        domain,
        "exponent of steps in parameters, at equal data",
        _exponents(campaign, lambda run: run.steps).get("model"),
        -math.inf,
        0.0,
        _counted(campaign),
    )


def same_loss(domain: str, campaign: Campaign | None) -> Claim:
    return Claim(
        "same-loss",
        "Larger models take fewer steps to similar accuracy",
        domain,
        "exponent in parameters of steps to a loss that all sizes reach",
        _to_equal_loss(campaign),
        -math.inf,
        0.0,
    )


def power_law(domain: str, campaign: Campaign | None) -> Claim:
    law = campaign.law if campaign else None
    note = ""
    if law is not None:
        note = ", ".join(
            f"{name} {Effect(p.value, p.low, p.high)}"
            for name, p in law.parameters.items()
            if name in ("k1", "k2")
        )
    return Claim(
        "power-law",
        "Steps follow D^k1 / M^k2",
        domain,
        "share of the variance of log-steps that the fitted law explains",
        _explained(campaign, law) if campaign and law else None,
        EXPLAINED,
        math.inf,
        note,
    )


def plateau(domain: str, campaign: Campaign | None) -> Claim:
    law = campaign.law if campaign else None
    effect, note = None, ""
    at_best: Verdict = "holds"
    if campaign and law:
        with_b, without = law.held_out["power-plateau"], law.held_out["power"]
        if law.parameters["k2"].low < LEAST_FALL or with_b >= without:
            at_best = "not seen"
        elif law.plateau == "not seen":
            at_best = "holds weakly"
        fewest = min(run.steps for run in campaign.runs)
        low, value, high = np.percentile([draw[3] for draw in law.draws], (2.5, 50, 97.5)) / fewest
        effect = Effect(float(value), float(low), float(high))
        note = (
            f"largest model left out: error per e-fold {with_b:.0%} with b, {without:.0%} without"
        )
    return Claim(
        "plateau",
        "There is a size beyond which steps fall no further",
        domain,
        "plateau b of the law over the fewest steps, if k2 is above 0 and the largest model is "
        "predicted better with b",
        effect,
        PLATEAU_SHARE,
        math.inf,
        note,
        at_best=at_best,
    )


def more_data(domain: str, campaign: Campaign | None) -> Claim:
    return Claim(
        "more-data",
        "Steps grow with the data set",
        domain,
        "exponent of steps in data, at equal parameters",
        _exponents(campaign, lambda run: run.steps).get("data"),
        0.0,
        math.inf,
    )


def linear(domain: str, campaign: Campaign | None) -> Claim:
    return Claim(
        "linear-in-data",
        "Steps are linear in the data set's size",
        domain,
        "k1 of the fitted law",
        _parameter(campaign, "k1"),
        *LINEAR,
    )


def reciprocal(domain: str, campaign: Campaign | None) -> Claim:
    return Claim(
        "reciprocal-in-model",
        "Steps are reciprocal to the model's size",
        domain,
        "k2 of the fitted law",
        _parameter(campaign, "k2"),
        *LINEAR,
    )


def _parameter(campaign: Campaign | None, name: Literal["k1", "k2"]) -> Effect | None:
    if campaign is None or campaign.law is None:
        return None
    found = campaign.law.parameters[name]
    return Effect(found.value, found.low, found.high)


def flat(domain: str, campaign: Campaign | None) -> Claim:
    effect, note = None, ""
    if campaign:
        minima = _minima(campaign.runs)
        beyond = len(_rises(means(minima)))
        if beyond:
            effect = seeded(minima, lambda table: _mean_rise(_rises(table)))
            note = f"{beyond} data sizes with models beyond their best"
        elif minima:
            note = "the largest model is the best everywhere"
    return Claim(
        "flat-loss",
        "The minimum loss stays the same beyond its best size",
        domain,
        "loss of the largest model over the best model's - 1, mean over data sizes",
        effect,
        -math.inf,
        FLAT,
        note,
    )


def accurate(domain: str, campaign: Campaign | None) -> Claim:
    return Claim(
        "data-lowers-loss",
        "Larger models are more accurate with more data",
        domain,
        "exponent of the minimum loss in data, at equal parameters",
        _exponents(campaign, lambda run: run.minimum).get("data"),
        -math.inf,
        0.0,
    )


def _exponents(
    campaign: Campaign | None, value: Callable[[Run], float], kept: Sequence[Run] | None = None
) -> dict[str, Effect]:
    """Exponents of a run's value in parameters ("model", at equal data) and in data ("data")."""
    given = kept if kept is not None else campaign.runs if campaign else ()
    runs = [run for run in given if math.isfinite(value(run))]
    if not runs:
        return {}
    y = np.log([value(run) for run in runs])
    bounds = np.array([run.censored for run in runs])
    cells = [run.cell for run in runs]
    found: dict[str, Effect] = {}
    model, data = [run.parameters for run in runs], [run.data for run in runs]
    for name, axis, groups, least in (("model", model, data, 3), ("data", data, model, 2)):
        if len({size for size, bound in zip(axis, bounds, strict=True) if not bound}) >= least:
            rows = Rows(y, groups, cells, bounds)
            found |= slopes(rows, {name: np.log(np.array(axis, dtype=float))})
    return found


def _to_equal_loss(campaign: Campaign | None) -> Effect | None:
    """At each data size the loss is 1 % above the worst size's median minimum."""
    if campaign is None:
        return None
    steps: dict[str, float] = {}
    for runs in by(campaign.runs, lambda run: run.data).values():
        sizes = by([run for run in runs if not run.censored], lambda run: run.parameters)
        if len(sizes) < 3:
            continue
        target = 1.01 * max(median(run.minimum for run in size) for size in sizes.values())
        for run in (run for size in sizes.values() for run in size):
            found = run.steps_to(target)
            if found is not None:
                steps[run.name] = found
    kept = [run for run in campaign.runs if run.name in steps]
    return _exponents(campaign, lambda run: steps[run.name], kept).get("model")


def _explained(campaign: Campaign, law: Law) -> Effect:
    """1 - (variance that is left) / (variance), cells of runs that met the target resampled."""
    met = [run for run in campaign.runs if not run.censored]
    cells = [
        [(math.log(run.steps), _log_steps(law, run)) for run in cell]
        for cell in by(met, lambda run: run.cell).values()
    ]

    def share(pairs: list[tuple[float, float]]) -> float:
        measured, fitted = np.array(pairs).T
        return float(1.0 - np.sum((measured - fitted) ** 2) / (measured.var() * len(pairs)))

    return resampled(cells, share)


def _log_steps(law: Law, run: Run) -> float:
    return math.log(predict(law, run.parameters, run.data, law.setting).value)


def _minima(runs: Sequence[Run]) -> dict[Key, list[float]]:
    """Minima of the seeds by (data, parameters), where data was learned by 3 sizes or more."""
    cells: dict[Key, list[float]] = {}
    for run in runs:
        if math.isfinite(run.minimum):
            cells.setdefault((run.data, run.parameters), []).append(run.minimum)
    sizes = Counter(data for data, _ in cells)
    return {key: cells[key] for key in sorted(cells) if sizes[key[0]] >= 3}


def _rises(table: Mapping[Key, float]) -> list[float]:
    """Loss of the largest model over the best one's, less 1, where the best is not the largest."""
    rises = []
    for data in {data for data, _ in table}:
        losses = [table[key] for key in sorted(table) if key[0] == data]
        if losses[-1] > min(losses):
            rises.append(losses[-1] / min(losses) - 1.0)
    return rises


def _mean_rise(rises: Sequence[float]) -> float:
    return float(np.mean(rises)) if rises else 0.0


def _counted(campaign: Campaign | None) -> str:
    if campaign is None:
        return ""
    censored = sum(run.censored for run in campaign.runs)
    diverged = sum(run.diverged for run in campaign.runs)
    text = f"{len(campaign.runs)} runs, {censored} censored"
    return f"{text}, {diverged} diverged" if diverged else text
