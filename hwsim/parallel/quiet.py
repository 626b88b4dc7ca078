"""Traffic that has a link to itself: no task of the simulation loads the link with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import product

from hwsim.parallel.device import Device
from hwsim.parallel.program import Link, Work
from hwsim.parallel.variant import said_in


def alone(device: Device) -> Mapping[Link, float]:
    """Seconds of each whole link of a device that its messages and exchanges take in a step,
    where they are part of other tasks or have no company."""
    found: dict[Link, float] = defaultdict(float)
    if device.loaded:
        return found
    for kind, chunk in product(device.kinds, range(device.staged.rounds)):
        message = device.message(kind, chunk)
        sent = [message[0]] if message else []
        for variant, times in device.variants(kind, chunk):
            if times and not variant.loaded:
                works = [device.own(said.work) for said, _ in said_in(variant)]
                _add(found, [*works, *sent], times)
    return found


def _add(found: dict[Link, float], works: Iterable[Work], times: int) -> None:
    for work in works:
        for link, load in work.loads:
            found[link] += times * load * (work.seconds - work.fixed)
