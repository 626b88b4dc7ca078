"""Predictors for a split: what is fitted and what is tested never overlap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from calibration.fitting import code as fit_code
from calibration.fitting import links as fit_links
from calibration.fitting.borrow import Fits, Fitted, Name, between, prior
from calibration.fitting.folds import FOLDS
from calibration.fitting.kernels import Group, fit, groups, key_of
from calibration.fitting.layers import (
    calibrations,
    fit_all,
    fit_few,
    fit_groups,
    provider,
)
from calibration.fitting.spreads import ENOUGH
from calibration.measurement import Measurement
from calibration.predict import Predict, Prediction, Predictor, Skipped
from calibration.predict.basis import Provider, hosted
from calibration.shapes import Collective, Gemm, MoeStep, TrainingRun, TransformerStep
from calibration.splits import GROUPS
from calibration.validation import hosts as refit_host

STEPS = (TransformerStep, MoeStep)


def predictor(cases: Sequence[Measurement], split: str, anchor: int = 0) -> Predict:
    """Predictions whose parameters are fitted to the cases of other groups alone.

    Whole devices, sources and models are left out one at a time, sizes of kernels and of messages a
    quarter at a time. What no parameter is fitted to and a `none` split go by what is shipped.
    `anchor`: so many products of each entry of a device that is left out are fitted to all the
    same, and not predicted.
    """
    if split == "none":
        return Predictor()
    coded = any(isinstance(case.shape, STEPS) for case in cases)
    rooms: dict[str, list[Measurement]] = defaultdict(list)
    for case in cases:
        rooms[_room(case, coded)].append(case)
    makers: dict[str, Callable[[Sequence[Measurement], str], Predict]] = {
        "host": refit_host.predictor,
        "links": fit_links.predictor,
        "code": fit_code.predictor,
        "kernels": partial(_kernels, anchor=anchor),
    }
    made = {room: makers[room](members, split) for room, members in rooms.items()}
    return lambda case: made[_room(case, coded)](case)


def _room(case: Measurement, coded: bool) -> str:
    """By whose parameters a case is predicted; runs by those of steps, where there are any."""
    if hosted(case):
        return "host"
    if isinstance(case.shape, Collective):
        return "links"
    return "code" if isinstance(case.shape, (*STEPS, *((TrainingRun,) * coded))) else "kernels"


def _kernels(cases: Sequence[Measurement], split: str, *, anchor: int) -> Predict:
    shipped = Predictor()
    kernels = [case for case in cases if key_of(case) is not None]
    if not kernels:
        return shipped
    if split == "device":
        return _others(fit_all(kernels, spreads=False), shipped, anchor)
    if split == "source":
        return _sources(kernels, shipped)
    return _folds(kernels, shipped)


def _others(fitted: Fits, shipped: Predictor, anchor: int) -> Predict:
    made: dict[str | None, Predictor] = {}
    held = {
        name: group.part(_largest(group, anchor))
        for name, group in ((name, one.group) for name, one in fitted.items())
        if anchor and name[1].kind == "products"
    }
    known = {id(case) for group in held.values() for case in group.cases}

    def predict(case: Measurement) -> Prediction | Skipped:
        if key_of(case.model_copy(update={"seconds": 1.0})) is None:
            return shipped(case)
        if id(case) in known:
            return Skipped("it is an anchor, which the fit has seen")
        if case.device not in made:
            rest = _without(fitted, case.device)
            own = {name: group for name, group in held.items() if name[0] == case.device}
            made[case.device] = Predictor(_anchored(rest, own))
        return made[case.device](case)

    return predict


def _without(fitted: Fits, device: str | None) -> dict[Name, Fitted]:
    """The fits of other devices; small ones again, drawn to what is left."""
    rest = {name: one for name, one in fitted.items() if name[0] != device}
    known = {name: one for name, one in rest.items() if len(one.group.cases) >= ENOUGH}
    few = {name: one.group for name, one in rest.items() if name not in known}
    return known | fit_few(few, known, None)


def _anchored(rest: Fits, own: Mapping[Name, Group]) -> Provider:
    """The other devices' calibrations, and over them what few cases of the device's own say."""
    kin, pulls = provider(calibrations(rest)), between(rest)
    few = {
        name: Fitted(group, fit(group, held), np.full(1, np.nan), held)
        for name, group in own.items()
        for held in [prior(kin(group.device), group, pulls)]
        if held is not None
    }
    return provider(calibrations({**rest, **few})) if few else kin


def _largest(group: Group, count: int) -> npt.NDArray[np.bool_]:
    """The `count` largest products whose sides differ by a factor of two at most, else any."""
    shapes = [case.shape for case in group.cases if isinstance(case.shape, Gemm)]
    sizes = [shape.batch * shape.m * shape.n * shape.k for shape in shapes]
    square = [2 * min(shape.m, shape.n) >= max(shape.m, shape.n) for shape in shapes]
    order = sorted(range(len(shapes)), key=lambda row: (square[row], sizes[row]), reverse=True)
    return np.isin(np.arange(len(shapes)), order[:count])


def _sources(kernels: Sequence[Measurement], shipped: Predictor) -> Predict:
    made: dict[Hashable, Predictor] = {}

    def predict(case: Measurement) -> Prediction | Skipped:
        group = GROUPS["source"](case)
        if key_of(case.model_copy(update={"seconds": 1.0})) is None:
            return shipped(case)
        if group not in made:
            rest = [one for one in kernels if GROUPS["source"](one) != group]
            made[group] = Predictor(provider(calibrations(fit_all(rest))))
        return made[group](case)

    return predict


def _folds(kernels: Sequence[Measurement], shipped: Predictor) -> Predict:
    whole = groups(kernels)
    fold_of: dict[int, int] = {}
    for group in whole.values():
        fold_of.update(zip(map(id, group.cases), group.folds, strict=True))
    off = {name: np.full(len(group.cases), np.nan) for name, group in whole.items()}
    fits: dict[int, dict[Name, Fitted]] = {}
    for fold in range(FOLDS):
        tests = {name: group.folds == fold for name, group in whole.items()}
        rest = {
            name: group.part(~tests[name]) for name, group in whole.items() if not tests[name].all()
        }
        fits[fold] = fit_groups(rest)
        for name, one in fits[fold].items():
            if tests[name].any():
                off[name][tests[name]] = whole[name].part(tests[name]).residuals(one.fit)
    made: dict[int, Predictor] = {}
    for fold, fitted in fits.items():
        # The spread is that of other folds: their residuals, held out too.
        spread = {
            name: replace(one, residuals=off[name][whole[name].folds != fold])
            for name, one in fitted.items()
        }
        made[fold] = Predictor(provider(calibrations(spread)))

    def predict(case: Measurement) -> Prediction | Skipped:
        return made.get(fold_of.get(id(case), -1), shipped)(case)

    return predict
