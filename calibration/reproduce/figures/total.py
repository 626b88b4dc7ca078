"""Total time to the minimum against model size, simulated on a machine of the day and measured."""

from __future__ import annotations

from typing import Any

from calibration.reproduce.campaigns import DOMAINS, Campaigns
from calibration.reproduce.claims import time
from calibration.reproduce.effects import means
from calibration.reproduce.figures.common import (
    FAINT,
    PALETTE,
    dress,
    legend,
    missing,
)

SIZE = (9.0, 4.2)


def draw(figure: Any, found: Campaigns) -> None:
    """A line for each domain: time over the smallest model's, geometric mean over data sizes."""
    panels = figure.subplots(1, len(time.PLACES))
    for panel, (place, seconds) in zip(panels, time.PLACES.items(), strict=True):
        drawn = False
        for (name, domain), color in zip(DOMAINS.items(), PALETTE, strict=False):
            campaign = found[name]
            if campaign is None:
                continue
            ratios = time.over_smallest(means(time.times(campaign, seconds)))
            if len(ratios) > 1:
                drawn = True
                at, over = list(ratios), list(ratios.values())
                panel.plot(at, over, "o-", color=color, ms=5, lw=1.3, label=domain)
        if not drawn:
            missing(panel, place)
            continue
        panel.axhline(1.0, color=FAINT, lw=0.8, ls="--")
        dress(panel, title=place, x="parameters", y="time to the minimum / smallest model's")
        legend(panel)
    figure.suptitle("Total time against model size, at equal data", fontsize=11)
