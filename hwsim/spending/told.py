"""What energy and cost take for granted, one line each."""

from __future__ import annotations

from collections.abc import Iterator

from hwsim.hardware.spec import System
from hwsim.site import YEAR, Site
from hwsim.spending.power import HOST, IDLE, NETWORK, NODE, Power
from hwsim.spending.price import NETWORK as WIRES
from hwsim.spending.price import Tariff
from hwsim.units import HOUR


def powers(system: System, site: Site, devices: int, power: Power | None) -> Iterator[str]:
    """What energy takes for granted, or why it is not known."""
    if power is None:
        name = system.device.name
        yield f"energy is not known: {name} states no limit (--set device.power.limit=300W)"
        return
    stated, node = system.device.power, system.node
    rest = "" if stated and stated.idle else f", at rest {IDLE:.0%} of it"
    yield f"devices draw shares of device.power.limit by what they do{rest}"
    if site.host is None:
        of = "node.power" if node.power else f"{NODE} x the limits of its devices"
        yield f"hosts draw {HOST:.0%} of {of}"
    if devices > node.devices and site.network_power is None:
        yield f"the network between nodes draws {NETWORK:.0%} of what they do (site.network_power)"
    if site.pue is None:
        yield "energy leaves out the facility around the machines (site.pue)"


def prices(
    system: System, site: Site, devices: int, tariff: Tariff | None, *, known: bool
) -> Iterator[str]:
    """What cost takes for granted, or why it is not known; whether the energy is `known`."""
    if tariff is None:
        yield "cost is not known: no price is (--set site.hour=2USD)"
        return
    price = system.device.price
    when = f", {price.date}" if price and price.date and "device" in tariff.path else ""
    hour = f"{tariff.second * HOUR:.3g} USD"
    if tariff.way == "rent":
        yield f"a device is rented for {hour} per hour ({tariff.path}{when})"
        return
    years = f"{site.utilization:.0%} of {site.lifetime / YEAR:.3g} years"
    yield f"what a device costs ({tariff.path}{when}) is spread over {years}: {hour} per hour"
    if devices > system.node.devices and site.network_price is None:
        yield f"the network between nodes adds {WIRES:.0%} to their price (site.network_price)"
    if tariff.joule is None or not known:
        yield "cost leaves out electricity (site.electricity)"
