"""Traffic that has a link to itself: no task of the simulation loads the link with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from hwsim.parallel.device import Device, said_in
from hwsim.parallel.program import Link, Work


def alone(device: Device) -> Mapping[Link, float]:
    """Seconds of each whole link of a device that its messages and exchanges take in a step,
    where they are part of other tasks or have no company."""
    found: dict[Link, float] = defaultdict(float)
    if device.loaded:
        return found
    for kind, chunk, variant, times in device.census():
        if not variant.loaded:
            message = device.message(kind, chunk)
            works = [device.own(said.work) for said, _ in said_in(variant)]
            _add(found, [*works, *([message[0]] if message else [])], times)
    return found


def _add(found: dict[Link, float], works: Iterable[Work], times: int) -> None:
    for work in works:
        for link, load in work.loads:
            found[link] += times * load * (work.seconds - work.fixed)
