"""Estimates side by side: differences to the first, part by part, with intervals.

The same place in the draws of two estimates is the same luck (`hwsim.study.total`), so that what
they have in common cancels. An estimate that was read from a file has no draws of its total; those
of its step follow from its interval, and of its total too where the count of steps was given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.convergence.law import interval
from hwsim.estimation import Estimate, Interval, step_luck
from hwsim.spending import Amount
from hwsim.study.objectives import SPENT, amount, figures
from hwsim.study.total import Ratio, draws, time_of

Floats = npt.NDArray[np.float64]

ROUNDING = 1e-12
_FIGURE = re.compile(r"^((?:device|node|network|nodes)[\w.]*) = (.*?): ")


@dataclass(frozen=True)
class Change:
    """What one has more than the first (seconds, joules, dollars, kg CO2e), with an interval, and
    the ratio of both.

    `paired`: 80 % intervals, of draws of the same luck. If not, they are the widest that the 80 %
    intervals of both allow, and hold more than 80 %. `apart` is the ratio's interval if the error
    of the time per step of another device has nothing in common with that of the first's; None of
    the same device, and without draws.
    """

    value: float
    low: float
    high: float
    ratio: Ratio
    paired: bool
    apart: Ratio | None = None


@dataclass(frozen=True)
class Against:
    """One estimate against the first.

    `parts` sum to the difference of a step, `causes` to that of the total; `spent` are differences
    of energy, cost and carbon, `more` of all `hwsim.study.objectives.figures`, where both know
    them. `faster` is the share of draws in which its training (its step, where no steps are
    counted) takes less time, None where not both have draws. `fields` are what was asked or what
    the machine has: path -> (of the first, here). `assumed` only here, `dropped` only by the first.
    """

    step: Change
    total: Change | None
    parts: dict[str, float]
    causes: dict[str, float]
    spent: dict[str, Change]
    more: dict[str, float]
    faster: float | None
    fields: dict[str, tuple[Any, Any]]
    assumed: tuple[str, ...]
    dropped: tuple[str, ...]


def against(first: Estimate, other: Estimate) -> Against:
    """`other` beside `first`."""
    own = _own_luck(other) if first.hardware.device != other.hardware.device else None
    base, here = _steps(first), _steps(other)
    step = _change(_ends(first.step), _ends(other.step), here - base, here / base, own)
    total: Change | None = None
    over: Floats | None = here / base
    if first.total is not None and other.total is not None:
        more, over = _drawn(first, other)
        total = _change(_ends(first.total), _ends(other.total), more, over, own)
    if (first.total is None) != (other.total is None):
        over = None
    before, after = first.step.parts, other.step.parts
    return Against(
        step=step,
        total=total,
        parts={kind: after.get(kind, 0.0) - before.get(kind, 0.0) for kind in {**before, **after}},
        causes=_causes(first, other),
        spent=dict(_spent(first, other, own, over)),
        more=dict(_more(figures(first), figures(other))),
        faster=None if over is None else float(np.mean(over < 1.0)),
        fields=dict(_differences(_fields(first), _fields(other))),
        assumed=_only(other.assumptions, first.assumptions),
        dropped=_only(first.assumptions, other.assumptions),
    )


def _spent(
    first: Estimate, other: Estimate, own: Floats | None, times: Floats | None
) -> Iterator[tuple[str, Change]]:
    """Of trainings, or of steps where neither counts them; `times` are draws of the ratio of what
    they take."""
    if (first.total is None) != (other.total is None):
        return
    for kind in SPENT:
        one, two = amount(first, kind), amount(other, kind)
        if one is None or two is None:
            continue
        more, over = None, None
        if times is not None and one.value > 0:  # power's doubt, which is lost, cancels
            over = times * (two.value / one.value) * (time_of(first) / time_of(other))
        if one.luck.draws.size and two.luck.draws.size:
            base, here = one.value * one.luck.draws, two.value * two.luck.draws
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                more, over = here - base, here / base
        yield kind, _change(_ends(one), _ends(two), more, over, own)


def _more(
    first: Mapping[str, float | None], other: Mapping[str, float | None]
) -> Iterator[tuple[str, float]]:
    for name, value in first.items():
        here = other[name]
        if value is not None and here is not None:
            yield name, here - value


def _causes(first: Estimate, other: Estimate) -> dict[str, float]:
    """What the difference of two totals comes from; empty where one isn't known.

    Of n steps of t seconds, n' t' - n t = (n' - n) (t + t') / 2 + (t' - t) (n + n') / 2; the rest
    is what a run spends besides its steps.
    """
    if first.total is None or other.total is None:
        return {}
    before, after = first.total.parts, other.total.parts
    one, two = first.step.seconds, other.step.seconds
    counts = before["steps"] / one, after["steps"] / two
    found = {
        "number of steps": (counts[1] - counts[0]) * (one + two) / 2,
        "time per step": (two - one) * (counts[0] + counts[1]) / 2,
    }
    rest = {**before, **after}.keys() - {"steps"}
    return found | {kind: after.get(kind, 0.0) - before.get(kind, 0.0) for kind in sorted(rest)}


def _drawn(first: Estimate, other: Estimate) -> tuple[Floats | None, Floats | None]:
    """Draws of the difference of two trainings and of their ratio, None where not known.

    Two files of the same steps by the same law have lost their draws, which cancel in the ratio.
    """
    base, here = whole(first), whole(other)
    if base is not None and here is not None:
        # Draws far outside of what was measured may be 0 or without end.
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return here - base, here / base
    same = first.convergence == other.convergence and _only_steps(first) and _only_steps(other)
    return None, _steps(other) / _steps(first) if same else None


def _only_steps(estimate: Estimate) -> bool:
    """Whether a training spends nothing besides its steps."""
    total = estimate.total
    return total is not None and total.parts.get("steps") == total.seconds


def whole(estimate: Estimate) -> Floats | None:
    """Draws of the seconds of the training, or of a step where no steps are counted; None where a
    file has lost them."""
    if estimate.luck.draws.size:
        return draws(estimate)
    count = estimate.convergence
    if estimate.total is None or count is None:
        return _steps(estimate)
    given = count.low == count.high and _only_steps(estimate)
    return _steps(estimate) * count.steps if given else None


def fastest(estimates: Sequence[Estimate]) -> tuple[int | None, tuple[float | None, ...]]:
    """The number of the fastest that fits in memory, and the share of draws in which each is.

    No number where nothing fits; no shares unless all that fit have draws of the same thing.
    """
    fit = [number for number, one in enumerate(estimates) if one.memory.fits]
    unknown: tuple[float | None, ...] = (None,) * len(estimates)
    if not fit or len({estimates[number].total is None for number in fit}) > 1:
        return None, unknown
    best = min(fit, key=lambda number: time_of(estimates[number]))
    found = [whole(estimates[number]) for number in fit]
    drawn = [each for each in found if each is not None]
    if len(drawn) < len(found):
        return best, unknown
    every = np.nan_to_num(np.stack(drawn), nan=np.inf, posinf=np.inf)
    least = every <= every.min(axis=0) * (1 + ROUNDING)
    each = (least / least.sum(axis=0)).mean(axis=1)  # those that are equal share a draw
    shares = dict(zip(fit, each.tolist(), strict=True))
    return best, tuple(shares.get(number, 0.0) for number in range(len(estimates)))


def _steps(estimate: Estimate) -> Floats:
    """Draws of the seconds of a step."""
    return estimate.step.seconds * step_luck(_spread(estimate))


def _spread(estimate: Estimate) -> float:
    """The spread of the seconds of a step, which their interval tells."""
    step = estimate.step
    low, high = interval(step_luck(1.0))
    return math.log(step.high / step.low) / math.log(high / low) if step.low > 0 else 0.0


def _own_luck(estimate: Estimate) -> Floats:
    """What draws are multiplied by, so that the error of a step is the device's own.

    A step's error is a factor of all that a run spends, but for its start and its checkpoints.
    """
    luck = step_luck(_spread(estimate))
    return np.roll(luck, len(luck) // 2) / luck


def _ends(told: Interval | Amount) -> tuple[float, float, float]:
    """What is told of something, and its 80 % interval."""
    value = told.value if isinstance(told, Amount) else told.seconds
    return value, told.low, told.high


def _change(
    first: tuple[float, float, float],
    other: tuple[float, float, float],
    more: Floats | None,
    over: Floats | None,
    own: Floats | None,
) -> Change:
    """From draws of the difference and of the ratio; the widest intervals without them."""
    value, times = other[0] - first[0], _over(other[0], first[0])
    low, high = other[1] - first[2], other[2] - first[1]
    ratio = Ratio(times, _over(other[1], first[2]), _over(other[2], first[1]))
    if over is not None:
        ratio = _around(times, over)
        ends = [(end - 1.0) * size for end in (ratio.low, ratio.high) for size in first[1:]]
        low, high = min(ends), max(ends)
    if more is not None:
        low, high = interval(more)
    return Change(
        value=value,
        low=min(low, value),
        high=max(high, value),
        ratio=ratio,
        paired=more is not None,
        apart=None if over is None or own is None else _around(times, over * own),
    )


def _around(value: float, found: Floats) -> Ratio:
    low, high = interval(found)
    return Ratio(value, min(low, value), max(high, value))


def _over(one: float, other: float) -> float:
    return one / other if other > 0 else math.inf


def _fields(estimate: Estimate) -> dict[str, Any]:
    """Everything that was asked for, and every figure of the machine, by path."""
    record = estimate.record()
    work = record["workload"]
    asked = {name: record[name] for name in ("hardware", "plan", "software", "run", "site")}
    found = dict(_flat(asked | {"workload": {"name": work["name"], **work["sizes"]}}))
    del found["hardware.calibration"]
    told = (_FIGURE.match(line) for line in estimate.sources)
    return found | {match.group(1): match.group(2) for match in told if match}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value


def _differences(
    first: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for path in {**first, **other}:
        pair = (first.get(path), other.get(path))
        if pair[0] != pair[1]:
            yield path, pair


def _only(these: Sequence[str], those: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in these if text not in set(those))
