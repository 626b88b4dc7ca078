"""What steps of many points take, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hwsim.hardware.spec import System
from hwsim.site import Site
from hwsim.spending.energy import device_joules, whole
from hwsim.spending.power import Counts, Figure, power_of
from hwsim.spending.price import dollars, kilograms, tariff_of


class Amounts(NamedTuple):
    """Joules, dollars and kilograms of CO2e of one step, with the mean watts of all that it uses;
    None where unknown."""

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
) -> Amounts:
    """What a step of these parts (s) takes: the values of `spent`, of numbers or arrays.

    `figures` replace fields of `system` and `site` by their paths (device.power.limit, node.price,
    site.electricity), with arrays in the units of the records that broadcast with the parts. A
    training of N steps takes N times as much, but for what it spends besides its steps.
    """
    seconds: Figure = sum(parts.values())
    power = power_of(system, site, devices, figures)
    tariff = tariff_of(system, site, devices, figures)
    joules = None
    if power is not None:
        own = device_joules(parts, power)
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
