"""The composition: what a step and a training of an estimate take, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.convergence.law import UNTOLD, Luck, interval
from hwsim.errors import InputError
from hwsim.hardware.spec import System
from hwsim.site import Site
from hwsim.spending import told
from hwsim.spending.energy import device_joules, trained_joules, whole
from hwsim.spending.power import SOURCES, Figure, Power, power_of
from hwsim.spending.price import Tariff, dollars, kilograms, tariff_of
from hwsim.spending.record import Amount, Cost, Energy, Spending, Spent
from hwsim.units import HOUR

Floats = npt.NDArray[np.float64]

DOUBT = 0.15
"""Standard deviation of the logarithm of a machine's power about the one that is told."""
SEED = 2
IDLES = ("startup", "checkpoint")
"""Parts of a run in which devices wait."""


class Time(NamedTuple):
    """Seconds by part that sum to the whole, and draws of their sum over it."""

    parts: Mapping[str, float]
    luck: Floats

    @property
    def seconds(self) -> float:
        return sum(self.parts.values())


def spent(
    system: System, site: Site, devices: int, step: Time, training: Time | None = None
) -> Spent:
    """Energy and cost of a `step` and of the whole `training` on so many devices.

    The step's parts are those of a device, the training's those of `hwsim.overheads`: its steps,
    evaluations and restarts draw what a step does, start and checkpoints wait. Intervals come from
    the draws of the times and from `DOUBT` of the power, the same in every draw of two estimates.
    A price is taken as it is told.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _spent(system, site, devices, [step] if training is None else [step, training])


def _spent(system: System, site: Site, devices: int, times: list[Time]) -> Spent:
    power, tariff = power_of(system, site, devices), tariff_of(system, site, devices)
    step = times[0]
    joules: list[dict[str, float]] = []
    draws: list[Floats] = []
    if power is not None:
        own = _numbers(device_joules(step.parts, power))
        for time in times:
            scaled = own
            if time is not step:
                waits = sum(time.parts[name] for name in IDLES)
                trained = trained_joules(own, step.seconds or math.inf, time.seconds, waits, power)
                scaled = _numbers(trained)
            joules.append(_numbers(whole(scaled, time.seconds, power, devices)))
            draws.append(_doubted(joules[-1], scaled, time, power, devices))
    energy = _energy(joules, draws, step, times, site, devices) if power else None
    cost = _cost(joules, draws, times, tariff, devices) if tariff else None
    lines = [
        *told.powers(system, site, devices, power),
        *told.prices(system, site, devices, tariff, known=power is not None),
    ]
    sources = [f"power.{name}: {source}" for name, source in SOURCES.items()] if power else []
    return Spent(energy, cost, lines, sources)


def _numbers(parts: Mapping[str, Figure]) -> dict[str, float]:
    return {name: float(value) for name, value in parts.items()}


def _doubted(
    joules: dict[str, float], own: dict[str, float], time: Time, power: Power, devices: int
) -> Floats:
    """Draws of the whole energy: of the time, and of a power between rest and limit."""
    random = np.random.default_rng(SEED)
    factor = np.exp(DOUBT * random.standard_normal(len(time.luck)))
    seconds, whole_ = time.seconds, sum(joules.values())
    mean = sum(own.values()) / seconds if seconds else 0.0
    drawn = np.clip(mean * factor, power.idle, power.limit) + power.host * factor
    beside = whole_ / (devices * (mean + float(power.host)) * seconds) if seconds else 1.0
    return np.asarray(devices * drawn * seconds * time.luck * beside)


def _energy(
    joules: list[dict[str, float]],
    draws: list[Floats],
    step: Time,
    times: list[Time],
    site: Site,
    devices: int,
) -> Energy:
    seconds = step.seconds
    outside = ("host", "network", "facility")
    own = sum(value for name, value in joules[0].items() if name not in outside)
    found = _spending([_amount(*pair) for pair in zip(joules, draws, strict=True)])
    carbon = None
    if site.carbon is not None:
        carbon = _spending(
            [
                _blamed(parts, drawn, time, site, devices)
                for parts, drawn, time in zip(joules, draws, times, strict=True)
            ]
        )
    return Energy(
        step=found.step,
        total=found.total,
        watts=found.step.value / seconds,
        device_watts=own / seconds / devices,
        carbon=carbon,
    )


def _blamed(
    joules: dict[str, float], drawn: Floats, time: Time, site: Site, devices: int
) -> Amount:
    seconds = time.seconds
    parts = _numbers(kilograms(seconds, sum(joules.values()), site, devices))
    draws = kilograms(seconds * time.luck, drawn, site, devices)
    return _amount(parts, np.asarray(sum(draws.values())))


def _cost(
    joules: list[dict[str, float]],
    draws: list[Floats],
    times: list[Time],
    tariff: Tariff,
    devices: int,
) -> Cost:
    amounts = []
    for number, time in enumerate(times):
        told = sum(joules[number].values()) if joules else None
        drawn = draws[number] if joules else None
        parts = _numbers(dollars(time.seconds, told, tariff, devices))
        each = dollars(time.seconds * time.luck, drawn, tariff, devices)
        amounts.append(_amount(parts, np.asarray(sum(each.values()))))
    found = _spending(amounts)
    return Cost(
        step=found.step,
        total=found.total,
        way=tariff.way,
        hour=float(tariff.second * HOUR),
        price=tariff.path,
    )


def _spending(amounts: list[Amount]) -> Spending:
    return Spending(step=amounts[0], total=amounts[1] if len(amounts) > 1 else None)


def _amount(parts: dict[str, float], draws: Floats) -> Amount:
    value = sum(parts.values())
    low, high = interval(draws)
    if not math.isfinite(value + high):
        what = "found an energy or a cost that is not finite"
        raise InputError("estimate", what, "write smaller figures")
    luck = Luck(draws / value) if value else UNTOLD
    return Amount(value=value, low=min(low, value), high=max(high, value), parts=parts, luck=luck)
