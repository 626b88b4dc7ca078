"""Claims about seconds: per step with and without parallelism, and in total."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import geometric_mean

import numpy as np

from calibration.reproduce import machines
from calibration.reproduce.campaigns import DOMAINS, Campaign, Campaigns, Run
from calibration.reproduce.claims.convergence import LINEAR, Key
from calibration.reproduce.claims.judged import Claim
from calibration.reproduce.effects import Effect, Rows, means, seeded, slopes

# A difference of exponents that is worth a machine: a tenth less time at 8 times the size.
LOWERED = -0.05
SIMULATED, MEASURED = "simulated on Titan X (Maxwell)", "measured on a CPU core"

Seconds = Callable[[Campaign, Run], float]


def claims(found: Campaigns) -> list[Claim]:
    totals = [
        _total(domain, found[name], on, seconds)
        for name, domain in DOMAINS.items()
        for on, seconds in PLACES.items()
    ]
    return [*_measured_step(found), *_simulated_steps(), *totals]


def measured_total(campaign: Campaign, run: Run) -> float:
    """Seconds of this run up to its target, on the CPU that trained it."""
    del campaign
    return run.seconds_to(run.steps)


def simulated_total(campaign: Campaign, run: Run) -> float:
    """Measured steps x simulated seconds per step on one device of the paper's day."""
    return run.steps * machines.seconds_per_step(campaign, run)


PLACES: dict[str, Seconds] = {
    SIMULATED: simulated_total,
    MEASURED: measured_total,
}


def _measured_step(found: Campaigns) -> list[Claim]:
    made = []
    for name, domain in DOMAINS.items():
        campaign = found[name]
        effect = None
        if campaign and len({run.parameters for run in campaign.runs}) >= 3:
            runs = [run for run in campaign.runs if math.isfinite(run.seconds_per_step)]
            rows = Rows(
                np.log([run.seconds_per_step for run in runs]),
                [0] * len(runs),
                [run.cell for run in runs],
                np.zeros(len(runs), dtype=bool),
            )
            size = np.log([run.parameters for run in runs])
            effect = slopes(rows, {"size": size}).get("size")
        made.append(_linear_step(domain, MEASURED, effect, "small widths"))
    return made


def _linear_step(domain: str, place: str, effect: Effect | None, note: str) -> Claim:
    return Claim(
        "linear-step",
        f"Time per step grows linearly with model size without parallelism, {place}",
        domain,
        "exponent of seconds per step in parameters",
        effect,
        *LINEAR,
        note if effect else "",
    )


def _simulated_steps() -> list[Claim]:
    made = []
    for domain in machines.SETTINGS:
        alone, *others = machines.series(domain)
        note = f"the paper's layers; {alone.at_the_end:.2f} between the two largest models"
        made.append(_linear_step(domain, SIMULATED, Effect(alone.exponent), note))
        made += [
            Claim(
                "parallel-growth",
                f"Parallelism lowers the growth of time per step ({one.axis}), {SIMULATED}",
                domain,
                f"exponent with {one.label} less the one without",
                Effect(one.exponent - alone.exponent),
                -math.inf,
                LOWERED,
                f"largest model {alone.points[-1].seconds / one.points[-1].seconds:.1f} x as "
                f"fast, smallest {alone.points[0].seconds / one.points[0].seconds:.1f} x",
            )
            for one in others
        ]
    return made


def _total(domain: str, campaign: Campaign | None, place: str, seconds: Seconds) -> Claim:
    effect, note = None, ""
    if campaign:
        cells = times(campaign, seconds)
        ratios = over_smallest(means(cells))
        if len(ratios) > 1:
            smallest, *others = ratios
            best = min(others, key=lambda size: ratios[size])
            effect = seeded(cells, lambda table: over_smallest(table)[best])
            note = f"{best:,} parameters against {smallest:,}; compared up to {max(others):,}"
    return Claim(
        "total-time",
        f"Total time can fall as the model grows, {place}",
        domain,
        "least time to the minimum over the smallest model's",
        effect,
        -math.inf,
        1.0,
        note,
    )


def times(campaign: Campaign, seconds: Seconds) -> dict[Key, list[float]]:
    """Seconds to the target of the seeds by (data, parameters); of runs that met it."""
    cells: dict[Key, list[float]] = {}
    for run in campaign.runs:
        spent = math.nan if run.censored else seconds(campaign, run)
        if math.isfinite(spent):
            cells.setdefault((run.data, run.parameters), []).append(spent)
    return dict(sorted(cells.items()))


def over_smallest(table: Mapping[Key, float]) -> dict[int, float]:
    """Time over the smallest model's by model size: geometric means over data sizes.

    Of the data sizes that have the smallest model, and of the model sizes that all of these have.
    """
    smallest = min((size for _, size in table), default=0)
    chosen = [data for data, size in table if size == smallest]
    sizes = {size for _, size in table if all((data, size) in table for data in chosen)}
    return {
        size: geometric_mean(table[data, size] / table[data, smallest] for data in chosen)
        for size in sorted(sizes)
    }
