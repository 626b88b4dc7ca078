"""What steps of many points take, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hwsim.hardware.spec import System
from hwsim.site import Site
from hwsim.spending.energy import device_joules, trained_joules, whole
from hwsim.spending.power import Counts, Figure, power_of
from hwsim.spending.price import dollars, kilograms, tariff_of


class Run(NamedTuple):
    """Seconds of a training, and those of them in which devices wait."""

    seconds: Figure
    waits: Figure = 0.0


class Amounts(NamedTuple):
    """Joules, dollars and kilograms of CO2e of one step or of a training, with the mean watts of
    all that it uses; None where unknown."""

    joules: Figure | None
    watts: Figure | None
    dollars: Figure | None
    kilograms: Figure | None


def amounts(
    system: System,
    site: Site,
    parts: Mapping[str, Figure],
    devices: int | Counts = 1,
    figures: Mapping[str, Figure] | None = None,
    run: Run | None = None,
) -> Amounts:
    """What a step of these parts (s) takes, or a `run` of such: the values of `spent`, of numbers
    or arrays.

    `figures` replace fields of `system` and `site` by their paths (device.power.limit, node.price,
    site.electricity), with arrays in the units of the records that broadcast with the parts.
    """
    step: Figure = sum(parts.values())
    seconds = step if run is None else run.seconds
    power = power_of(system, site, devices, figures)
    tariff = tariff_of(system, site, devices, figures)
    joules = None
    if power is not None:
        own = device_joules(parts, power)
        if run is not None:
            own = trained_joules(own, step, run.seconds, run.waits, power)
        joules = sum(whole(own, seconds, power, devices).values())
    carbon = None
    if joules is not None and (site.carbon is not None or "site.carbon" in (figures or {})):
        carbon = sum(kilograms(seconds, joules, site, devices, figures).values())
    return Amounts(
        joules=joules,
        watts=None if joules is None else joules / seconds,
        dollars=sum(dollars(seconds, joules, tariff, devices).values()) if tariff else None,
        kilograms=carbon,
    )
