"""Dollars and kilograms of a run: rented by the hour, or owned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from hwsim.hardware.spec import System
from hwsim.site import Site
from hwsim.spending.power import Counts, Figure
from hwsim.units import HOUR, KWH

Way = Literal["rent", "own"]
NETWORK = 0.32
"""Of the price of a node, where devices of several nodes talk: 250,000 USD with network, storage
and else over 190,000 USD without, 8 H100 (SemiAnalysis, 2025-08-20)."""


class Tariff(NamedTuple):
    """How a run is paid: dollars per second of a device, what the network adds as a share of
    these, dollars per joule (None: unknown, or in the rent), and the path of the price."""

    way: Way
    second: Figure
    network: Figure
    joule: Figure | None
    path: str


def spread(whole: Figure, lifetime: Figure, utilization: Figure) -> Figure:
    """What one second of use bears of something that is bought once.

        whole / (lifetime x utilization)

    >>> round(spread(30_000.0, 6 * 365.25 * 86400.0, 0.85) * 3600.0, 3)  # dollars per hour
    0.671
    """
    return whole / (lifetime * utilization)


def tariff_of(
    system: System,
    site: Site,
    devices: int | Counts = 1,
    figures: Mapping[str, Figure] | None = None,
) -> Tariff | None:
    """How `site` pays for so many devices; None if it knows no price.

    The site's own prices go before those of the catalog, a price per hour before a purchase, that
    of a node before that of a device. `figures` replace fields by their paths, with arrays.
    """
    given = figures or {}
    hour, bought = _hour(system, site, given), _purchase(system, site, given)
    mine = {path for path, _ in (hour, bought) if path.startswith("site.")}
    way: Way = site.pay or ("own" if hour[1] is None or mine == {bought[0]} else "rent")
    path, price = hour if way == "rent" else bought
    if price is None:
        return None
    if way == "rent":
        return Tariff(way, price / HOUR, 0.0, None, path)
    lifetime = given.get("site.lifetime", site.lifetime)
    utilization = given.get("site.utilization", site.utilization)
    share = NETWORK if site.network_price is None else site.network_price
    network = given.get("site.network_price", share)
    electricity = given.get("site.electricity", site.electricity)
    return Tariff(
        way,
        spread(price, lifetime, utilization),
        network * np.greater(devices, system.node.devices),
        None if electricity is None else electricity / KWH,
        path,
    )


def dollars(
    seconds: Figure, joules: Figure | None, tariff: Tariff, devices: int | Counts
) -> dict[str, Figure]:
    """Dollars of a run by part; `joules` are those of the whole, None if unknown.

    >>> rent = Tariff("rent", 2.0 / 3600.0, 0.0, None, "site.hour")
    >>> round(sum(dollars(3600.0, None, rent, 8).values()), 6)
    16.0
    """
    own = devices * seconds * tariff.second
    power = 0.0 * own
    if joules is not None and tariff.joule is not None:
        power = joules * tariff.joule
    return {"devices": own, "network": tariff.network * own, "electricity": power}


def kilograms(
    seconds: Figure,
    joules: Figure,
    site: Site,
    devices: int | Counts,
    figures: Mapping[str, Figure] | None = None,
) -> dict[str, Figure]:
    """Kilograms of CO2e of a run by part, of a site that knows its `carbon`.

    >>> kilograms(3600.0, 3.6e6, Site(carbon=0.4), 1)
    {'electricity': 0.4, 'embodied': 0.0}
    """
    given = figures or {}
    made = spread(
        given.get("site.embodied", site.embodied or 0.0),
        given.get("site.lifetime", site.lifetime),
        given.get("site.utilization", site.utilization),
    )
    return {
        "electricity": joules * given.get("site.carbon", site.carbon or 0.0) / KWH,
        "embodied": devices * seconds * made,
    }


def _hour(system: System, site: Site, given: Mapping[str, Figure]) -> tuple[str, Figure | None]:
    """Dollars per device hour, and the path that says so."""
    price = system.device.price
    own = given.get("site.hour", site.hour)
    if own is not None:
        return "site.hour", own
    return "device.price.hour", given.get("device.price.hour", price.hour if price else None)


def _purchase(system: System, site: Site, given: Mapping[str, Figure]) -> tuple[str, Figure | None]:
    """Dollars for a device and its share of the node, and the path that says so."""
    price, node = system.device.price, system.node
    own = given.get("site.purchase", site.purchase)
    if own is not None:
        return "site.purchase", own
    whole = given.get("node.price", node.price)
    if whole is not None and "device.price.purchase" not in given:
        return "node.price", whole / node.devices
    bare = given.get("device.price.purchase", price.purchase if price else None)
    return "device.price.purchase", bare
