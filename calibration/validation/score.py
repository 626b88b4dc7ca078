"""How far off predictions are: errors, skill, and how often the truth lies in the interval.

An error is |predicted / measured - 1|, a log error |ln (predicted / measured)|, which counts twice
as long and half as long alike. `skill` is the median log error over that of the null model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from calibration.measurement import Measurement
from calibration.predict import Prediction
from calibration.shapes import Collective, Convolution, Gemm, TrainingRun
from calibration.splits import model_of

DRAWS = 2000
SEED = 1
ENDS = (5, 95)  # percentiles of the bootstrap: a 90 % interval
MIB = 2**20
# What is left of a kernel's sizes without these tells one shape group from another.
DETAILS: dict[str, tuple[str, ...]] = {
    "gemm": ("batch", "transpose_a", "transpose_b"),
    "convolution": ("way", "n", "algorithm"),
    "recurrent": ("way", "batch", "timesteps"),
    "pointwise": ("op", "bytes_moved"),
    "attention": ("way", "batch"),
}
# Algorithms that do every multiplication of the definition.
DIRECT = ("direct", "explicit_gemm", "gemm", "implicit_gemm", "implicit_precomp_gemm")
Errors = dict[str, float] | None


class Scored(NamedTuple):
    """A case that is both measured and predicted; `null` is the null model's seconds."""

    case: Measurement
    answer: Prediction
    truth: float
    null: float | None = None


def errors(pairs: Sequence[tuple[float, float]]) -> Errors:
    """Mean, median, 90th percentile and most of |predicted / measured - 1|, and its signed mean.

    >>> errors([(1.1, 1.0), (0.5, 1.0)])
    {'mape': 0.3, 'median': 0.3, 'p90': 0.46, 'max': 0.5, 'bias': -0.2}
    """
    if not pairs:
        return None
    predicted, measured = np.array(pairs, dtype=float).T
    signed = predicted / measured - 1.0
    size = np.abs(signed)
    found = {
        "mape": size.mean(),
        "median": np.median(size),
        "p90": np.percentile(size, 90),
        "max": size.max(),
        "bias": signed.mean(),
    }
    return {name: round(float(value), 12) for name, value in found.items()}


def log_error(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The median of |ln (predicted / measured)|, or None without pairs.

    >>> round(log_error([(2.0, 1.0), (1.0, 2.0), (8.0, 1.0)]), 3)
    0.693
    """
    if not pairs:
        return None
    predicted, measured = np.array(pairs, dtype=float).T
    return round(float(np.median(np.abs(np.log(predicted / measured)))), 12)


def scatter_of(logs: Sequence[float]) -> float:
    """The median of |log| of ratios once their median is taken off: what no one factor mends.

    >>> scatter_of([1.0, 1.5, 3.0]), scatter_of([3.0])
    (0.5, 0.0)
    """
    return float(np.median(np.abs(np.array(logs) - np.median(logs))))


def compared(scored: Sequence[Scored]) -> dict[str, Any]:
    """hwsim beside the bare roofline and the null model on the same cases, and its coverage."""
    pairs = {
        "hwsim": [(one.answer.seconds, one.truth) for one in scored],
        "roofline": [(one.answer.roofline, one.truth) for one in scored],
        "null": [(one.null, one.truth) for one in scored if one.null is not None],
    }
    logs = {name: log_error(ones) for name, ones in pairs.items()}
    own, null = logs["hwsim"], logs["null"]
    inside, far = within(scored)
    return {
        "cases": len(scored),
        **{name: errors(ones) for name, ones in pairs.items()},
        "log_error": logs,
        "skill": own / null if own is not None and null else None,
        "coverage80": float(inside.mean()) if scored else None,
        "coverage95": float(far.mean()) if scored else None,
    }


def within(scored: Sequence[Scored]) -> tuple[Any, Any]:
    """Whether each truth lies in the 80 and in the 95 % interval, as arrays."""
    near = [one.answer.low <= one.truth <= one.answer.high for one in scored]
    far = [one.answer.low95 <= one.truth <= one.answer.high95 for one in scored]
    return np.array(near, dtype=bool), np.array(far, dtype=bool)


def clustered(scored: Sequence[Scored], split: str) -> dict[str, Any] | None:
    """Coverage with equal weight for each cluster, with a 90 % interval; None without cases.

    The clusters are drawn again, with replacement, `DRAWS` times (Efron 1979): hundreds of rows of
    one shape or device are one piece of evidence. A single cluster has no interval.
    """
    if not scored:
        return None
    members: dict[Hashable, list[int]] = defaultdict(list)
    for number, one in enumerate(scored):
        members[cluster(one.case, split)].append(number)
    draws = np.random.default_rng(SEED).integers(len(members), size=(DRAWS, len(members)))
    found: dict[str, Any] = {"clusters": len(members)}
    for name, inside in zip(("coverage80", "coverage95"), within(scored), strict=True):
        shares = np.array([inside[numbers].mean() for numbers in members.values()])
        ends = np.percentile(shares[draws].mean(axis=1), ENDS).tolist()
        low, high = ends if len(members) > 1 else (None, None)
        found[name] = {"value": float(shares.mean()), "low": low, "high": high}
    return found


def cluster(case: Measurement, split: str) -> Hashable:
    """What a case's error is shared with.

    With a split over devices the device; else a collective's machine, a step's model, and a
    kernel's sizes without its pass, batch, time steps and the like, on whatever device.
    """
    shape = case.shape
    if split == "device":
        return case.device
    if isinstance(shape, Collective):
        return (case.device, case.devices, case.intra_link, case.inter_link)
    details = DETAILS.get(shape.kind)
    if details is None:
        return model_of(case)
    return tuple(value for name, value in shape if name not in details)


def stratum(case: Measurement) -> str | None:
    """The kind of case within its table that a reader tells apart; None where there is none.

    >>> from calibration.measurement import Provenance
    >>> stratum(Measurement(shape=Gemm(m=1, n=2, k=3), provenance=Provenance(source="lab")))
    'A B'
    """
    shape = case.shape
    if isinstance(shape, Collective):
        return "< 1 MiB" if shape.bytes < MIB else ">= 1 MiB"
    if isinstance(shape, Convolution):
        if shape.algorithm is None:
            return "algorithm not stated"
        return "direct algorithms" if shape.algorithm in DIRECT else "other algorithms"
    if isinstance(shape, Gemm):
        sides = zip("AB", (shape.transpose_a, shape.transpose_b), strict=True)
        return " ".join(side + "'" * turned for side, turned in sides)
    return shape.model if isinstance(shape, TrainingRun) else None


def by(
    name: str, scored: Iterable[Scored], key: Callable[[Measurement], str | None]
) -> list[dict[str, Any]]:
    """`compared` for each value of `key`, called `name`, sorted by it."""
    found: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        value = key(one.case)
        if value is not None:
            found[value].append(one)
    return [{name: value, **compared(ones)} for value, ones in sorted(found.items())]
