"""Predictors of a split for CPUs: fitted to the cases of other sizes, or to nothing of the kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from calibration.fitting import local
from calibration.fitting.folds import even_folds
from calibration.measurement import Measurement
from calibration.predict import Predict, Prediction, Predictor, Skipped
from hwsim.cost.calibration import Calibration, load
from hwsim.errors import InputError
from hwsim.hardware import catalog


def predictor(cases: Sequence[Measurement], split: str) -> Predict:
    """Predictions of cases on CPUs, fitted to the cases of other sizes, a quarter at a time.

    With any other split a CPU has no kin to learn from, and the default calibration predicts.
    """
    plain = Predictor(lambda _: load())
    if split != "shape":
        return plain
    made: dict[tuple[str | None, int], Predictor] = {}
    fold_of: dict[int, int] = {}
    by_device: dict[str | None, list[Measurement]] = defaultdict(list)
    for case in cases:
        by_device[case.device].append(case)
    for name, members in by_device.items():
        folds = even_folds(members)
        system = local.with_processes(catalog.load(str(name)).device, members)
        fold_of.update(zip(map(id, members), map(int, folds), strict=True))
        for fold in {int(one) for one in folds}:
            rest = [
                case
                for case, own in zip(members, folds, strict=True)
                if own != fold and case.seconds is not None
            ]
            try:
                layer = local.fit(rest, system, "").layer
            except InputError:  # too few cases: nothing is fitted
                continue
            made[name, fold] = _predictor(load().over(layer))

    def predict(case: Measurement) -> Prediction | Skipped:
        return made.get((case.device, fold_of.get(id(case), -1)), plain)(case)

    return predict


def _predictor(calibration: Calibration) -> Predictor:
    return Predictor(lambda _: calibration)
