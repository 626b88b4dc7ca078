"""Software profiles fitted to published steps, and predictions of steps that were left out."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.fitting.folds import FOLDS, even_folds
from calibration.fitting.software import (
    FORMATS,
    KNOBS,
    Parameters,
    Point,
    Step,
    point,
    solved,
    value,
)
from calibration.fitting.spreads import median_error
from calibration.fitting.stack import Floats
from calibration.measurement import Measurement
from calibration.predict import Predict, Prediction, Predictor, Skipped
from calibration.predict.basis import Basis, Provider
from calibration.predict.rows import row_of
from calibration.predict.systems import system_of
from calibration.processes import cores, mapped
from calibration.shapes import MoeStep
from calibration.splits import GROUPS, model_of
from hwsim.cost.calibration import Calibration, Code, Layer, load_for
from hwsim.errors import InputError
from hwsim.hardware.spec import Device
from hwsim.software import catalog as profiles

FEWEST = 3  # steps that anything is fitted to
MOST = 64  # steps of a source on one node, or on several, that a fit looks at
ROUNDS = 2  # in which slopes are looked at anew,
WITHIN = 3  # and steps alone so often in each,
AROUND = 2  # and so often without a quarter of the groups
FARTHEST = 1.0  # change of a logarithm in one round
LEAST = 0.03  # spread
UNKNOWN = 0.25  # spread of a profile without steps, and of the mean of all
FAMILY = "transformer"  # whose steps without a profile run under the mean


@dataclass(frozen=True)
class Fit:
    """Parameters, what steps do around them, and ln(predicted / measured) of steps whose model was
    left out."""

    parameters: Parameters
    steps: tuple[Step, ...]
    points: tuple[Point, ...]
    residuals: Floats

    def without(self, left: Sequence[bool]) -> Parameters:
        """Parameters fitted to the other steps."""
        kept = [number for number, out in enumerate(left) if not out]
        steps, points = [self.steps[n] for n in kept], [self.points[n] for n in kept]
        values = solved(self.parameters, steps, points, self.parameters.values)
        return self.parameters.at(values)

    def around(self, left: Sequence[bool]) -> Fit:
        """The same steps around parameters that those `left` out had no part in; slopes stay."""
        made = self
        for _ in range(AROUND):
            parameters = made.without(left)
            points = tuple(_again(self.steps, self.points, parameters))
            made = replace(made, parameters=parameters, points=points)
        return replace(made, residuals=_left_out(made, left))

    def spread(
        self, profile: str, left: Sequence[bool] | None = None, *, mixtures: bool = False
    ) -> float | None:
        """That of a profile's steps that are not `left` out, of `mixtures` or all others; None
        for fewer than `FEWEST`."""
        gone = left or [False] * len(self.steps)
        off = [
            abs(float(residual))
            for step, residual, out in zip(self.steps, self.residuals, gone, strict=True)
            if step.profile == profile
            and not out
            and isinstance(step.case.shape, MoeStep) == mixtures
        ]
        if len(off) < FEWEST:
            return None
        # The standard deviation whose 80 % interval holds 80 % of them.
        return max(float(np.quantile(off, 0.8)) / 1.2816, LEAST)


def steps_of(cases: Iterable[Measurement], calibration: Provider) -> list[Step]:
    """The measured steps that can be costed, under the calibrations of their kernels."""
    basis, found = Basis(calibration), []
    for case in cases:
        try:
            row = row_of(case)
            if row is None or row.software is None or case.seconds is None:
                continue
            system = system_of(case.case, basis)
            step = Step(case, row, system, basis.calibration(system.device))
            step.check()
            found.append(step)
        except InputError:  # a plan or a device that is not costed, as a prediction says
            continue
    return found


def fit_code(steps: Sequence[Step]) -> Fit | None:
    """The profiles' parameters; None for fewer than `FEWEST` steps."""
    looked = _some(steps)
    if len(looked) < FEWEST:
        return None
    parameters = Parameters(profiles.names(), sorted({step.device for step in looked}))
    for _ in range(ROUNDS):
        points = _points(looked, parameters)
        for _ in range(WITHIN):
            values = solved(parameters, looked, points, parameters.values)
            change = np.clip(values - parameters.values, -FARTHEST, FARTHEST)
            parameters = parameters.at(parameters.values + change)
            points = _again(looked, points, parameters)
    made = Fit(parameters, tuple(looked), tuple(points), np.zeros(len(looked)))
    return replace(made, residuals=_left_out(made))


def joined(
    made: tuple[Calibration, Mapping[str, Layer]], fit: Fit | None
) -> tuple[Calibration, dict[str, Layer]]:
    """The default and the layers with the codes of every profile; the default has those of a device
    that was not measured, and says which tables' steps were looked at."""
    default, layers = made[0], dict(made[1])
    if fit is None:
        return default, layers
    for name in fit.parameters.devices:
        layer = layers.get(name) or Layer(name=name, description="fitted to this device")
        told = {**layer.sources, "software": _told(fit, name)}
        own = codes(fit, fit.parameters, name)
        layers[name] = layer.model_copy(update={"software": own, "sources": told})
    told = {**default.sources, "software": _told(fit, None)}
    shared = codes(fit, fit.parameters, None)
    counts = Counter(f"{step.case.kind}/{step.source}" for step in fit.steps)
    rows = {**default.rows, **dict(sorted(counts.items()))}
    update = {"software": shared, "sources": told, "rows": rows}
    return default.model_copy(update=update), layers


def codes(
    fit: Fit, parameters: Parameters, device: str | None, left: Sequence[bool] | None = None
) -> dict[str, Code]:
    """The codes of all profiles on a device, and their mean for steps without one."""
    measured = {step.device for step in fit.steps}
    found = {}
    for profile in parameters.profiles:
        least = 0.0 if device in measured else UNKNOWN / 2
        spread = max(fit.spread(profile, left) or UNKNOWN, least)
        own = fit.spread(profile, left, mixtures=True)
        mixtures = None if own is None else round(max(own, least), 3)
        code = parameters.code(profile, device, round(spread, 3))
        found[profile] = _rounded(code.model_copy(update={"mixtures": mixtures}))
    found[FAMILY] = _mean(list(found.values()))
    return found


def _mean(entries: Sequence[Code]) -> Code:
    """The geometric mean of several, with a wide interval."""

    def mean(values: Iterable[float]) -> float:
        return math.exp(float(np.mean(np.log([max(value, 1e-9) for value in values]))))

    named = {knob: mean(getattr(code, knob) for code in entries) for knob in KNOBS}
    formats = {name: mean(code.formats[name] for code in entries) for name in FORMATS}
    return _rounded(Code(**named, formats=formats, spread=UNKNOWN))


def predictor(cases: Sequence[Measurement], split: str) -> Predict:
    """Predictions of steps whose code is fitted to the steps of other groups; kernels are those of
    the shipped calibrations, which are fitted to no step.

    Shapes are left out a quarter at a time, anything else group by group. Steps are looked at
    around parameters that are fitted without a quarter of the groups, which none of these has
    moved; how they change with a parameter is looked at once.
    """
    fit = fit_code(steps_of(cases, _kernels))
    if fit is None:
        return Predictor(_kernels)
    members = [step.case for step in fit.steps]
    folds = even_folds(cases).tolist() if split == "shape" else map(GROUPS[split], cases)
    group_of = dict(zip(map(id, cases), folds, strict=True))
    groups = [group_of[id(one)] for one in members]
    quarter = {group: n % FOLDS for n, group in enumerate(dict.fromkeys(groups))}
    apart = {
        number: fit.around([quarter[own] == number for own in groups])
        for number in set(quarter.values())
    }
    made: dict[Hashable, Predictor] = {}

    def predict(case: Measurement) -> Prediction | Skipped:
        group = group_of[id(case)]
        if group not in made:
            number = quarter.get(group)
            left = [own == group for own in groups]
            near = fit if number is None else apart[number]
            gone = [quarter[own] == number for own in groups]
            made[group] = Predictor(_provider(near, left, gone))
        return made[group](case)

    return predict


def _provider(fit: Fit, left: Sequence[bool], gone: Sequence[bool]) -> Provider:
    """Fitted without those `left` out, as far off as what is left of those that are not `gone`."""
    parameters = fit.without(left)
    rest = {step.device for step, out in zip(fit.steps, left, strict=True) if not out}

    def calibration(device: Device) -> Calibration:
        own = codes(fit, parameters, device.name if device.name in rest else None, gone)
        return _kernels(device).model_copy(update={"software": own})

    return calibration


def _some(steps: Sequence[Step]) -> list[Step]:
    """Evenly spaced ones of a source with very many, on one node and on several alike."""
    groups: dict[Hashable, list[Step]] = defaultdict(list)
    for step in steps:
        groups[step.source, step.system.nodes == 1].append(step)
    return [
        step for group in groups.values() for step in group[:: max(1, math.ceil(len(group) / MOST))]
    ]


def _points(steps: Sequence[Step], parameters: Parameters) -> list[Point]:
    def looked(step: Step) -> Point:
        return point(step, parameters.logs(step))

    with mapped(steps, looked, cores()) as found:
        return list(found)


def _again(steps: Sequence[Step], points: Sequence[Point], parameters: Parameters) -> list[Point]:
    """The same points at other parameters: steps anew, slopes as they were."""

    def looked(number: int) -> Point:
        step = steps[number]
        return points[number]._replace(value=value(step, parameters.logs(step)))

    with mapped(range(len(steps)), looked, cores()) as found:
        return list(found)


def _left_out(fit: Fit, gone: Sequence[bool] | None = None) -> Floats:
    """ln(predicted / measured) of every step, fitted without its model and without those `gone`."""
    groups = [model_of(step.case) for step in fit.steps]
    absent = np.zeros(len(groups), bool) if gone is None else np.array(gone)
    off = np.zeros(len(groups))
    for group in dict.fromkeys(groups):
        own = np.array([one == group for one in groups])
        rest = fit.without((own | absent).tolist())
        for number in np.flatnonzero(own):
            step, one = fit.steps[number], fit.points[number]
            expected = one.expected(fit.parameters.logs(step), rest.logs(step))
            off[number] = expected - step.measured
    return off


def _told(fit: Fit, device: str | None) -> str:
    own = [device in (None, step.device) for step in fit.steps]
    sources = sorted({step.source for step, mine in zip(fit.steps, own, strict=True) if mine})
    error = median_error(fit.residuals[np.array(own)])
    return f"fitted to {sum(own)} steps of {', '.join(sources)}; held-out median error {error}"


def _rounded(code: Code) -> Code:
    named = {knob: float(f"{getattr(code, knob):.4g}") for knob in KNOBS}
    formats = {name: float(f"{value:.4g}") for name, value in code.formats.items()}
    return code.model_copy(update={**named, "formats": formats})


def _kernels(device: Device) -> Calibration:
    """What is shipped without any code around kernels."""
    return load_for(device).model_copy(update={"software": {}})
