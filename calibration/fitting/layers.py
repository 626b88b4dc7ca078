"""Fits of many devices -> calibrations: each device's, its architecture's, and the default.

The default's parameters are the geometric mean over all devices, an architecture's that over its
own, for products with the default's as one more: the chips of one architecture differ in them as
much as others do. Their spread is that of devices which were left out of the mean.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from calibration.fitting.borrow import (
    Fits,
    Fitted,
    Name,
    Spread,
    between,
    borrowed,
    mean,
    prior,
    toward,
)
from calibration.fitting.kernels import TIMED, Fit, Group, Key, fit, groups, held_out
from calibration.fitting.spreads import ENOUGH, UNKNOWN, spread_of, tail_of
from calibration.measurement import Measurement
from calibration.predict.basis import Provider
from hwsim.cost.calibration import Calibration, Layer, load
from hwsim.hardware.spec import Device

GENERATIONS = ("maxwell", "pascal", "volta", "turing", "ampere", "ada", "hopper", "blackwell")
NEAREST = ("recurrences",)  # kinds that an architecture borrows of its nearest
FARTHER = 1.5  # how much wider than the lender's own
Entry = tuple[Sequence[Fitted], Fit, Spread]  # whose it is, and what it is


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
    found |= fit_few(few, found, kin)
    return {name: found[name] for name in made}


def fit_few(few: Mapping[Name, Group], known: Fits, kin: Provider | None) -> dict[Name, Fitted]:
    """Fits of groups too small to leave some out, drawn to what is known of other devices."""
    givers = [provider(calibrations(known))] if known and few else []
    givers += [] if kin is None else [kin]
    pulls = between(known)
    found = {}
    for name, group in few.items():
        priors = (prior(give(group.device), group, pulls) for give in givers)
        held = next((one for one in priors if one is not None), None)
        found[name] = Fitted(group, fit(group, held), np.full(1, np.nan), held)
    return found


def calibrations(fitted: Fits) -> tuple[Calibration, dict[str, Layer]]:
    """The default, and the layers of architectures and devices by name."""
    by_key: dict[Key, list[Fitted]] = defaultdict(list)
    by_architecture: dict[str, dict[Key, list[Fitted]]] = defaultdict(lambda: defaultdict(list))
    by_device: dict[str, dict[Key, Fitted]] = defaultdict(dict)
    for (device, key), one in fitted.items():
        # A tile is a library's choice for an architecture: others get none.
        by_key[key].append(replace(one, fit=replace(one.fit, narrow={})))
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
    for name, entries in _neighbors(kindred).items():
        kindred[name] = {**entries, **kindred.get(name, {})}
    made = {
        name: _layer(name, _described(name, measured=name in by_architecture), entries)
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
    linked = {name: n for name, n in base.rows.items() if name.startswith("collective/")}
    fields["rows"] = {**linked, **fields["rows"]}
    update = {**fields, "description": whole.description, "sources": {**kept, **whole.sources}}
    return base.model_copy(update=update), made


def _neighbors(kindred: Mapping[str, Mapping[Key, Entry]]) -> dict[str, dict[Key, Entry]]:
    """What architectures that were not measured borrow of the nearest one that was.

    Waits of a recurrence go with a generation's launches and libraries; other kernels are better
    off with the mean over all.
    """
    found: dict[str, dict[Key, Entry]] = defaultdict(dict)
    keys = {key for entries in kindred.values() for key in entries if key.kind in NEAREST}
    for place, name in enumerate(GENERATIONS):
        for key in keys - kindred.get(name, {}).keys():
            near = [other for other in GENERATIONS if key in kindred.get(other, {})]
            if near:
                by_distance = sorted(near, key=lambda other: abs(GENERATIONS.index(other) - place))
                ones, values, spread = kindred[by_distance[0]][key]
                found[name][key] = ones, replace(values, narrow={}), spread.widened(FARTHER)
    return found


def _described(architecture: str, *, measured: bool) -> str:
    if measured:
        return f"the mean over the measured devices of {architecture.capitalize()}"
    return f"{architecture.capitalize()} was not measured: as the nearest architecture that was"


def _architecture(one: Fitted) -> str:
    return one.group.device.architecture.lower()


def _kindred(ones: Sequence[Fitted], anywhere: Entry) -> Entry:
    everyone, _, spread = anywhere
    further = toward(ones[0].group.key, [one.fit for one in everyone])
    found = mean([one.fit for one in ones], further)
    return ones, found, borrowed(ones, everyone) or spread


def _own(one: Fitted, kindred: Entry) -> Entry:
    """Cases too few to leave some out are no better than their kin's."""
    if one.kin is not None:
        return [one], one.fit, Spread(one.kin.spread, one.kin.tail)
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
        return f"fitted to {cases}, drawn to {members[0].kin.name}"
    free = members[0].fit.free
    return f"fitted to {cases}" + (f"; they do not tell {', '.join(free)}" if free else "")
