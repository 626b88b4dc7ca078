"""Steps against depth, under two optimizers, and against the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from calibration.reproduce.campaigns import BATCH, DEPTH, Campaigns, Run
from calibration.reproduce.claims import sensitivity
from calibration.reproduce.effects import by
from calibration.reproduce.figures.common import (
    BOUND,
    FAINT,
    PALETTE,
    dress,
    legend_below,
    missing,
    short,
)
from hwsim.report.picture import plain

DEPTH_SIZE, BATCH_SIZE, OPTIMIZER_SIZE = (9.0, 4.4), (9.6, 4.8), (6.4, 5.4)
MARKS = "os^Dv"


def draw_depth(figure: Any, found: Campaigns) -> None:
    """Steps and minimum loss against the number of layers, a color for each width."""
    left, right = figure.subplots(1, 2)
    campaign = found[DEPTH]
    if campaign is None or not campaign.runs:
        missing(left, "steps")
        missing(right, "minimum loss")
        return
    for (hidden, runs), color in zip(
        by(campaign.runs, lambda r: r.hidden).items(), PALETTE, strict=False
    ):
        depths = [sensitivity.depth(run) for run in runs]
        label = f"width {hidden}"
        for panel, values, bounds in (
            (left, [run.steps for run in runs], [run.censored for run in runs]),
            (right, [run.minimum for run in runs], [False] * len(runs)),
        ):
            _medians(panel, depths, values, bounds, color, label)
    dress(left, title="steps", x="layers", y="steps to within 1 % of the minimum")
    y = f"minimum validation loss ({campaign.loss_unit})"
    dress(right, title="minimum loss", x="layers", y=y, log="x")
    for panel in (left, right):
        depths = sorted({sensitivity.depth(run) for run in campaign.runs})
        panel.set_xticks(depths, [str(depth) for depth in depths])
        panel.minorticks_off()
    legend_below(left)
    figure.suptitle("character LM: sensitivity to depth, at equal width and data", fontsize=11)


def draw_optimizer(figure: Any, found: Campaigns) -> None:
    """Both optimizers in the cells that both were run in."""
    panel = figure.subplots()
    pairs = sensitivity.paired(found)
    if not pairs:
        missing(panel, "Adam and SGD")
        return
    sizes = sorted({run.data for run, _ in pairs})
    for name, color in (("adam", PALETTE[0]), ("sgd", PALETTE[3])):
        for data, mark in zip(sizes, MARKS, strict=False):
            runs = [run for run, optimizer in pairs if optimizer == name and run.data == data]
            told = {"adam": "Adam", "sgd": "SGD"}[name]
            label = f"{told}, {short(data)} characters"
            at = [run.parameters for run in runs]
            steps, bounds = [run.steps for run in runs], [run.censored for run in runs]
            _medians(panel, at, steps, bounds, color, label, mark)
    title = "character LM: Adam against SGD"
    dress(panel, title=title, x="parameters", y="steps to within 1 % of the minimum")
    legend_below(panel, "\n".join(_optimizer_text(found)))


def _optimizer_text(found: Campaigns) -> list[str]:
    """What the claims about the optimizer measure."""
    told = [f"{one.measure}: {one.number}" for one in sensitivity.optimizers(found)]
    return [*told, "(95 % intervals)"]


def draw_batch(figure: Any, found: Campaigns) -> None:
    """Steps against the batch with the fitted law; the gradient noise scale against steps."""
    left, right = figure.subplots(1, 2)
    campaign = found[BATCH]
    if campaign is None or not campaign.runs:
        missing(left, "steps")
        missing(right, "gradient noise scale")
        return
    fits = {fit.hidden: fit for fit in sensitivity.batches(found)}
    for (hidden, runs), color in zip(
        by(campaign.runs, lambda r: r.hidden).items(), PALETTE, strict=False
    ):
        sizes = [sensitivity.batch(run) for run in runs]
        steps, bounds = [run.steps for run in runs], [run.censored for run in runs]
        fit = fits.get(hidden)
        label = f"width {hidden}"
        if fit:
            grid = np.geomspace(min(sizes), max(sizes), 40)
            left.plot(grid, [fit.steps(size) for size in grid], color=color, lw=1.3)
            label += f": S_min {fit.least_steps}, B_crit {fit.critical}"
        _medians(left, sizes, steps, bounds, color, label, line=fit is None)
        _noise(right, runs, color)
        if fit and fit.critical.low and fit.critical.high:
            right.axhspan(fit.critical.low, fit.critical.high, color=color, alpha=0.12, lw=0)
            right.axhline(fit.critical.value, color=color, lw=1.2, ls="--")
    dress(
        left,
        title="S = S_min (1 + B_crit / B)",
        x="batch (samples)",
        y="steps to within 1 % of the minimum",
    )
    right.plot([], [], ".", color=FAINT, label="gradient noise scale")
    right.plot([], [], "--", color=FAINT, label="B_crit and its 95 % interval")
    dress(
        right, title="gradient noise scale beside B_crit", x="steps / steps to target", y="samples"
    )
    legend_below(left, columns=1)
    legend_below(right, columns=1)
    unit, data = campaign.header.corpus.unit, campaign.runs[0].data
    figure.suptitle(plain(f"character LM: sensitivity to the batch, {data:,} {unit}"), fontsize=11)


def _noise(panel: Any, runs: Sequence[Run], color: str) -> None:
    at = [step / run.steps for run in runs for step, _ in run.noises if step <= 2 * run.steps]
    scales = [scale for run in runs for step, scale in run.noises if step <= 2 * run.steps]
    panel.plot(at, scales, ".", color=color, alpha=0.35, ms=4, mew=0)


def _medians(
    panel: Any,
    at: Sequence[float],
    values: Sequence[float],
    bounds: Sequence[bool],
    color: str,
    label: str,
    mark: str = "o",
    *,
    line: bool = True,
) -> None:
    """Each run small, the median at each place large; lower bounds as arrows."""
    met: dict[float, list[float]] = {}
    for x, y, bound in zip(at, values, bounds, strict=True):
        look = BOUND if bound else {"marker": "."}
        panel.plot(x, y, color=color, alpha=0.5, **look)
        if not bound and math.isfinite(y):
            met.setdefault(x, []).append(y)
    xs = sorted(met)
    style = f"{mark}-" if line else mark
    panel.plot(xs, [median(met[x]) for x in xs], style, color=color, ms=5, lw=1.3, label=label)
