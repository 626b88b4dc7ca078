"""The law of a file of curves: the form that predicts best, its intervals and joint draws.

    ln S = ln(form(M, D)) + ln((1 + B_crit / B) / (1 + B_crit / B0))

Fitting steps themselves instead of their logarithm lets the slowest runs decide the plateau.
Censored runs only push from below: a fit above the step where they ended costs nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.converge import runs as files
from calibration.converge.fitting.choice import axes, choose
from calibration.converge.fitting.held_out import LeftOut, seed_noise
from calibration.converge.fitting.parameters import parameters, short
from calibration.converge.fitting.points import (
    Floats,
    Points,
    geometric_mean,
    one_setting,
    points,
)
from calibration.converge.runs import Runs
from hwsim.convergence.law import PER_LOG_UNIT, Goal, Law
from hwsim.convergence.target import Target
from hwsim.errors import InputError

OWN_MINIMUM = Target()


def fit_law(
    path: Path,
    name: str | None = None,
    target: Target = OWN_MINIMUM,
    patience: float | None = None,
) -> Law:
    """The law of a campaign's file or of a CSV of curves.

    Raises InputError if fewer than 3 model sizes or 2 data sizes have runs that met the target; a
    file that varies the batch may leave these at one size each.
    """
    return law_of(files.read(path, patience=patience), name, target)


def law_of(found: Runs, name: str | None = None, target: Target = OWN_MINIMUM) -> Law:
    """The law of runs that were read already; as `fit_law`."""
    chosen = one_setting(found.runs)
    rows, never = points(chosen, target, found.patience)
    _enough(found, rows, target)
    center = (_center(rows.model), _center(rows.data), _center(rows.batch))
    choice = choose(rows, center, absolute=target.kind == "absolute_loss")
    form, errors = choice.best.shape.form, choice.errors
    shared = found.setting | dict(chosen[0].varied)
    if rows.batches():
        shared.pop("batch", None)
    return Law(
        name=name or found.workload,
        workload=found.workload,
        target=str(target),
        goal=Goal(kind=target.kind, value=target.value),
        form="pole" if form == "pole" else "power-plateau",
        parameters=parameters(choice),
        plateau="seen" if form == "power-plateau" else "not seen",
        center=dict(zip(axes(rows), center, strict=False)),
        range={axis: _range(getattr(rows, axis)) for axis in axes(rows)},
        scatter=short(choice.best.scatter),
        beyond={axis: _per_fold(errors[form][axis]) for axis in axes(rows)},
        held_out={each: _per_fold(found["model"]) for each, found in errors.items()},
        left_out={
            each: {axis: short(one.error) for axis, one in found.items() if one}
            for each, found in errors.items()
        },
        seed_noise=_maybe(seed_noise(rows)),
        aicc={each: _maybe(value) for each, value in choice.aicc.items()},
        setting=shared,
        runs=len(rows),
        censored=int(rows.censored.sum()),
        never=never,
        other_settings=len(found.runs) - len(chosen),
        draws=tuple(tuple(short(value) for value in row) for row in choice.draws),
        provenance=found.provenance,
    )


def _enough(found: Runs, rows: Points, target: Target) -> None:
    met = rows.take(~rows.censored)
    alone = len(np.unique(met.batch)) >= 3
    for axis, values, least in (("model", met.model, 3), ("data", met.data, 2)):
        sizes = len(np.unique(values))
        if sizes < least and not (alone and sizes == 1):
            other = "" if target.kind == "absolute_loss" else ", or give an absolute loss (--loss)"
            late = f" ({rows.censored.sum()} runs ended before)" if rows.censored.any() else ""
            raise InputError(
                str(found.path),
                f"found runs that met the target at {sizes} {axis} sizes{late}",
                f"a law needs at least {least}; run more (`hwsim converge run`){other}",
            )


def _center(values: Floats) -> float:
    """1 for a batch that nothing tells."""
    return short(geometric_mean(values)) if values.all() else 1.0


def _range(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _per_fold(error: LeftOut | None) -> float:
    """What is assumed of other settings where the runs can't tell."""
    return short(error.per_fold) if error else PER_LOG_UNIT


def _maybe(value: float | None) -> float | None:
    return None if value is None else short(value)
