"""Predictors for a split: what is fitted and what is tested never overlap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from calibration import fit_code, fit_links, refit_host
from calibration.fit_kernels import FOLDS, fit, groups, key_of
from calibration.layers import Fits, Fitted, Name, calibrations, fit_all, provider
from calibration.measurement import Measurement
from calibration.null import GROUPS
from calibration.predict import Predict, Prediction, Predictor, Skipped
from calibration.shapes import Collective, TransformerStep


def predictor(cases: Sequence[Measurement], split: str) -> Predict:
    """Predictions whose parameters are fitted to the cases of other groups alone.

    Whole devices, sources and models are left out one at a time, sizes of kernels and of messages a
    quarter at a time. What no parameter is fitted to and a `none` split go by what is shipped.
    """
    if split == "none":
        return Predictor()
    rooms: dict[str, list[Measurement]] = defaultdict(list)
    for case in cases:
        rooms[_room(case)].append(case)
    made = {room: _ROOMS[room](members, split) for room, members in rooms.items()}
    return lambda case: made[_room(case)](case)


def _room(case: Measurement) -> str:
    """By whose parameters a case is predicted."""
    if refit_host.hosted(case):
        return "host"
    if isinstance(case.shape, Collective):
        return "links"
    return "code" if isinstance(case.shape, TransformerStep) else "kernels"


def _kernels(cases: Sequence[Measurement], split: str) -> Predict:
    shipped = Predictor()
    kernels = [case for case in cases if key_of(case) is not None]
    if not kernels:
        return shipped
    if split == "device":
        return _others(fit_all(kernels, spreads=False), shipped)
    if split == "source":
        return _sources(kernels, shipped)
    return _folds(kernels, shipped)


_ROOMS: dict[str, Callable[[Sequence[Measurement], str], Predict]] = {
    "host": refit_host.predictor,
    "links": fit_links.predictor,
    "code": fit_code.predictor,
    "kernels": _kernels,
}


def _others(fitted: Fits, shipped: Predictor) -> Predict:
    made: dict[str | None, Predictor] = {}

    def predict(case: Measurement) -> Prediction | Skipped:
        if key_of(case.model_copy(update={"seconds": 1.0})) is None:
            return shipped(case)
        if case.device not in made:
            rest = {name: one for name, one in fitted.items() if name[0] != case.device}
            made[case.device] = Predictor(provider(calibrations(rest)))
        return made[case.device](case)

    return predict


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
    parts: dict[int, dict[Name, Fitted]] = defaultdict(dict)
    for name, group in whole.items():
        fold_of.update(zip(map(id, group.cases), group.folds, strict=True))
        off = np.full(len(group.cases), np.nan)
        fits = {}
        for fold in range(FOLDS):
            test = group.folds == fold
            if test.all():
                continue
            fits[fold] = group.part(~test), fit(group.part(~test))
            if test.any():
                off[test] = group.part(test).residuals(fits[fold][1])
        for fold, (rest, found) in fits.items():
            # The spread is that of other folds: their residuals, held out too.
            parts[fold][name] = Fitted(rest, found, off[group.folds != fold])
    made = {fold: Predictor(provider(calibrations(fitted))) for fold, fitted in parts.items()}

    def predict(case: Measurement) -> Prediction | Skipped:
        return made.get(fold_of.get(id(case), -1), shipped)(case)

    return predict
