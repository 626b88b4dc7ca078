"""Whether a step fits into the memory there is; if not, the smallest change with which it would."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain, combinations, product
from typing import Any

import numpy as np

from hwsim.errors import DoesNotFit, InputError
from hwsim.hardware.spec import Device, System
from hwsim.parallel.check import divisors
from hwsim.parallel.memory import StageMemory
from hwsim.parallel.plan import MOST_DEVICES, Plan, available
from hwsim.units import bytes_text

# By how much tensor and pipeline parallelism may grow in an advice.
FACTORS = (2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64, 128)

NOTHING = (
    "no change of the plan fits, nor do two: write a smaller workload, or a device with more memory"
)

# Fields that an option of the command line sets.
SHORT = {
    **{name: f"--{name}" for name in ("dp", "tp", "pp", "zero", "recompute")},
    "micro_batch": "--micro-batch",
}
Change = dict[str, Any]
Needs = Callable[[Plan], StageMemory]


def capacity(device: Device) -> float:
    """Bytes that the device has: what its driver reports where that is known."""
    memory = device.memory
    room: float = memory.capacity if memory.reported is None else memory.reported
    return room


def fits(memory: StageMemory, plan: Plan, system: System) -> bool:
    """Whether the device has room, and its node's host for all devices of the node.

    A host whose memory is not stated has room.
    """
    return bool(room_for(memory.bytes, memory.host, plan.devices, system))


def room_for(size: Any, host: Any, devices: Any, system: System) -> Any:
    """`fits` for bytes on each of so many devices, and those that each leaves to its host."""
    room = system.node.host_memory
    here = size <= capacity(system.device)
    if room is None:
        return here
    return here & (host * np.minimum(devices, system.node.devices) <= room)


def does_not_fit(memory: StageMemory, plan: Plan, system: System, advice: str) -> DoesNotFit:
    """The error that tells bytes by part, and what would fit."""
    device, room = system.device, system.node.host_memory
    if memory.bytes <= capacity(device) and room is not None:
        devices = min(plan.devices, system.node.devices)
        return DoesNotFit(
            f"host memory of {system.name}",
            f"the step leaves {bytes_text(memory.host)} of each device to its host, which has "
            f"{bytes_text(room)} for {devices}",
            advice,
        )
    table = ", ".join(f"{name} {bytes_text(size)}" for name, size in memory.parts.items() if size)
    stage = f" of pipeline stage {memory.stage}" if plan.pp > 1 else ""
    return DoesNotFit(
        f"memory of {device.name}",
        f"the step needs {bytes_text(memory.bytes)} on each device{stage} ({table}), "
        f"which has {bytes_text(capacity(device))}",
        advice,
    )


def what_fits(
    plan: Plan, system: System, batch: int, needs: Needs, surely: Needs | None = None
) -> str:
    """The smallest change of the plan that fits, else two changes, else that there are none.

    `batch` is the workload's; `needs` tells a plan's memory quickly and raises InputError for one
    that the workload can't follow, and `surely` is asked before a change is told. The cheapest
    comes first: a smaller micro-batch, attention computed again, ZeRO, sequence parallelism, layers
    computed again, more of the devices that are there, offloading, devices that are not there.
    """
    kinds = [
        [_Tried(rank, change, plan, system, needs, surely or needs) for change in changes]
        for rank, changes in _kinds(plan, system, batch)
    ]
    singles = sorted(chain.from_iterable(kinds), key=lambda one: one.price)
    found = next((one for one in singles if one.fits), None) or next(_pairs(kinds), None)
    return found.told() if found else NOTHING


def _pairs(kinds: list[list[_Tried]]) -> Iterator[_Tried]:
    """Two changes of different kinds that fit together: those whose dearer one is the cheapest."""
    followed = [[one for one in kind if one.memory] for kind in kinds]
    pairs = combinations((kind for kind in followed if kind), 2)
    for kind, other in sorted(pairs, key=lambda pair: max(kind[0].price for kind in pair)):
        best = min(kind, key=_Tried.size).joined(min(other, key=_Tried.size))
        if best.memory is None or best.fits:
            yield from (pair for a, b in product(kind, other) if (pair := a.joined(b)).fits)


class _Tried:
    """A change of a plan, what memory it needs (None if the workload can't follow), if it fits."""

    def __init__(
        self, rank: int, change: Change, plan: Plan, system: System, needs: Needs, surely: Needs
    ) -> None:
        self.change, self.plan, self.system = change, plan, system
        self.needs, self.surely = needs, surely
        self.changed = plan.model_copy(update=change)
        self.price = (rank, self.changed.devices)

    @cached_property
    def memory(self) -> StageMemory | None:
        try:
            return self.needs(self.changed)
        except InputError:
            return None

    @property
    def fits(self) -> bool:
        if self.memory is None or not fits(self.memory, self.changed, self.system):
            return False
        try:
            return fits(self.surely(self.changed), self.changed, self.system)
        except InputError:
            return False

    def size(self) -> float:
        return self.memory.bytes if self.memory else math.inf

    def joined(self, other: _Tried) -> _Tried:
        change = self.change | other.change
        return _Tried(0, change, self.plan, self.system, self.needs, self.surely)

    def told(self) -> str:
        words = (
            f"{SHORT[name]} {value}" if name in SHORT else f"--set plan.{name}={str(value).lower()}"
            for name, value in self.change.items()
        )
        there = available(self.system)
        lacking = there is not None and self.changed.devices > there
        where = f" (on a larger system: {self.system.name} has {there})" if lacking else ""
        return f"{' '.join(words)} would fit{where}"


def _kinds(plan: Plan, system: System, batch: int) -> Iterator[tuple[int, list[Change]]]:
    """Changes of one kind each, the mildest first; kinds of one rank compete by devices."""
    share = batch if plan.scaling == "weak" else batch // plan.dp
    micro = plan.micro_batch or share
    yield 0, [{"micro_batch": size} for size in reversed(divisors(share)) if size < micro]
    yield 1, [{"recompute": "selective"}] if plan.recompute == "none" else []
    replicas = plan.dp * plan.cp
    yield 2, [{"zero": stage} for stage in range(plan.zero + 1, 4) if replicas > 1]
    yield 3, [{"sequence_parallel": True}] if plan.tp > 1 and not plan.sequence_parallel else []
    yield 4, [{"recompute": "full"}] if plan.recompute != "full" else []
    offload = ("optimizer", "activations") if plan.offload == "none" else ()
    yield 6, [{"offload": what} for what in offload]
    there = available(system) or MOST_DEVICES
    for axis, degrees in _wider(plan, system, batch).items():
        limit = there * getattr(plan, axis) // plan.devices
        yield 5, [{axis: degree} for degree in degrees if degree <= limit]
        yield 7, [{axis: degree} for degree in degrees if degree > limit]


def _wider(plan: Plan, system: System, batch: int) -> dict[str, list[int]]:
    """Larger degrees that are worth a try; tensor parallelism stays inside a node."""
    most = MOST_DEVICES * plan.dp // plan.devices
    wider = divisors(batch) if plan.scaling == "strong" else [plan.dp * k for k in FACTORS]
    return {
        "tp": [plan.tp * k for k in FACTORS if plan.tp * k <= system.node.devices],
        "pp": [plan.pp * k for k in FACTORS if plan.devices * k <= MOST_DEVICES],
        "dp": [dp for dp in wider if plan.dp < dp <= most],
    }
