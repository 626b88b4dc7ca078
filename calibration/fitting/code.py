"""Framework code around the kernels of published steps, device by device.

How fast a host issues kernels is a matter of the framework and the host: what was fitted to steps
on one device stands in for others, with a wider interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from calibration.fitting.eager import EagerFit, Timed, fit_eager, typical
from calibration.fitting.folds import even_folds
from calibration.measurement import Measurement
from calibration.predict import Predict, Prediction, Predictor, Skipped
from calibration.predict.basis import Provider
from calibration.predict.families import family_of
from calibration.shapes import TransformerStep
from calibration.splits import GROUPS
from hwsim.cost.calibration import Calibration, Eager, Layer, load_for
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.spec import Device

Codes = Mapping[tuple[str, str], EagerFit]  # by device and family
BORROWED = 0.45  # least spread of a family's code on a device whose steps were not measured


def timed(cases: Iterable[Measurement], calibration: Provider) -> list[Timed]:
    """The measured steps that can be costed, under the calibrations of their kernels."""
    found = []
    for case in cases:
        if isinstance(case.shape, TransformerStep) and case.seconds is not None:
            try:
                device = catalog.load(case.device or "-").device
                found.append(Timed(case, device, calibration(device)))
            except InputError:  # a plan or a device that is not costed, as a prediction says
                continue
    return found


def fit_code(steps: Iterable[Timed]) -> dict[tuple[str, str], EagerFit]:
    """The fit of every device and family that has enough steps."""
    members: dict[tuple[str, str], list[Timed]] = defaultdict(list)
    for one in steps:
        members[str(one.case.device), str(family_of(one.case))].append(one)
    fits = {name: fit_eager(group) for name, group in members.items()}
    return {name: fitted for name, fitted in fits.items() if fitted is not None}


def borrowed(codes: Codes, family: str) -> Eager | None:
    """A family's code on a device whose steps were not measured: the geometric mean of others'."""
    entries = [one.eager for (_, own), one in codes.items() if own == family]
    if not entries:
        return None
    mean = typical(entries)
    return mean.model_copy(update={"spread": max(mean.spread, BORROWED)})


def joined(
    made: tuple[Calibration, Mapping[str, Layer]], codes: Codes
) -> tuple[Calibration, dict[str, Layer]]:
    """The default and the layers with these fits; the default has what is borrowed."""
    default, layers = made[0], dict(made[1])
    shared, told = dict(default.eager), dict(default.sources)
    for (name, family), fitted in codes.items():
        layer = layers.get(name) or Layer(name=name, description="fitted to this device")
        update = {
            "eager": {**layer.eager, family: fitted.eager},
            "sources": {**layer.sources, f"eager.{family}": fitted.told()},
        }
        layers[name] = layer.model_copy(update=update)
        mean = borrowed(codes, family)
        if mean is not None:
            shared[family] = mean
            names = ", ".join(sorted(name for name, own in codes if own == family))
            told[f"eager.{family}"] = f"the mean over steps on {names}"
    return default.model_copy(update={"eager": shared, "sources": told}), layers


def predictor(cases: Sequence[Measurement], split: str) -> Predict:
    """Predictions of steps whose code is fitted to the steps of other groups; kernels are those of
    the shipped calibrations, which are fitted to no step.

    Shapes are left out a quarter at a time, anything else group by group.
    """
    steps = timed(cases, _kernels)
    if split == "shape":
        folds = even_folds([one.case for one in steps]).tolist()
    else:
        folds = [GROUPS[split](one.case) for one in steps]
    fold_of = {id(one.case): fold for one, fold in zip(steps, folds, strict=True)}
    made = {
        fold: _Coded(fit_code(one for one, own in zip(steps, folds, strict=True) if own != fold))
        for fold in dict.fromkeys(folds)
    }
    of_all = _Coded(fit_code(steps))

    def predict(case: Measurement) -> Prediction | Skipped:
        return made.get(fold_of.get(id(case)), of_all).predict(case)

    return predict


class _Coded:
    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self.predict = Predictor(self.calibration)

    def calibration(self, device: Device) -> Calibration:
        found = _kernels(device)
        for family in {family for _, family in self.codes}:
            own = self.codes.get((device.name, family))
            entry = own.eager if own is not None else borrowed(self.codes, family)
            if entry is not None:
                found = found.model_copy(update={"eager": {**found.eager, family: entry}})
        return found


def _kernels(device: Device) -> Calibration:
    """What is shipped without any code around kernels."""
    return load_for(device).model_copy(update={"eager": {}})
