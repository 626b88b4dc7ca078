"""The law of a campaign: robust least squares in log-steps, several starts, a bootstrap over cells.

    ln S = ln(a (D/D0)^k1 / (M/M0)^k2 + b),   k1, k2, b >= 0

Fitting steps themselves instead of their logarithm lets the slowest runs decide the plateau.
Censored runs only push from below: a fit above the step where they ended costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from calibration.converge import curves
from hwsim.convergence.law import PER_LOG_UNIT, Form, Law, Parameter, power_plateau
from hwsim.convergence.target import WITHIN, crossing
from hwsim.errors import InputError

Floats = npt.NDArray[np.float64]
Name = Literal["a", "k1", "k2", "b"]
NAMES: tuple[Name, ...] = ("a", "k1", "k2", "b")

STARTS = 12
RESAMPLES = 500
SEED = 2018
# Residuals beyond this (in log-steps, about the spread between seeds) count less than squared.
ROBUST_SCALE = 0.1
FORMS: dict[Form, bool] = {"power": False, "power-plateau": True}
# A plateau is seen when 97.5 % of the resamples put it above this share of the fewest steps, and
# the largest model, left out, is predicted better with it than without.
PLATEAU_SHARE = 0.05
LEAST_PLATEAU = 1e-9  # steps; as good as none, and its logarithm is finite
PROVENANCE = {"corpus", "stop", "date", "machine", "versions", "command"}
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
        return Points(self.model[index], self.data[index], self.steps[index], self.censored[index])

    def cells(self) -> list[npt.NDArray[np.intp]]:
        """Row numbers by (model, data) cell: seeds of one cell are not independent sizes."""
        keys = list(zip(self.model, self.data, strict=True))
        return [np.flatnonzero([key == cell for key in keys]) for cell in sorted(set(keys))]


@dataclass(frozen=True)
class Fit:
    """ln a, k1, k2, b and the residuals ln(measured / fitted)."""

    theta: Floats
    residuals: Floats


def points(found: curves.Curves) -> Points:
    """Steps to the target of every finished run of a campaign."""
    patience = found.header.stop.patience
    rows = []
    for curve in found.finished.values():
        met = crossing(curve.steps, curve.losses, patience=patience)
        rows.append((curve.end.parameters, curve.end.dataset, met.steps, float(met.censored)))
    table = np.array(rows, dtype=float).reshape(-1, 4)
    return Points(table[:, 0], table[:, 1], table[:, 2], table[:, 3] > 0)


def fit_law(path: Path, name: str | None = None) -> Law:
    """The law of a campaign's file.

    Raises InputError if fewer than 3 model sizes or 2 data sizes have runs that met the target.
    """
    found = curves.read(path)
    rows = points(found)
    _enough(path, rows)
    center = (_geometric_mean(rows.model), _geometric_mean(rows.data))
    full = fit(rows, center, plateau=True)
    draws = bootstrap(rows, center, full.theta)
    errors = {form: left_out(rows, center, rows.model, plateau) for form, plateau in FORMS.items()}
    bounded = np.percentile(draws[:, 3], 2.5) > PLATEAU_SHARE * rows.steps.min()
    seen = bool(bounded and errors["power-plateau"] < errors["power"])
    best = full if seen else fit(rows, center, plateau=False)
    header = found.header
    return Law(
        name=name or header.workload,
        workload=header.workload,
        target=TARGET,
        parameters=_parameters(best.theta, draws, seen),
        plateau="seen" if seen else "not seen",
        center={"model": _short(center[0]), "data": _short(center[1])},
        range={
            "model": (rows.model.min(), rows.model.max()),
            "data": (rows.data.min(), rows.data.max()),
        },
        scatter=_short(_spread(best.residuals[~rows.censored])),
        beyond={
            "model": _short(errors["power-plateau" if seen else "power"]),
            "data": _short(left_out(rows, center, rows.data, seen)),
        },
        held_out={form: _short(error) for form, error in errors.items()},
        setting=header.setting,
        runs=len(rows),
        censored=int(rows.censored.sum()),
        draws=tuple((_short(a), _short(k1), _short(k2), _short(b)) for a, k1, k2, b in draws),
        provenance=header.model_dump(mode="json", include=PROVENANCE) | {"curves": path.name},
    )


def _enough(path: Path, rows: Points) -> None:
    met = rows.take(~rows.censored)
    for axis, values, least in (("model", met.model, 3), ("data", met.data, 2)):
        sizes = len(np.unique(values))
        if sizes < least:
            raise InputError(
                str(path),
                f"found runs that met the target at {sizes} {axis} sizes",
                f"a law needs at least {least}; run more with `hwsim converge run`",
            )


def _parameters(theta: Floats, draws: Floats, seen: bool) -> dict[Name, Parameter]:
    """Values with their 95 % intervals; a plateau that was not seen is only bounded above."""
    low, high = np.percentile(draws, (2.5, 97.5), axis=0)
    low, high = np.minimum(low, theta), np.maximum(high, theta)
    if not seen:
        low[3] = 0.0
    table = np.array((theta, low, high))
    table[:, 0] = np.exp(table[:, 0])
    return {
        name: Parameter(value=_short(value), low=_short(least), high=_short(most))
        for name, (value, least, most) in zip(NAMES, table.T, strict=True)
    }


def fit(
    rows: Points, center: tuple[float, float], *, plateau: bool, near: Floats | None = None
) -> Fit:
    """The best of several starts; without `plateau`, b = 0. Starts from `near` if that is given."""
    y = np.log(rows.steps)
    slopes = (np.log(rows.data / center[1]), -np.log(rows.model / center[0]))
    design = np.column_stack((np.ones_like(y), *slopes))

    def parts(theta: Floats) -> tuple[Floats, Floats, Floats]:
        power = design @ theta[:3]
        fitted = np.logaddexp(power, np.log(theta[3])) if plateau else power
        difference = y - fitted
        return power, fitted, np.where(rows.censored, np.maximum(difference, 0.0), difference)

    def residuals(theta: Floats) -> Floats:
        return parts(theta)[2]

    def jacobian(theta: Floats) -> Floats:
        power, fitted, left = parts(theta)
        table = -design * np.exp(power - fitted)[:, None]
        if plateau:
            table = np.column_stack((table, -np.exp(-fitted)))
        table[rows.censored & (left == 0.0)] = 0.0
        return table

    top = float(rows.steps.min())
    starts = _starts(float(np.median(y)), top) if near is None else _around(near, top)
    size = 4 if plateau else 3
    found = [
        least_squares(
            residuals,
            start[:size],
            jacobian,
            bounds=([-5.0, 0.0, 0.0, LEAST_PLATEAU][:size], [25.0, 4.0, 4.0, top][:size]),
            loss="soft_l1",
            f_scale=ROBUST_SCALE,
            x_scale=[1.0, 1.0, 1.0, top][:size],
        )
        for start in starts
    ]
    theta = np.zeros(4)
    theta[:size] = min(found, key=lambda result: float(result.cost)).x
    return Fit(theta, residuals(theta))


def _starts(middle: float, top: float) -> list[Floats]:
    random = np.random.default_rng(SEED)
    low, high = (middle, 0.2, 0.2, 0.02 * top), (middle, 1.2, 1.0, 0.5 * top)
    return [random.uniform(low, high) for _ in range(STARTS)]


def _around(near: Floats, top: float) -> list[Floats]:
    """`near` itself, and with another plateau: the cost may have one dip with b and one without."""
    other = near.copy()
    other[3] = 0.3 * top
    return [np.minimum(near, [np.inf, np.inf, np.inf, 0.9 * top]), other]


def bootstrap(
    rows: Points, center: tuple[float, float], near: Floats, resamples: int = RESAMPLES
) -> Floats:
    """Draws of (ln a, k1, k2, b), shape (resamples, 4), cells resampled whole.

    Each starts from the fit to all runs, `near`: a resample's is close to it.
    """
    random = np.random.default_rng(SEED)
    cells = rows.cells()
    draws: list[Floats] = []
    while len(draws) < resamples:
        chosen = [cells[i] for i in random.integers(len(cells), size=len(cells))]
        sample = rows.take(np.concatenate(chosen))
        if len(np.unique(sample.model)) >= 3 and len(np.unique(sample.data)) >= 2:
            draws.append(fit(sample, center, plateau=True, near=near).theta)
    return np.array(draws)


def slopes(rows: Points) -> list[tuple[float, float, float, int]]:
    """The log-log slope of steps against parameters at each data size of 3 models or more.

    Rows of (data, slope, 95 % half width, runs): ordinary least squares over the uncensored runs,
    with Student's t.
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


def left_out(rows: Points, center: tuple[float, float], axis: Floats, plateau: bool) -> float:
    """What extrapolation costs: the error at the largest size when fitted without it.

    Root mean square of ln(measured / fitted), per e-fold of the distance that was bridged; the
    law's assumption about other settings where the runs can't tell.
    """
    sizes = np.unique(axis)
    inside = axis < sizes[-1]
    near, far = rows.take(inside), rows.take(~inside & ~rows.censored)
    if not len(far) or len(np.unique(near.model)) < 2 or len(np.unique(near.data)) < 2:
        return PER_LOG_UNIT
    log_a, k1, k2, b = fit(near, center, plateau=plateau).theta
    model, data = far.model / center[0], far.data / center[1]
    predicted = np.log(power_plateau(model, data, np.exp(log_a), k1, k2, b))
    error = float(np.sqrt(np.mean((np.log(far.steps) - predicted) ** 2)))
    return error / float(np.log(sizes[-1] / sizes[-2]))


def _geometric_mean(values: Sequence[float] | Floats) -> float:
    return float(np.exp(np.mean(np.log(np.unique(values)))))


def _spread(residuals: Floats) -> float:
    """Standard deviation, from the median absolute deviation: one stray run doesn't set it."""
    return float(1.4826 * np.median(np.abs(residuals - np.median(residuals))))


def _short(value: float) -> float:
    return float(f"{value:.5g}")
