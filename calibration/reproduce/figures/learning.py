"""Figure 1: validation loss against steps and against time, for growing models."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from calibration.reproduce import machines
from calibration.reproduce.campaigns import CHAR, DOMAINS, Campaign, Campaigns, Floats, Run
from calibration.reproduce.effects import by
from calibration.reproduce.figures.common import SMALL, colors, dress, missing, short
from hwsim.report.picture import plain

SIZE = (12.4, 4.2)


def draw(figure: Any, found: Campaigns) -> None:
    """The first seed of each size, at the data size that most model sizes were trained on."""
    panels = figure.subplots(1, 3, sharey=True)
    campaign = found[CHAR]
    titles = (
        "in steps",
        "in time, measured on a CPU core",
        "in time, simulated on one Titan X (Maxwell)",
    )
    runs = _shown(campaign) if campaign else []
    if campaign is None or not runs:
        for panel, title in zip(panels, titles, strict=True):
            missing(panel, title)
        return
    clocks: tuple[Callable[[Run], Floats], ...] = (
        lambda run: run.at,
        lambda run: run.seconds,
        lambda run: run.at * machines.seconds_per_step(campaign, run),
    )
    for run, color in zip(runs, colors(len(runs)), strict=True):
        for panel, clock in zip(panels, clocks, strict=True):
            _curve(panel, run, clock(run), color)
    for panel, title, x in zip(panels, titles, ("steps", "seconds", "seconds"), strict=True):
        dress(panel, title=title, x=x, y="", log="x")
    low = min(run.minimum for run in runs)
    high = max(float(run.losses[0]) for run in runs)
    panels[0].set_ylabel(f"validation loss ({campaign.loss_unit})")
    panels[0].set_ylim(low - 0.04 * (high - low), high)
    handles, labels = panels[0].get_legend_handles_labels()
    look = {"frameon": False, "fontsize": SMALL, "title_fontsize": SMALL}
    figure.legend(handles, labels, title="parameters", loc="outside right center", **look)
    data, unit = runs[0].data, campaign.header.corpus.unit
    figure.suptitle(
        plain(
            f"{DOMAINS[CHAR]}: growing models on {data:,} {unit} of "
            f"{campaign.header.corpus.name}, dots: within 1 % of the minimum"
        ),
        fontsize=11,
    )


def _shown(campaign: Campaign) -> list[Run]:
    learned = [run for run in campaign.runs if math.isfinite(run.minimum)]
    by_data = by(learned, lambda run: run.data)
    sizes = {data: by(runs, lambda run: run.parameters) for data, runs in by_data.items()}
    if not sizes:
        return []
    chosen = max(sizes, key=lambda data: (len(sizes[data]), data))
    return [min(runs, key=lambda run: run.seed) for runs in sizes[chosen].values()]


def _curve(panel: Any, run: Run, clock: Floats, color: Any) -> None:
    panel.plot(clock, run.losses, color=color, lw=1.3, label=short(run.parameters))
    at = float(np.interp(run.steps, run.at, clock))
    panel.plot(at, np.interp(run.steps, run.at, run.losses), "o", color=color, ms=6, mec="white")
