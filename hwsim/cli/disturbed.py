"""Options that say how a real machine differs from a plan: jitter, stragglers, slow links."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hwsim.errors import InputError
from hwsim.parallel.plan import Plan
from hwsim.parallel.program import Link
from hwsim.simulate.disturbance import Disturbance

LINKS = ("node", "network", "host", "host out", "host in")
MOST_JITTER, MOST_FACTOR, MOST_SEED = 1.0, 1e6, 2**63 - 1


def disturbance(
    plan: Plan,
    jitter: float | None,
    stragglers: Sequence[str],
    slow_links: Sequence[str],
    seed: int | None,
) -> Disturbance | None:
    """None where nothing was asked for. Raises InputError for a device that the plan has not, and
    for a figure out of range."""
    if jitter is not None and not 0 <= jitter <= MOST_JITTER:
        raise InputError("--jitter", f"found {jitter:g}", f"write 0 to {MOST_JITTER:g}, like 0.03")
    if seed is not None and not 0 <= seed <= MOST_SEED:
        raise InputError("--seed", f"found {seed}", "write a whole number from 0")
    factors = _by_device("--straggler", stragglers, MOST_FACTOR, plan)
    shares = _by_device("--slow-link", slow_links, 1.0, plan)
    if not (jitter or factors or shares):
        return None
    links = {Link(device, kind): share for device, share in shares.items() for kind in LINKS}
    return Disturbance(jitter or 0.0, factors, links, seed or 0)


def _by_device(option: str, texts: Sequence[str], most: float, plan: Plan) -> dict[int, float]:
    """`["3=1.5"]` as {3: 1.5}."""
    found: dict[int, float] = {}
    for text in texts:
        device, _, figure = text.partition("=")
        if not (device.isdecimal() and device.isascii()) or len(device) > len(str(plan.devices)):
            raise InputError(option, f"found '{text}'", _form(plan, most))
        try:
            number, value = int(device), float(figure)
        except ValueError:
            raise InputError(option, f"found '{text}'", _form(plan, most)) from None
        if number >= plan.devices or not 0 < value <= most or not math.isfinite(value):
            raise InputError(option, f"found '{text}'", _form(plan, most))
        if number in found:
            raise InputError(option, f"found device {number} twice", "write it once")
        found[number] = value
    return found


def _form(plan: Plan, most: float) -> str:
    last = plan.devices - 1
    devices = f"0 to {last}" if last else "0, the only one"
    return f"write DEVICE=NUMBER with a device from {devices}, and a number above 0, up to {most:g}"
