"""The law of a campaign: robust least squares in log-steps, several starts, a bootstrap over cells.

    ln S = ln(a (D/D0)^k1 / (M/M0)^k2 + b),   k1, k2, b >= 0

Fitting steps themselves instead of their logarithm lets the slowest runs decide the plateau.
Censored runs only push from below: a fit above the step where they ended costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from calibration.converge import curves
from hwsim.convergence.law import Law, Parameter
from hwsim.convergence.target import WITHIN, crossing
from hwsim.errors import InputError

Floats = npt.NDArray[np.float64]

STARTS = 12
RESAMPLES = 500
SEED = 2018
# Residuals beyond this (in log-steps, about the spread between seeds) count less than squared.
ROBUST_SCALE = 0.1
# A plateau is seen when 97.5 % of the resamples put it above this share of the fewest steps.
PLATEAU_SHARE = 0.05
TARGET = f"validation loss within {WITHIN:.0%} of the run's own minimum"


@dataclass(frozen=True)
class Points:
    """One row per run: model and data size, steps to the target, whether that is a lower bound."""

    model: Floats
    data: Floats
    steps: Floats
    censored: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, index: npt.NDArray[Any]) -> Points:
        return Points(
            self.model[index], self.data[index], self.steps[index], self.censored[index]
        )

    def cells(self) -> list[npt.NDArray[np.intp]]:
        """Row numbers by (model, data) cell: seeds of one cell are not independent sizes."""
        keys = list(zip(self.model, self.data, strict=True))
        return [
            np.flatnonzero([key == cell for key in keys]) for cell in sorted(set(keys))
        ]


@dataclass(frozen=True)
class Fit:
    """ln a, k1, k2, b and the residuals ln(measured / fitted)."""

    theta: Floats
    residuals: Floats


def points(found: curves.Curves) -> Points:
    """Steps to the target of every finished run of a campaign."""
    patience = float(found.header["stop"]["patience"])
    rows = []
    for curve in found.finished.values():
        met = crossing(curve.steps, curve.losses, patience=patience)
        rows.append(
            (curve.end["parameters"], curve.end["dataset"], met.steps, float(met.censored))
        )
    table = np.array(rows, dtype=float).reshape(-1, 4)
    return Points(table[:, 0], table[:, 1], table[:, 2], table[:, 3] > 0)


def fit_law(path: Path, name: str | None = None) -> Law:
    """The law of a campaign's file.

    Raises InputError if fewer than 3 model sizes or 2 data sizes are finished.
    """
    found = curves.read(path)
    rows = points(found)
    for axis, values, least in (("model", rows.model, 3), ("data", rows.data, 2)):
        if len(np.unique(values)) < least:
            raise InputError(
                str(path),
                f"found finished runs of {len(np.unique(values))} {axis} sizes",
                f"a law needs at least {least}; run more with `hwsim converge run`",
            )
    center = (_geometric_mean(rows.model), _geometric_mean(rows.data))
    full = fit(rows, center, plateau=True)
    draws = bootstrap(rows, center)
    seen = bool(np.percentile(draws[:, 3], 2.5) > PLATEAU_SHARE * rows.steps.min())
    best = full if seen else fit(rows, center, plateau=False)
    low, high = np.percentile(draws, (2.5, 97.5), axis=0)
    values = dict(zip(("a", "k1", "k2", "b"), best.theta, strict=True))
    bounds = dict(zip(("a", "k1", "k2", "b"), zip(low, high, strict=True), strict=True))
    values["a"], bounds["a"] = np.exp(values["a"]), tuple(np.exp(bounds["a"]))
    if not seen:
        bounds["b"] = (0.0, bounds["b"][1])
    header = found.header
    return Law(
        name=name or header["workload"],
        workload=header["workload"],
        target=TARGET,
        parameters={
            key: Parameter(
                value=_short(values[key]),
                low=_short(min(bounds[key][0], values[key])),
                high=_short(max(bounds[key][1], values[key])),
            )
            for key in ("a", "k1", "k2", "b")
        },
        plateau="seen" if seen else "not seen",
        center={"model": _short(center[0]), "data": _short(center[1])},
        range={
            "model": (rows.model.min(), rows.model.max()),
            "data": (rows.data.min(), rows.data.max()),
        },
        scatter=_short(_spread(best.residuals[~rows.censored])),
        beyond={
            "model": _short(left_out(rows, center, rows.model)),
            "data": _short(left_out(rows, center, rows.data)),
        },
        setting=header["setting"],
        runs=len(rows),
        censored=int(rows.censored.sum()),
        draws=tuple(tuple(_short(x) for x in row) for row in draws),
        provenance={
            key: header[key] for key in ("corpus", "stop", "date", "machine", "versions", "command")
        }
        | {"curves": path.name},
    )


def fit(rows: Points, center: tuple[float, float], *, plateau: bool) -> Fit:
    """The best of several starts; without `plateau`, b = 0."""
    x_model, x_data = np.log(rows.model / center[0]), np.log(rows.data / center[1])
    y = np.log(rows.steps)
    top = float(rows.steps.min()) if plateau else 1e-12

    def residuals(theta: Floats) -> Floats:
        log_a, k1, k2, b = theta
        power = log_a + k1 * x_data - k2 * x_model
        fitted = np.logaddexp(power, np.log(max(b, 1e-12)))
        difference = y - fitted
        return np.asarray(np.where(rows.censored, np.maximum(difference, 0.0), difference))

    best = _best_start(residuals, float(np.median(y)), top, plateau)
    return Fit(best, residuals(best))


def _best_start(
    residuals: Callable[[Floats], Floats], middle: float, top: float, plateau: bool
) -> Floats:
    random = np.random.default_rng(SEED)
    low, high = np.array([-5.0, 0.0, 0.0, 0.0]), np.array([25.0, 4.0, 4.0, top])
    found = []
    for _ in range(STARTS if plateau else 3):
        start = [middle, random.uniform(0.2, 1.2), random.uniform(0.2, 1.0), 0.5 * top]
        start[3] *= random.uniform(0.05, 1.0)
        found.append(
            least_squares(
                residuals,
                start,
                bounds=(low, high),
                loss="soft_l1",
                f_scale=ROBUST_SCALE,
                x_scale=[1.0, 1.0, 1.0, top],
            )
        )
    return np.asarray(min(found, key=lambda result: float(result.cost)).x)


def bootstrap(rows: Points, center: tuple[float, float], resamples: int = RESAMPLES) -> Floats:
    """Draws of (ln a, k1, k2, b), shape (resamples, 4), cells resampled whole.

    Each starts from the one best fit: a resample is close to it, so one start is enough.
    """
    random = np.random.default_rng(SEED)
    cells = rows.cells()
    draws = []
    while len(draws) < resamples:
        chosen = [cells[i] for i in random.integers(len(cells), size=len(cells))]
        sample = rows.take(np.concatenate(chosen))
        if len(np.unique(sample.model)) >= 3 and len(np.unique(sample.data)) >= 2:
            draws.append(fit_once(sample, center))
    return np.array(draws)


def fit_once(rows: Points, center: tuple[float, float]) -> Floats:
    """As `fit` with a plateau, fewer starts: the inner loop of the bootstrap."""
    return fit(rows, center, plateau=True).theta


def slopes(rows: Points) -> list[tuple[float, float, float, int]]:
    """At each data size the log-log slope of steps against parameters: (data, slope, 95 % half width, runs).

    Ordinary least squares over the uncensored runs, with Student's t.
    """
    from scipy.stats import linregress, t

    table = []
    for data in np.unique(rows.data):
        here = (rows.data == data) & ~rows.censored
        if len(np.unique(rows.model[here])) >= 3:
            line = linregress(np.log(rows.model[here]), np.log(rows.steps[here]))
            half = float(t.ppf(0.975, int(here.sum()) - 2) * line.stderr)
            table.append((float(data), float(line.slope), half, int(here.sum())))
    return table


def left_out(rows: Points, center: tuple[float, float], axis: Floats) -> float:
    """What extrapolation costs: the error at the largest size when fitted without it.

    Root mean square of ln(measured / fitted), per e-fold of the distance that was bridged.
    """
    sizes = np.unique(axis)
    inside = axis < sizes[-1]
    theta = fit(rows.take(inside), center, plateau=False).theta
    far = rows.take(~inside & ~rows.censored)
    if not len(far):
        return float("nan")
    predicted = theta[0] + theta[1] * np.log(far.data / center[1])
    predicted -= theta[2] * np.log(far.model / center[0])
    error = float(np.sqrt(np.mean((np.log(far.steps) - predicted) ** 2)))
    return error / float(np.log(sizes[-1] / sizes[-2]))


def _geometric_mean(values: Sequence[float] | Floats) -> float:
    return float(np.exp(np.mean(np.log(np.unique(values)))))


def _spread(residuals: Floats) -> float:
    """Standard deviation, from the median absolute deviation: one stray run doesn't set it."""
    return float(1.4826 * np.median(np.abs(residuals - np.median(residuals))))


def _short(value: float) -> float:
    return float(f"{value:.5g}")
