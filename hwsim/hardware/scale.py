"""Larger, faster or narrower devices of one family: rules that change all figures that go together.

`--set device.scale.multiprocessors=2x` and the like, on the file form of a system:

| rule | figures that follow |
|---|---|
| device.scale.multiprocessors | multiprocessors, all peaks and the power at rest |
| device.scale.clock | clocks, all peaks and the bandwidth of the cache |
| device.scale.memory_stacks | capacity and bandwidth of the memory |
| device.scale.caches | capacity of L2 and of shared memory |
| device.scale.precision=fp8 | a peak of that format, from the next wider one by the bits of both |
| node.scale.links | links, their bandwidth and pairs |
| node.scale.devices | devices, ports, host memory, power |

Power follows (`watts`), and the price of what no one sells is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hwsim import records
from hwsim.errors import InputError, near
from hwsim.hardware.figures import source_of
from hwsim.hardware.spec import ENGINES
from hwsim.units import BANDWIDTH, POWER

BITS = {"tf32": 32, "fp16": 16, "bf16": 16, "fp8": 8, "int8": 8, "fp4": 4}
JOULES_PER_BIT = {"HBM": 3.92e-12, "GDDR": 14e-12}
CLOCKS = ("base", "boost", "sustained")
FOLLOWS = (
    "assumed: what memory leaves of it follows multiprocessors and the cube of the clock; memory "
    "takes 3.92 pJ a bit (HBM) or 14 (GDDR), O'Connor et al. 2017, MICRO-50"
)


def watts(limit: float, memory: float, units: float, clock: float, stacks: float) -> float:
    """The power limit of a scaled device, whose memory takes `memory` W of the `limit` before.

        P = (limit - memory) units clock^3 + memory stacks

    Dynamic power is C V^2 f (Hennessy, Patterson: Computer Architecture, 1.5); that the voltage
    follows the clock is assumed.

    >>> watts(700.0, 105.0, units=2.0, clock=1.0, stacks=2.0)
    1400.0
    """
    return max(limit - memory, 0.0) * units * clock**3 + min(memory, limit) * stacks


def memory_watts(bandwidth: float, technology: str) -> float:
    """W of a memory that is read at its full bandwidth (B/s); 0 where its kind is not known.

    >>> round(memory_watts(3350e9, "HBM3"))
    105
    """
    each = (joules for kind, joules in JOULES_PER_BIT.items() if technology.startswith(kind))
    return 8.0 * bandwidth * next(each, 0.0)


def is_rule(path: str) -> bool:
    """Whether a path names a rule of this file."""
    return path.startswith(("device.scale", "node.scale"))


def apply(form: dict[str, Any], path: str, text: str) -> None:
    """Change the file form of a system by one rule.

    Raises InputError for a rule that does not exist, for what is no factor, and for a form that the
    rule can't change evenly.
    """
    owner, _, rest = path.partition(".")
    name = rest.removeprefix("scale").removeprefix(".")
    if path == "device.scale.precision":
        if _narrow(form["device"], text.strip(), path):
            _forget_prices(form)
        return
    rules = RULES[owner]
    if name not in rules:
        names = [*rules, *(["precision"] if owner == "device" else [])]
        raise InputError(f"--set {path}", f"found no rule '{name}'", near(name, names))
    rules[name](form, _factor(path, text), path)


def _factor(path: str, text: str) -> float:
    factor = records.factor_of(text if text.strip().endswith("x") else f"{text}x")
    if factor is None or not 1e-3 <= factor <= 1e3:
        raise InputError(f"--set {path}", f"found '{text}'", "write a factor such as 2x")
    return factor


def _multiprocessors(form: dict[str, Any], factor: float, path: str) -> None:
    device = form["device"]
    before = device.get("multiprocessors", 1)
    after = round(before * factor) if "multiprocessors" in device else factor
    if not after:
        raise InputError(f"--set {path}", f"found less than one of {before}", "write more")
    factor = after / before
    _times(device, "multiprocessors", factor, path)
    _scale_peaks(device, factor, path)
    _times(device, "power.idle", factor, path)
    _follow_with_power(form, units=factor)
    _forget_prices(form)


def _clock(form: dict[str, Any], factor: float, path: str) -> None:
    device = form["device"]
    engines = [f"operations_per_clock.{engine}.clock" for engine in ENGINES]
    for field in (*(f"clock.{name}" for name in CLOCKS), *engines, "caches.l2.bandwidth"):
        _times(device, field, factor, path)
    _scale_peaks(device, factor, path)
    _follow_with_power(form, clock=factor)
    _forget_prices(form)


def _memory_stacks(form: dict[str, Any], factor: float, path: str) -> None:
    _follow_with_power(form, stacks=factor)
    for field in ("capacity", "reported", "bandwidth"):
        _times(form["device"], f"memory.{field}", factor, path)
    _forget_prices(form)


def _caches(form: dict[str, Any], factor: float, path: str) -> None:
    for field in ("l2.capacity", "shared"):
        _times(form["device"], f"caches.{field}", factor, path)
    _forget_prices(form)


def _links(form: dict[str, Any], factor: float, path: str) -> None:
    node = form["node"]
    counts = [pair[2] for pair in node.get("pairs", [])]
    counts += [node["links_per_device"]] if "links_per_device" in node else []
    if any(count * factor != round(count * factor) for count in counts):
        what = f"found a part of a link: {counts[-1]} x {factor:g}"
        instead = f"write node.link.bandwidth={factor:g}x for faster ones"
        raise InputError(f"--set {path}", what, instead)
    if "link" not in node:
        raise InputError(f"--set {path}", "found a node without links", "write node.link.bandwidth")
    _times(form, "node.link.bandwidth", factor, path)
    _times(form, "node.links_per_device", factor, path)
    _times(form["device"], "link.bandwidth", factor, path)
    if "pairs" in node:
        node["pairs"] = [[a, b, round(count * factor)] for a, b, count in node["pairs"]]
    _forget_prices(form)


def _devices(form: dict[str, Any], factor: float, path: str) -> None:
    node = form["node"]
    if node.get("pairs"):
        what = f"found {node['devices']} devices joined by single links"
        instead = "write node.topology=switch and leave node.pairs out of the file"
        raise InputError(f"--set {path}", what, instead)
    before = node["devices"]
    after = round(before * factor)
    if not after:
        raise InputError(f"--set {path}", f"found less than one of {before}", "write more")
    factor = after / before
    for field in ("devices", "host_memory", "power", "price"):
        _times(form, f"node.{field}", factor, path)
    for number in range(len(form.get("network", []))):
        _times(form, f"network.{number}.ports", factor, path)


Rule = Callable[[dict[str, Any], float, str], None]
RULES: dict[str, dict[str, Rule]] = {
    "device": {
        **{"multiprocessors": _multiprocessors, "clock": _clock},
        **{"memory_stacks": _memory_stacks, "caches": _caches},
    },
    "node": {"links": _links, "devices": _devices},
}


def _narrow(device: dict[str, Any], dtype: str, path: str) -> bool:
    """A matrix peak of a format that the device lacks; False if it has one, which stays."""
    if dtype not in BITS:
        raise InputError(f"--set {path}", f"found '{dtype}'", near(dtype, list(BITS)))
    peaks = device.setdefault("matrix", {})
    if dtype in peaks:
        return False
    wider = [name for name in BITS if name in peaks and BITS[name] >= BITS[dtype]]
    if not wider:
        what = f"found no matrix peak of a wider format on {device.get('name')}"
        raise InputError(f"--set {path}", what, f"write device.matrix.{dtype}='100 TFLOPS'")
    source = min(wider, key=lambda name: (BITS[name], name == "int8"))
    factor = BITS[source] / BITS[dtype]
    why = f"assumed: {factor:g} x that of {source}, by the bits of both"
    peaks[dtype] = records.multiplied(peaks[source], factor)
    device.setdefault("sources", {})[f"matrix.{dtype}"] = why
    parts = device.get("operations_per_clock", {}).get("matrix", {})
    if source in parts:
        parts[dtype] = parts[source] * factor
        device["sources"][f"operations_per_clock.matrix.{dtype}"] = why
    return True


def _scale_peaks(device: dict[str, Any], factor: float, path: str) -> None:
    for engine in ENGINES:
        for dtype in device.get(engine, {}):
            _times(device, f"{engine}.{dtype}", factor, path)


def _times(owner: dict[str, Any], field: str, factor: float, path: str) -> None:
    """Multiply a figure where it is known, and say so in its source."""
    holder: Any = owner
    *above, last = field.split(".")
    for part in above:
        holder = holder[int(part)] if isinstance(holder, list) else holder.get(part, {})
    if last not in holder or factor == 1.0:
        return
    holder[last] = records.multiplied(holder[last], factor)
    sources = owner.setdefault("sources", {})
    sources[field] = f"{factor:g} x ({path}): {source_of(sources, field)}"


def _follow_with_power(form: dict[str, Any], **factors: float) -> None:
    """The limit of the device and, by as much for each device, that of its node."""
    device, node = form["device"], form["node"]
    if "power" not in device:
        return
    before = POWER.parse(device["power"]["limit"])
    memory = memory_watts(
        BANDWIDTH.parse(device["memory"]["bandwidth"]), device["memory"].get("technology", "")
    )
    after = watts(before, memory, **{"units": 1.0, "clock": 1.0, "stacks": 1.0, **factors})
    after = max(round(after, 1), 0.1)
    device["power"]["limit"] = POWER.format(after)
    device.setdefault("sources", {})["power.limit"] = FOLLOWS
    if "power" in node:
        whole = POWER.parse(node["power"]) + node["devices"] * (after - before)
        node["power"] = POWER.format(max(round(whole, 1), after))
        form.setdefault("sources", {})["node.power"] = FOLLOWS


def _forget_prices(form: dict[str, Any]) -> None:
    form["device"].pop("price", None)
    form["node"].pop("price", None)
