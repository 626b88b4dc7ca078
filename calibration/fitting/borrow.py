"""What a device has from its kin: means of parameters, what is known before any measurement, and
how far off both are."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from calibration.fitting.kernels import PULL, RANGES, TIMED, Fit, Group, Key, Prior
from calibration.fitting.spreads import ENOUGH, spread_of, tail_of
from calibration.fitting.stack import Floats
from hwsim.cost.calibration import Calibration, nearest

Name = tuple[str, Key]
BETWEEN = 0.3  # standard deviation of a parameter's logarithm between devices where not known,
LEAST, MOST = 0.1, 1.0  # and its bounds where it is
WIDER = 0.25  # a spread over the number of devices that it is from


@dataclass(frozen=True)
class Fitted:
    """A device's entry, the cases it is from, and ln(predicted / measured) of held-out ones.

    `kin` is what too few cases were drawn to.
    """

    group: Group
    fit: Fit
    residuals: Floats
    kin: Prior | None = None


class Spread(NamedTuple):
    """Standard deviations by the 80 % quantile and by the 95 % one, where that is known."""

    inner: float
    tail: float | None = None

    def widened(self, factor: float) -> Spread:
        return Spread(self.inner * factor, self.tail and self.tail * factor)


Fits = Mapping[Name, Fitted]
Between = Mapping[tuple[str, str], float]


def mean(fits: Sequence[Fit], toward: Sequence[Fit] = ()) -> Fit:
    """The geometric mean of parameters; tiles if at least half have them. `toward` counts as
    further fits, but has no say in the tiles.

    >>> mean([Fit({"half": 2.0}, {}), Fit({"half": 8.0}, {})]).values
    {'half': 4.0}
    """
    values = {
        name: math.exp(np.mean([math.log(one.values[name]) for one in (*fits, *toward)]))
        for name in fits[0].values
    }
    counts = Counter(item for one in fits for item in one.narrow.items())
    narrow = {side: tile for (side, tile), n in counts.items() if 2 * n > len(fits)}
    tiles = Counter(tile for one in fits for tile in one.batched)
    batched = tuple(tile for tile, n in tiles.items() if 2 * n >= len(fits))
    depth = sorted(one.depth for one in fits)[(len(fits) - 1) // 2]
    rounded = {name: round(value, 12) for name, value in values.items()}
    return Fit(rounded, narrow, batched=batched, depth=depth)


def toward(key: Key, everyone: Sequence[Fit]) -> Sequence[Fit]:
    """What an architecture's mean counts as one more device."""
    return [mean(everyone)] if everyone and key.kind == "products" else ()


def borrowed(members: Sequence[Fitted], everyone: Sequence[Fitted] = ()) -> Spread | None:
    """The spread of devices under the mean of the others; None where too few could be left out.

    Few devices say little of the next one: it is wider by a share of WIDER over their number.
    """
    if len(members) < 2:
        return None
    off = []
    for one in members:
        rest = [other.fit for other in members if other is not one]
        all_others = [other.fit for other in everyone if other is not one]
        off.append(one.group.residuals(mean(rest, toward(one.group.key, all_others))))
    joined = np.concatenate(off)
    if np.isfinite(joined).sum() < ENOUGH:
        return None
    found = Spread(spread_of(joined), tail_of(joined))
    return found.widened(1.0 + WIDER / len(members))


def prior(calibration: Calibration, group: Group, between: Between) -> Prior | None:
    """What a calibration says of an entry before any measurement; None where it says nothing.

    A parameter is held to it by PULL over its standard deviation `between` devices.
    """
    key, ranges = group.key, RANGES[group.key.kind]
    found: Any = getattr(calibration, key.kind)
    if key.kind != "streams":
        found = nearest(found, *key.engine.split(" ", 1))
    if not found:
        return None
    other = key.kind in TIMED and key.timing not in found
    entry = found
    if key.kind in TIMED:
        entry = next(iter(found.values())) if other else found[key.timing]
    values = {name: getattr(entry, name) or ranges[name].start for name in ranges}
    if other:
        values["launch"] = ranges["launch"].start
    tiles = {name: getattr(entry, name) for name in ("batched", "depth") if hasattr(entry, name)}
    held = Fit(values, getattr(entry, "narrow", {}), **tiles)
    pull = {name: PULL / between.get((key.kind, name), BETWEEN) for name in ranges}
    return Prior(held, pull, calibration.name, entry.spread, entry.tail)


def between(fitted: Fits) -> Between:
    """Standard deviation of parameters' logarithms between devices that tell them, by kind and
    name."""
    told: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (_, key), one in fitted.items():
        for name, value in one.fit.values.items():
            if name not in one.fit.free:
                told[key.kind, name].append(math.log(value))
    found = {name: float(np.std(logs)) for name, logs in told.items() if len(logs) > 2}
    return {name: min(max(value, LEAST), MOST) for name, value in found.items()}
