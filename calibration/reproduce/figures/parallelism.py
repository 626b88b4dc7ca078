"""Time per step against model size, with and without parallelism, simulated; and measured."""

from __future__ import annotations

from statistics import median
from typing import Any

from calibration.reproduce import machines
from calibration.reproduce.campaigns import DOMAINS, Campaigns
from calibration.reproduce.effects import by
from calibration.reproduce.figures.common import FAINT, PALETTE, dress, legend, missing

SIZE = (12.6, 4.4)


def draw(figure: Any, found: Campaigns) -> None:
    """The paper's language models on eight Titan X (Maxwell), and the measured runs on a CPU."""
    *simulated, measured = figure.subplots(1, len(machines.SETTINGS) + 1)
    for panel, domain in zip(simulated, machines.SETTINGS, strict=True):
        for one, color in zip(machines.series(domain), PALETTE, strict=False):
            sizes = [point.parameters for point in one.points]
            low, high = [p.low for p in one.points], [p.high for p in one.points]
            panel.fill_between(sizes, low, high, color=color, alpha=0.15, lw=0)
            label = f"{one.label}: exponent {one.exponent:.2f}"
            panel.plot(sizes, [p.seconds for p in one.points], color=color, lw=1.3, label=label)
            for point in one.points:
                face = color if point.fits else "white"
                panel.plot(point.parameters, point.seconds, "o", color=color, mfc=face, ms=5)
        panel.plot([], [], "o", color=FAINT, mfc="white", label="does not fit in memory")
        title = f"{domain}, simulated on Titan X (Maxwell)"
        dress(panel, title=title, x="parameters", y="seconds per step")
        legend(panel, loc="upper left")
    _measured(measured, found)
    figure.suptitle("Time per step against model size; bands: 80 % intervals", fontsize=11)


def _measured(panel: Any, found: Campaigns) -> None:
    title = "small models, measured on a CPU core"
    drawn = False
    for (name, domain), color in zip(DOMAINS.items(), PALETTE, strict=False):
        campaign = found[name]
        if campaign is None or not campaign.runs:
            continue
        drawn = True
        cells = by(campaign.runs, lambda run: run.parameters)
        seconds = [median(run.seconds_per_step for run in runs) for runs in cells.values()]
        panel.plot(list(cells), seconds, "o-", color=color, ms=5, lw=1.3, label=domain)
    if not drawn:
        missing(panel, title)
        return
    dress(panel, title=title, x="parameters", y="seconds per step")
    legend(panel, loc="upper left")
