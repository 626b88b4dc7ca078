"""Claims about seconds: per step with and without parallelism, and in total."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from calibration.reproduce import machines
from calibration.reproduce.campaigns import DOMAINS, Campaign, Campaigns, Run
from calibration.reproduce.claims.convergence import LINEAR
from calibration.reproduce.claims.judged import Claim
from calibration.reproduce.effects import Effect, Rows, by, resampled, slopes

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
    "simulated on one Titan X (Maxwell)": simulated_total,
    "measured on a CPU core": measured_total,
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
        made.append(_linear_step(domain, "measured on a CPU core", effect, "small widths"))
    return made


def _linear_step(domain: str, place: str, effect: Effect | None, note: str) -> Claim:
    return Claim(
        "linear-step",
        "Time per step grows linearly with model size without parallelism",
        domain,
        f"exponent of seconds per step in parameters, {place}",
        effect,
        *LINEAR,
        note if effect else "",
    )


def _simulated_steps() -> list[Claim]:
    made = []
    for domain in machines.SETTINGS:
        alone, *others = machines.series(domain)
        note = f"{alone.at_the_end:.2f} between the two largest"
        place = "simulated on one Titan X (Maxwell), widths of the paper's kind"
        made.append(_linear_step(domain, place, Effect(alone.exponent), note))
        made += [
            Claim(
                "parallel-growth",
                "Parallelism lowers the growth of time per step",
                domain,
                f"exponent with {one.label} less the one without, simulated on Titan X (Maxwell)",
                Effect(one.exponent - alone.exponent),
                -math.inf,
                0.0,
                f"largest model {alone.points[-1].seconds / one.points[-1].seconds:.1f} x as "
                f"fast, smallest {alone.points[0].seconds / one.points[0].seconds:.1f} x",
            )
            for one in others
        ]
    return made


def _total(domain: str, campaign: Campaign | None, place: str, seconds: Seconds) -> Claim:
    effect, note = None, ""
    if campaign:
        runs = [run for run in campaign.runs if not run.censored]
        times = {run.name: seconds(campaign, run) for run in runs}
        tables = _ratios(runs, times)
        if tables:
            best = min(tables, key=lambda size: tables[size])
            kept = [run for run in runs if math.isfinite(times[run.name])]
            effect = resampled(kept, lambda drawn: _ratios(drawn, times).get(best, math.nan))
            note = f"least at {best:,} parameters, of {min(tables):,} to {max(tables):,} compared"
    return Claim(
        "total-time",
        "Total time can fall as the model grows",
        domain,
        f"least time to the minimum over the smallest model's, {place}",
        effect,
        -math.inf,
        1.0,
        note,
    )


def _ratios(runs: Sequence[Run], times: dict[str, float]) -> dict[int, float]:
    """Time over the smallest model's by model size: geometric means over data sizes.

    Of sizes that were run, as was the smallest, at every data size that has the most sizes.
    """
    tables = {
        data: {
            size: median(times[run.name] for run in cell)
            for size, cell in by(same, lambda run: run.parameters).items()
        }
        for data, same in by(runs, lambda run: run.data).items()
    }
    smallest = min((run.parameters for run in runs), default=0)
    tables = {data: table for data, table in tables.items() if smallest in table}
    if not tables:
        return {}
    common = set.intersection(*(set(table) for table in tables.values())) - {smallest}
    return {
        size: math.exp(
            float(np.mean([math.log(table[size] / table[smallest]) for table in tables.values()]))
        )
        for size in sorted(common)
    }
