"""Fits of many devices -> calibrations: each device's, its architecture's, and the default.

An architecture's parameters are the geometric mean over its devices, the default's over all; their
spread is that of devices which were left out of the mean.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calibration.fit_kernels import (
    TIMED,
    UNKNOWN,
    Fit,
    Group,
    Key,
    fit,
    groups,
    held_out,
    spread_of,
)
from calibration.measurement import Measurement
from calibration.stack import Floats
from hwsim.cost.calibration import Calibration, Layer, load
from hwsim.hardware.spec import Device

Name = tuple[str, Key]


@dataclass(frozen=True)
class Fitted:
    """A device's entry, the cases it is from, and ln(predicted / measured) of held-out ones."""

    group: Group
    fit: Fit
    residuals: Floats


Fits = Mapping[Name, Fitted]


def fit_all(cases: Iterable[Measurement], *, spreads: bool = True) -> dict[Name, Fitted]:
    """A fit of every device and entry that the cases have; `spreads` also fits with some of them
    left out."""
    return {
        name: Fitted(group, fit(group), held_out(group) if spreads else np.full(1, np.nan))
        for name, group in groups(cases).items()
    }


def mean(fits: Sequence[Fit]) -> Fit:
    """The geometric mean of parameters; a narrow tile if at least half have it.

    >>> mean([Fit({"half": 2.0}, {}), Fit({"half": 8.0}, {})]).values
    {'half': 4.0}
    """
    values = {
        name: math.exp(sum(math.log(one.values[name]) for one in fits) / len(fits))
        for name in fits[0].values
    }
    counts = Counter(item for one in fits for item in one.narrow.items())
    narrow = {side: tile for (side, tile), n in counts.items() if 2 * n > len(fits)}
    return Fit({name: round(value, 12) for name, value in values.items()}, narrow)


def borrowed(members: Sequence[Fitted]) -> float:
    """The spread of devices under the mean of the others; NaN where too few could be left out."""
    if len(members) < 2:
        return math.nan
    off = [
        one.group.residuals(mean([other.fit for other in members if other is not one]))
        for one in members
    ]
    joined = np.concatenate(off)
    found = spread_of(joined)
    return math.nan if found == UNKNOWN else found


def calibrations(fitted: Fits) -> tuple[Calibration, dict[str, Layer]]:
    """The default, and the layers of architectures and devices by name."""
    by_key: dict[Key, list[Fitted]] = defaultdict(list)
    by_architecture: dict[str, dict[Key, list[Fitted]]] = defaultdict(lambda: defaultdict(list))
    by_device: dict[str, dict[Key, Fitted]] = defaultdict(dict)
    for (device, key), one in fitted.items():
        # A tile is a library's choice for an architecture: others get none.
        by_key[key].append(replace(one, fit=replace(one.fit, narrow={})))
        by_architecture[one.group.device.architecture.lower()][key].append(one)
        by_device[device][key] = one
    anywhere = {key: _or(borrowed(members), UNKNOWN) for key, members in by_key.items()}
    everything = {key: (members, anywhere[key]) for key, members in by_key.items()}
    base = load()
    text = f"the mean over {len(by_device)} devices, not fitted to the one at hand"
    whole = _layer(base.name, text, everything)
    made = {
        name: _layer(
            name,
            f"the mean over the measured devices of {name.capitalize()}",
            {key: (ones, _or(borrowed(ones), anywhere[key])) for key, ones in keys.items()},
        )
        for name, keys in by_architecture.items()
    }
    for name, entries in by_device.items():
        own = {key: ([one], spread_of(one.residuals)) for key, one in entries.items()}
        made[name] = _layer(name, "fitted to this device", own)
    kept = {n: t for n, t in base.sources.items() if not n.startswith(("fitted", *_KINDS))}
    fields = {name: getattr(whole, name) for name in (*_KINDS, "streams", "call", "rows")}
    update = {**fields, "description": whole.description, "sources": {**kept, **whole.sources}}
    return base.model_copy(update=update), made


_KINDS = ("products", "recurrences", "convolutions")


def provider(made: tuple[Calibration, Mapping[str, Layer]]) -> Callable[[Device], Calibration]:
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


def _or(value: float, other: float) -> float:
    return other if math.isnan(value) else value


def _layer(
    name: str, description: str, entries: Mapping[Key, tuple[Sequence[Fitted], float]]
) -> Layer:
    fields: dict[str, Any] = {kind: {} for kind in (*_KINDS, "call")}
    told: dict[str, str] = {}
    rows: Counter[str] = Counter()
    for key, (members, spread) in entries.items():
        found = _entry(mean([one.fit for one in members]), key, spread)
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


def _entry(found: Fit, key: Key, spread: float) -> Any:
    """A record in four digits."""
    values = {name: float(f"{value:.4g}") for name, value in found.values.items()}
    return Fit(values, found.narrow).entry(key.kind, float(f"{max(spread, 0.01):.3g}"))


def _title(key: Key) -> str:
    timing = key.timing if key.kind in TIMED else ""
    return ".".join(part for part in (key.kind, key.engine, timing) if part)


def _told(members: Sequence[Fitted], counts: Mapping[str, int]) -> str:
    cases = " and ".join(f"{n} cases of {suite}" for suite, n in counts.items())
    if len(members) > 1:
        names = ", ".join(sorted(one.group.device.name for one in members))
        return f"fitted to {cases} on {names}"
    free = members[0].fit.free
    return f"fitted to {cases}" + (f"; they do not tell {', '.join(free)}" if free else "")
