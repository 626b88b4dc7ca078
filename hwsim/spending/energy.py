"""Joules of a step and of a training, by part."""

from __future__ import annotations

from collections.abc import Mapping

from hwsim.spending.power import SHARES, WAITING, Counts, Figure, Power, watts


def device_joules(parts: Mapping[str, Figure], power: Power) -> dict[str, Figure]:
    """Joules of one device by the parts of a step (s): each part's seconds x its watts.

    >>> power = Power(idle=100.0, limit=700.0, host=300.0, network=0.0, pue=1.1)
    >>> round(device_joules({"communication": 2.0}, power)["communication"], 6)
    560.0
    """
    return {
        name: seconds * watts(SHARES[name], power.idle, power.limit)
        for name, seconds in parts.items()
    }


def waiting_joules(seconds: Figure, power: Power) -> Figure:
    """Joules of one device that waits: for a start, or while a checkpoint is written."""
    return seconds * watts(WAITING, power.idle, power.limit)


def trained_joules(
    own: Mapping[str, Figure], step: Figure, seconds: Figure, waits: Figure, power: Power
) -> dict[str, Figure]:
    """Joules of one device over a training of `seconds`, of which it waits `waits`: all others are
    spent as those of a `step`, which takes `own` joules by part.

    >>> power = Power(idle=100.0, limit=700.0, host=300.0, network=0.0, pue=1.1)
    >>> trained_joules({"compute": 1400.0}, 2.0, 25.0, 5.0, power)
    {'compute': 14000.0, 'waiting': 680.0}
    """
    found = {name: joules * ((seconds - waits) / step) for name, joules in own.items()}
    return found | {"waiting": waiting_joules(waits, power)}


def whole(
    own: Mapping[str, Figure], seconds: Figure, power: Power, devices: int | Counts
) -> dict[str, Figure]:
    """Joules of a run by part: of its devices (`own`, of one), hosts, network and facility.

        (devices x (own + seconds x host)) x (1 + network) x pue

    >>> power = Power(idle=100.0, limit=700.0, host=300.0, network=0.1, pue=1.5)
    >>> {name: round(j, 6) for name, j in whole({"compute": 700.0}, 1.0, power, 8).items()}
    {'compute': 5600.0, 'host': 2400.0, 'network': 800.0, 'facility': 4400.0}
    """
    found = {name: devices * joules for name, joules in own.items()}
    found["host"] = devices * seconds * power.host
    found["network"] = power.network * sum(found.values())
    found["facility"] = (power.pue - 1.0) * sum(found.values())
    return found
