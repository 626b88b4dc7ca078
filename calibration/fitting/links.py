"""Parameters of links, fitted to measured collectives.

Residuals are ln(predicted / measured) under a soft-L1 loss, parameters are logarithms within
bounds, each drawn weakly to a start value: what the data can't tell stays there, and is named.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from calibration.fitting.choice import SOFT
from calibration.fitting.folds import FOLDS
from calibration.fitting.kernels import PULL, STEP, Range
from calibration.fitting.spreads import ENOUGH, UNKNOWN, spread_of
from calibration.fitting.stack import Floats
from calibration.measurement import Case, Measurement
from calibration.predict import Predict, Prediction, Predictor, Skipped
from calibration.predict.basis import Basis
from calibration.predict.links import ALGORITHMS, collective_seconds
from calibration.predict.systems import system_of
from calibration.shapes import Collective
from calibration.splits import GROUPS
from hwsim.cost.calibration import LARGE, Calibration, Links, Reach, load, load_for
from hwsim.cost.paths import kinds_used
from hwsim.errors import InputError
from hwsim.hardware.spec import Device, System

# Steps start at what NCCL takes them to be for short messages, calls at its base latency, switches
# at its 25 us and its shares of a ring's rate, 0.85 and 0.74 of 0.8 (NVIDIA/nccl
# src/graph/tuning.cc@5067397c); latencies are over those that systems state, switches take two.
OVERLAP = Range(4.0, 1.0, 8.0)
RANGES: dict[str, dict[str, Range]] = {
    "": {
        "share": Range(0.8, 0.1, 1.0),
        "latency": Range(0.5, 0.05, 5.0),
        "call": Range(1e-5, 1e-6, 3e-4),
        "fill": Range(1.0, 0.05, 20.0),
        "short": Range(0.4, 0.05, 0.95),
    },
    "in_switch": {"share": Range(0.68, 0.1, 1.0), "latency": Range(3.7, 0.05, 10.0)},
    "in_switch5": {"share": Range(0.59, 0.1, 1.0), "latency": Range(3.7, 0.05, 10.0)},
    "network": {
        "share": Range(0.96, 0.1, 1.0),
        "latency": Range(0.36, 0.05, 5.0),
        "overlap": OVERLAP,
    },
    "staged": {"latency": Range(1.0, 0.05, 10.0), "overlap": OVERLAP},
    "efa": {"latency": Range(1.0, 0.05, 10.0), "overlap": OVERLAP},
    "gloo": {
        "share": Range(0.3, 0.02, 1.0),
        "call": Range(1e-4, 1e-6, 1e-2),
        "near": Range(8e6, 1e5, 1e9),
        "far": Range(0.2, 0.01, 1.0),
    },
}
NETWORKS = ("network", "staged", "efa")
# A kind that no table has -> the one whose parameters it gets.
NEAREST = {"other": "nvlink", "in_switch5": "in_switch", "in_switch": "in_switch5"}


Residual = tuple[Measurement, float]  # with ln(predicted / measured)


class Batch(NamedTuple):
    """Cases that differ in size alone."""

    cases: tuple[Measurement, ...]
    shape: Collective
    devices: int
    system: System
    kinds: frozenset[str]

    def residuals(self, links: Links) -> Floats:
        """ln(predicted / measured) of each case."""
        sizes: Any = np.array([size_of(case) for case in self.cases], dtype=float)
        under = _base().model_copy(update={"links": links})
        found: Any = collective_seconds(self.shape, sizes, self.devices, self.system, under)
        return np.asarray(np.log(found / [case.seconds for case in self.cases]))


class Fit(NamedTuple):
    """Links without spreads; `free`: the parameters that the data don't tell, `kinds.parameter`."""

    links: Links
    fitted: tuple[str, ...]
    free: tuple[str, ...]


def batches(
    cases: Iterable[Measurement], systems: Callable[[Case], System] | None = None
) -> list[Batch]:
    """The collectives that links can be fitted to: measured ones, on links that are known.

    `systems` gives a case's system; by default it is made of the catalog's device.
    """
    found: dict[Case, list[Measurement]] = defaultdict(list)
    for case in cases:
        if isinstance(case.shape, Collective) and case.seconds is not None:
            alike = case.shape.model_copy(update={"bytes": 1})
            found[case.case.model_copy(update={"shape": alike})].append(case)
    given = systems or (lambda case: system_of(case, Basis(load_for)))
    made = [_batch(one, tuple(members), given) for one, members in found.items()]
    return [batch for batch in made if batch is not None]


def _batch(
    one: Case, cases: tuple[Measurement, ...], systems: Callable[[Case], System]
) -> Batch | None:
    shape, devices = one.shape, one.devices or 1
    if not isinstance(shape, Collective):
        return None
    try:
        system = systems(one)
        kinds = frozenset(
            _kinds(kinds_used(system, devices), ALGORITHMS.get(shape.algorithm or ""))
        )
        collective_seconds(shape, 1.0, devices, system, load())
    except InputError:
        return None
    return Batch(cases, shape, devices, system, kinds) if devices > 1 else None


def _kinds(kinds: set[str], algorithm: str | None) -> set[str]:
    """Without those that the named algorithm doesn't use."""
    switches = {kind for kind in kinds if kind.startswith("in_switch")}
    if algorithm == "switch":
        return switches | kinds & {*NETWORKS}
    return kinds if algorithm is None else kinds - switches


def residuals(found: Sequence[Batch], links: Links) -> Floats:
    """ln(predicted / measured) of each case, batch by batch."""
    return np.concatenate([batch.residuals(links) for batch in found])


def size_of(case: Measurement) -> int:
    """Bytes of a collective; 0 for anything else."""
    return case.shape.bytes if isinstance(case.shape, Collective) else 0


def fit(found: Sequence[Batch], base: Links) -> Fit:
    """The parameters of every kind of link that the cases went over; others stay as in `base`."""
    kinds = sorted(set().union(*(batch.kinds for batch in found)))
    ranges: dict[tuple[str, str], Range] = {}
    for kind in kinds:
        ranges |= {(kind, n): one for n, one in {**RANGES[""], **RANGES.get(kind, {})}.items()}
    center, least, most = (np.log([one[side] for one in ranges.values()]) for side in range(3))
    count = sum(len(batch.cases) for batch in found)

    def at(x: Floats) -> Links:
        return _links(base, dict(zip(ranges, np.exp(x).tolist(), strict=True)))

    def off(x: Floats) -> Floats:
        return np.concatenate([residuals(found, at(x)), PULL * (x - center)])

    def slopes(x: Floats) -> Floats:
        here = off(x)
        return np.stack([(off(x + STEP * one) - here) / STEP for one in np.eye(len(x))], axis=1)

    solved = least_squares(
        off, center, jac=slopes, bounds=(least, most + 1e-9), loss="soft_l1", f_scale=SOFT
    )
    told = (solved.jac[:count] ** 2).sum(axis=0)
    free = [".".join(n).strip(".") for n, t in zip(ranges, told, strict=True) if t < PULL**2]
    return Fit(at(solved.x), tuple(kinds), tuple(free))


def _links(base: Links, values: Mapping[tuple[str, str], float]) -> Links:
    """`base` with these values of (kind, parameter); kinds that no table has get the nearest's."""
    by_kind: dict[str, dict[str, float]] = defaultdict(dict)
    for (kind, name), value in values.items():
        by_kind[kind][name] = value
    made: dict[str, Any] = {
        kind: getattr(base, kind).model_copy(update=own) for kind, own in by_kind.items()
    }
    for kind, near in NEAREST.items():
        if near in by_kind and kind not in by_kind:
            made[kind] = made[near]
    return base.model_copy(update=made)


@lru_cache
def _base() -> Calibration:
    return load()


def _with(links: Links) -> Callable[[Device], Calibration]:
    """Device -> its calibration, with these links."""
    return lambda device: load_for(device).model_copy(update={"links": links})


def system_group(case: Measurement) -> Hashable:
    """What is left out together to see how links predict other systems."""
    return case.provenance.source, case.device


def size_group(case: Measurement) -> Hashable:
    """A quarter of the message sizes."""
    return zlib.crc32(str(size_of(case)).encode()) % FOLDS


def held_out(
    found: Sequence[Batch],
    group: Callable[[Measurement], Hashable] = system_group,
    systems: Callable[[Case], System] | None = None,
) -> list[Residual]:
    """Cases with their ln(predicted / measured) by links fitted to the cases of other groups."""
    known = [case for batch in found for case in batch.cases]
    pairs = []
    for name in dict.fromkeys(map(group, known)):
        rest = batches((case for case in known if group(case) != name), systems)
        if rest:
            links = fit(rest, _unfitted()).links
            for batch in batches((case for case in known if group(case) == name), systems):
                pairs += list(zip(batch.cases, batch.residuals(links).tolist(), strict=True))
    return pairs


def _unfitted() -> Links:
    """Links at the starts of their parameters: nothing of what was fitted before is in them."""
    base = load().links
    starts = {
        (kind, name): one.start
        for kind in Links.model_fields
        if isinstance(getattr(base, kind), Reach)
        for name, one in {**RANGES[""], **RANGES.get(kind, {})}.items()
    }
    unknown = {"spread": UNKNOWN, "small": UNKNOWN}
    return _links(base, starts).model_copy(update=unknown)


def calibrated(base: Calibration, cases: Sequence[Measurement]) -> Calibration | None:
    """`base` with links fitted to the collectives among the cases; None where there are none."""
    found = batches(cases)
    if not found:
        return None
    fitted = fit(found, base.links)
    told = {f"links.{kind}": _told(kind, found, fitted.free) for kind in fitted.fitted}
    for kind, near in NEAREST.items():
        if near in fitted.fitted and kind not in fitted.fitted:
            told[f"links.{kind}"] = f"assumed: as {near}"
    rows = Counter(f"{c.kind}/{c.provenance.source}" for b in found for c in b.cases)
    off = held_out(found)
    told |= {f"links.{name}": _told_spread(parts) for name, parts in _by_size(off).items()}
    links = with_spreads(_rounded(fitted.links), off)
    update = {"links": links, "sources": {**base.sources, **told}, "rows": {**base.rows, **rows}}
    return base.model_copy(update=update)


def fit_local(cases: Iterable[Measurement], system: System) -> tuple[Links, str] | None:
    """Links fitted to the collectives of one machine, spreads from sizes that were left out, and
    what they are from; None without any."""

    def systems(case: Case) -> System:
        node = system.node.model_copy(update={"devices": case.devices})
        return system.model_copy(update={"node": node})

    found = batches(cases, systems)
    if not found:
        return None
    off = held_out(found, size_group, systems)
    fitted = fit(found, load().links)
    links = with_spreads(_rounded(fitted.links), off)
    errors = [abs(float(np.expm1(residual))) for _, residual in off]
    error = f"; held-out median error {np.median(errors):.1%}" if errors else ""
    return links, f"fitted to {sum(len(one.cases) for one in found)} cases{error}"


def with_spreads(links: Links, off: Sequence[Residual]) -> Links:
    """With the spreads of held-out residuals; those of too few cases stay."""
    enough = {name: spread_of(o) for name, o in _by_size(off).items() if len(o) >= ENOUGH}
    return links.model_copy(update={name: float(f"{s:.3g}") for name, s in enough.items()})


def _by_size(off: Sequence[Residual]) -> dict[str, Floats]:
    """Residuals of long and of short messages, as `Links` names their spreads."""
    long = np.array([size_of(case) >= LARGE for case, _ in off], dtype=bool)
    each = np.array([residual for _, residual in off])
    return {"spread": each[long], "small": each[~long]}


def _told_spread(off: Floats) -> str:
    if not len(off):
        return "assumed: no case of such a size"
    error = np.median(np.abs(np.expm1(off)))
    return f"{len(off)} cases, each source and device left out of the fit: median error {error:.1%}"


def _rounded(links: Links) -> Links:
    """Four digits."""

    def short(value: Any) -> Any:
        return float(f"{value:.4g}") if isinstance(value, float) else value

    dumped = {
        name: {key: short(v) for key, v in value.items()}
        if isinstance(value, dict)
        else short(value)
        for name, value in links.model_dump().items()
    }
    return Links.model_validate(dumped)


def _told(kind: str, found: Sequence[Batch], free: Sequence[str]) -> str:
    over = [case for batch in found if kind in batch.kinds for case in batch.cases]
    counts = Counter(f"{case.kind}/{case.provenance.source}" for case in over)
    text = "fitted to " + ", ".join(f"{n} cases of {suite}" for suite, n in counts.items())
    names = [name.partition(".")[2] for name in free if name.startswith(f"{kind}.")]
    return text + (f"; they do not tell {', '.join(names)}" if names else "")


def predictor(cases: Sequence[Measurement], split: str) -> Predict:
    """Predictions of collectives by links fitted to the cases of other groups of the split; sizes
    are left out a quarter at a time."""
    group = size_group if split == "shape" else GROUPS[split]
    made: dict[Hashable, Predictor] = {}

    def predict(case: Measurement) -> Prediction | Skipped:
        name = group(case)
        if name not in made:
            rest = batches(one for one in cases if group(one) != name)
            base = _unfitted()
            links = with_spreads(fit(rest, base).links, held_out(rest)) if rest else base
            made[name] = Predictor(_with(links))
        return made[name](case)

    return predict
