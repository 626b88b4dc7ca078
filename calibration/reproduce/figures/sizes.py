"""Figures 2 and 3: steps to the minimum, and the minimum itself, against model size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

from calibration.reproduce.campaigns import DOMAINS, Campaign, Campaigns, Run
from calibration.reproduce.effects import Effect, by
from calibration.reproduce.figures.common import (
    BOUND,
    PALETTE,
    dress,
    legend_below,
    missing,
    short,
    spread,
)
from hwsim.convergence.law import Law, predict
from hwsim.report.picture import plain

STEPS_SIZE, LOSS_SIZE = (12.0, 5.6), (12.0, 4.9)


def draw_steps(figure: Any, found: Campaigns) -> None:
    """A panel for each domain, a color for each data size, the fitted law with its 80 % band."""
    for panel, campaign, domain in _panels(figure, found):
        runs = campaign.runs
        for (data, same), color in zip(by(runs, lambda r: r.data).items(), PALETTE, strict=False):
            label = plain(f"{short(data)} {campaign.header.corpus.unit}")
            _points(panel, same, lambda run: run.steps, color, label, line=campaign.law is None)
            if campaign.law is not None:
                _band(panel, campaign, campaign.law, data, color)
        panel.set_ylim(*spread([run.steps for run in runs]))
        title = plain(f"{domain} ({campaign.header.corpus.name})")
        dress(panel, title=title, x="parameters", y="steps to within 1 % of the minimum")
        legend_below(panel, _law_text(campaign.law))
    figure.suptitle(
        "Steps against model size; lines: fitted law and its 80 % band, arrows: lower bounds",
        fontsize=11,
    )


def draw_losses(figure: Any, found: Campaigns) -> None:
    """Medians over seeds, and each run."""
    for panel, campaign, domain in _panels(figure, found):
        same_data = by([r for r in campaign.runs if not r.diverged], lambda run: run.data)
        for (data, runs), color in zip(same_data.items(), PALETTE, strict=False):
            label = plain(f"{short(data)} {campaign.header.corpus.unit}")
            _points(panel, runs, lambda run: run.minimum, color, label, line=True, bounds=False)
        title = plain(f"{domain} ({campaign.header.corpus.name})")
        y = f"minimum validation loss ({campaign.loss_unit})"
        dress(panel, title=title, x="parameters", y=y, log="x")
        legend_below(panel)
    figure.suptitle("Minimum validation loss against model size; lines: medians", fontsize=11)


def _panels(figure: Any, found: Campaigns) -> list[tuple[Any, Campaign, str]]:
    """Those with runs; the others say that there are none."""
    kept = []
    panels = figure.subplots(1, len(DOMAINS))
    for panel, (name, domain) in zip(panels, DOMAINS.items(), strict=True):
        campaign = found[name]
        if campaign is None or not campaign.runs:
            missing(panel, domain)
        else:
            kept.append((panel, campaign, domain))
    return kept


def _points(
    panel: Any,
    runs: Sequence[Run],
    value: Callable[[Run], float],
    color: str,
    label: str,
    *,
    line: bool,
    bounds: bool = True,
) -> None:
    """Each run small, the median of each size large; lower bounds as arrows."""
    met = [run for run in runs if not (bounds and run.censored)]
    open_ended = [run for run in runs if bounds and run.censored]
    panel.plot(
        [run.parameters for run in met], [value(run) for run in met], ".", color=color, alpha=0.4
    )
    cells = by(met, lambda run: run.parameters)
    panel.plot(
        list(cells),
        [median(value(run) for run in cell) for cell in cells.values()],
        "o-" if line else "o",
        color=color,
        ms=5,
        lw=1.3,
        label=label,
    )
    panel.plot(
        [run.parameters for run in open_ended],
        [value(run) for run in open_ended],
        color=color,
        **BOUND,
    )


def _band(panel: Any, campaign: Campaign, law: Law, data: int, color: str) -> None:
    sizes = [run.parameters for run in campaign.runs if run.data == data]
    grid = np.geomspace(min(sizes), max(sizes), 40)
    found = [predict(law, size, data, law.setting) for size in grid]
    panel.plot(grid, [steps.value for steps in found], color=color, lw=1.3)
    panel.fill_between(
        grid, [s.low for s in found], [s.high for s in found], color=color, alpha=0.15, lw=0
    )


def _law_text(law: Law | None) -> str:
    """The law with the 95 % intervals of its parameters."""
    if law is None:
        return "too few runs for a law"
    lines = ["S = a (D/D0)^k1 / (M/M0)^k2" + (" + b" if law.plateau == "seen" else "")]
    for name in ("k1", "k2", "b"):
        p = law.parameters[name]
        if name == "b" and law.plateau == "not seen":
            lines.append(f"no plateau seen: b < {p.high:.3g}")
        else:
            lines.append(f"{name} = {Effect(p.value, p.low, p.high)}")
    lines.append("(95 % intervals)")
    return "\n".join(lines)
