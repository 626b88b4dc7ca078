"""Fits of many devices -> calibrations: each device's, its architecture's, and the default.

The default's parameters are the geometric mean over all devices, an architecture's that over its
own, for products with the default's as one more: the chips of one architecture differ in them as
much as others do. Their spread is that of devices which were left out of the mean.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from calibration.fit_kernels import (
    PULL,
    RANGES,
    TIMED,
    Fit,
    Group,
    Key,
    Prior,
    fit,
    groups,
    held_out,
)
from calibration.measurement import Measurement
from calibration.spreads import ENOUGH, UNKNOWN, spread_of, tail_of
from calibration.stack import Floats
from hwsim.cost.calibration import Calibration, Layer, load, nearest
from hwsim.hardware.spec import Device

Name = tuple[str, Key]
BETWEEN = 0.3  # standard deviation of a parameter's logarithm between devices where not known,
LEAST, MOST = 0.1, 1.0  # and its bounds where it is
WIDER = 0.25


@dataclass(frozen=True)
class Fitted:
    """A device's entry, the cases it is from, and ln(predicted / measured) of held-out ones.

    `kin` names the calibration that too few cases were drawn to.
    """

    group: Group
    fit: Fit
    residuals: Floats
    kin: str = ""


class Spread(NamedTuple):
    """Standard deviations by the 80 % quantile and by the 95 % one, where that is known."""

    inner: float
    tail: float | None = None

    def widened(self, factor: float) -> Spread:
        return Spread(self.inner * factor, self.tail and self.tail * factor)


Fits = Mapping[Name, Fitted]
Entry = tuple[Sequence[Fitted], Fit, Spread]  # whose it is, and what it is
Provider = Callable[[Device], Calibration]


def fit_all(
    cases: Iterable[Measurement], *, spreads: bool = True, kin: Provider | None = None
) -> dict[Name, Fitted]:
    """A fit of every device and entry that the cases have; `spreads` also fits with some of them
    left out.

    Where the cases are too few to leave some out, the fit is drawn to the other devices' of the
    architecture, else of all; to those of `kin` where the cases have none.
    """
    return fit_groups(groups(cases), spreads=spreads, kin=kin)


def fit_groups(
    made: Mapping[Name, Group], *, spreads: bool = False, kin: Provider | None = None
) -> dict[Name, Fitted]:
    """As `fit_all`, of cases that are grouped."""
    found = {
        name: Fitted(group, fit(group), held_out(group) if spreads else np.full(1, np.nan))
        for name, group in made.items()
        if len(group.cases) >= ENOUGH
    }
    few = {name: group for name, group in made.items() if name not in found}
    givers = [provider(calibrations(found))] if found and few else []
    givers += [] if kin is None else [kin]
    pulls = between(found)
    for name, group in few.items():
        priors = (prior(give(group.device), group, pulls) for give in givers)
        held = next((one for one in priors if one is not None), None)
        found[name] = Fitted(group, fit(group, held), np.full(1, np.nan), held.name if held else "")
    return {name: found[name] for name in made}


def prior(calibration: Calibration, group: Group, between: Mapping[str, float]) -> Prior | None:
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
    entry = (
        next(iter(found.values())) if other else found[key.timing] if key.kind in TIMED else found
    )
    values = {name: getattr(entry, name) or ranges[name].start for name in ranges}
    if other:
        values["launch"] = ranges["launch"].start
    tiles = {name: getattr(entry, name) for name in ("batched", "depth") if hasattr(entry, name)}
    held = Fit(values, getattr(entry, "narrow", {}), **tiles)
    pull = {name: PULL / between.get(name, BETWEEN) for name in ranges}
    return Prior(held, pull, calibration.name)


def between(fitted: Fits) -> dict[str, float]:
    """Standard deviation of parameters' logarithms between devices that tell them, by name."""
    told: dict[str, list[float]] = defaultdict(list)
    for one in fitted.values():
        for name, value in one.fit.values.items():
            if name not in one.fit.free and value > 0:
                told[name].append(math.log(value))
    found = {name: float(np.std(logs)) for name, logs in told.items() if len(logs) > 2}
    return {name: min(max(value, LEAST), MOST) for name, value in found.items()}


def mean(fits: Sequence[Fit], toward: Sequence[Fit] = ()) -> Fit:
    """The geometric mean of parameters over the fits that tell them; tiles if at least half have
    them. `toward` counts as further fits, but has no say in the tiles.

    >>> mean([Fit({"half": 2.0}, {}), Fit({"half": 8.0}, {})]).values
    {'half': 4.0}
    """
    values = {}
    for name in fits[0].values:
        told = [one.values[name] for one in fits if name not in one.free]
        logs = [math.log(value) for value in told or [one.values[name] for one in fits]]
        logs += [math.log(one.values[name]) for one in toward]
        values[name] = round(math.exp(sum(logs) / len(logs)), 12)
    counts = Counter(item for one in fits for item in one.narrow.items())
    narrow = {side: tile for (side, tile), n in counts.items() if 2 * n > len(fits)}
    tiles = Counter(tile for one in fits for tile in one.batched)
    batched = tuple(tile for tile, n in tiles.items() if 2 * n >= len(fits))
    depth = sorted(one.depth for one in fits)[(len(fits) - 1) // 2]
    return Fit(values, narrow, batched=batched, depth=depth)


def borrowed(members: Sequence[Fitted], everyone: Sequence[Fitted] = ()) -> Spread | None:
    """The spread of devices under the mean of the others; None where too few could be left out.

    Few devices say little of the next one: it is widened by WIDER over their number.
    """
    if len(members) < 2:
        return None
    off = []
    for one in members:
        rest = [other.fit for other in members if other is not one]
        all_others = [other.fit for other in everyone if other is not one]
        off.append(one.group.residuals(mean(rest, _toward(one.group.key, all_others))))
    joined = np.concatenate(off)
    if np.isfinite(joined).sum() < ENOUGH:
        return None
    found = Spread(spread_of(joined), tail_of(joined))
    return found.widened(1.0 + WIDER / len(members))


def calibrations(fitted: Fits) -> tuple[Calibration, dict[str, Layer]]:
    """The default, and the layers of architectures and devices by name."""
    by_key: dict[Key, list[Fitted]] = defaultdict(list)
    by_architecture: dict[str, dict[Key, list[Fitted]]] = defaultdict(lambda: defaultdict(list))
    by_device: dict[str, dict[Key, Fitted]] = defaultdict(dict)
    for (device, key), one in fitted.items():
        by_key[key].append(one)
        by_architecture[_architecture(one)][key].append(one)
        by_device[device][key] = one
    anywhere: dict[Key, Entry] = {
        key: (ones, mean([one.fit for one in ones]), borrowed(ones) or Spread(UNKNOWN))
        for key, ones in by_key.items()
    }
    kindred: dict[str, dict[Key, Entry]] = {
        name: {key: _kindred(ones, anywhere[key]) for key, ones in keys.items()}
        for name, keys in by_architecture.items()
    }
    made = {
        name: _layer(name, f"the mean over the measured devices of {name.capitalize()}", entries)
        for name, entries in kindred.items()
    }
    for name, own in by_device.items():
        entries = {key: _own(one, kindred[_architecture(one)][key]) for key, one in own.items()}
        made[name] = _layer(name, "fitted to this device", entries)
    base = load()
    text = f"the mean over {len(by_device)} devices, not fitted to the one at hand"
    whole = _layer(base.name, text, anywhere)
    kept = {n: t for n, t in base.sources.items() if not n.startswith(("fitted", *_KINDS))}
    fields = {name: getattr(whole, name) for name in (*_KINDS, "streams", "call", "rows")}
    update = {**fields, "description": whole.description, "sources": {**kept, **whole.sources}}
    return base.model_copy(update=update), made


def _architecture(one: Fitted) -> str:
    return one.group.device.architecture.lower()


def _kindred(ones: Sequence[Fitted], anywhere: Entry) -> Entry:
    everyone, _, spread = anywhere
    further = _toward(ones[0].group.key, [one.fit for one in everyone])
    found = mean([one.fit for one in ones], further)
    return ones, found, borrowed(ones, everyone) or spread


def _toward(key: Key, everyone: Sequence[Fit]) -> Sequence[Fit]:
    """What an architecture's mean counts as one more device."""
    return [mean(everyone)] if everyone and key.kind == "products" else ()


def _own(one: Fitted, kindred: Entry) -> Entry:
    """Too few cases to leave some out are no better than their kin's."""
    if np.isfinite(one.residuals).sum() < ENOUGH:
        return [one], one.fit, kindred[2]
    return [one], one.fit, Spread(spread_of(one.residuals), tail_of(one.residuals))


_KINDS = ("products", "recurrences", "convolutions")


def provider(made: tuple[Calibration, Mapping[str, Layer]]) -> Provider:
    """Device -> the default under its architecture's layer under its own."""
    default, layers = made
    joined: dict[tuple[str, str], Calibration] = {}

    def calibration(device: Device) -> Calibration:
        names = (device.architecture.lower(), device.name)
        if names not in joined:
            found = default
            for name in names:
                found = found.over(layers[name]) if name in layers else found
            joined[names] = found
        return joined[names]

    return calibration


def _layer(name: str, description: str, entries: Mapping[Key, Entry]) -> Layer:
    fields: dict[str, Any] = {kind: {} for kind in (*_KINDS, "call")}
    told: dict[str, str] = {}
    rows: Counter[str] = Counter()
    for key, (members, fitted, spread) in entries.items():
        found = _entry(fitted, key, spread)
        if key.kind == "streams":
            fields["streams"] = found
        elif key.kind in TIMED:
            fields[key.kind].setdefault(key.engine, {})[key.timing] = found
            if key.timing == "call" and key.engine.startswith("vector"):
                fields["call"][key.kind] = found.launch
        else:
            fields[key.kind][key.engine] = found
        counts = Counter(
            f"{case.kind}/{case.provenance.source}" for one in members for case in one.group.cases
        )
        rows.update(counts)
        told[_title(key)] = _told(members, counts)
    return Layer(name=name, description=description, rows=dict(rows), sources=told, **fields)


def _entry(found: Fit, key: Key, spread: Spread) -> Any:
    """A record in four digits."""
    values = {name: float(f"{value:.4g}") for name, value in found.values.items()}
    inner, tail = (None if s is None else float(f"{max(s, 0.01):.3g}") for s in spread)
    return replace(found, values=values).entry(key.kind, inner or UNKNOWN, tail)


def _title(key: Key) -> str:
    timing = key.timing if key.kind in TIMED else ""
    return ".".join(part for part in (key.kind, key.engine, timing) if part)


def _told(members: Sequence[Fitted], counts: Mapping[str, int]) -> str:
    cases = " and ".join(f"{n} cases of {suite}" for suite, n in counts.items())
    if len(members) > 1:
        names = ", ".join(sorted(one.group.device.name for one in members))
        return f"fitted to {cases} on {names}"
    if members[0].kin:
        return f"fitted to {cases}, drawn to {members[0].kin}"
    free = members[0].fit.free
    return f"fitted to {cases}" + (f"; they do not tell {', '.join(free)}" if free else "")
