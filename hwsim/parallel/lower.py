"""A staged step becomes streams of tasks: what the event simulation runs.

The devices of a symmetric plan that share a stage run equal programs, so one of them stands for
all. Where they differ (stragglers, slow links), every device has its own, and collectives begin
when the last of their members is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from hwsim.errors import InputError
from hwsim.parallel import traffic
from hwsim.parallel.device import Device, Tasks
from hwsim.parallel.pieces import Cut
from hwsim.parallel.program import COMPUTE, Link, Program, Stream, Task
from hwsim.parallel.quiet import alone
from hwsim.parallel.ranks import seats
from hwsim.parallel.staged import Staged

MOST_DEVICES = 4096  # simulated one by one
MOST_TASKS = 2_000_000


def lower(
    staged: Staged, *, everyone: bool = False, detail: bool = False, loaded: bool = False
) -> Program:
    """Streams of one step; `detail` has a task for every operator, which changes no time.

    With `loaded` all that moves bytes loads its links, else what has company there does: where one
    link may be slower than another, all have to.

    Raises InputError if `everyone` asks for more devices than are simulated one by one, and for
    more tasks than are simulated.
    """
    plan = staged.plan
    if everyone and plan.devices > MOST_DEVICES:
        raise InputError(
            "plan",
            f"found {plan.devices:,} devices to simulate one by one",
            f"write a plan of at most {MOST_DEVICES:,}, or let one device stand for equal ones",
        )
    cut = Cut(staged)
    found = seats(plan, everyone=everyone)
    streams: dict[Stream, Tasks] = {}
    quiet: dict[Link, float] = {}
    count = 0
    for seat in found:
        device = Device(cut, seat, everyone, detail, loaded)
        count += device.tasks
        if count > MOST_TASKS:
            raise InputError(
                "plan",
                f"found more than {MOST_TASKS:,} tasks in a step, too many to be simulated",
                "write larger micro-batches, or fewer devices that are unlike each other",
            )
        for kind, tasks in _streams(device).items():
            streams[Stream(seat.device, kind)] = tasks
        for link, seconds in alone(device).items():
            quiet[link] = quiet.get(link, 0.0) + seconds
    return Program(streams, len(found), 1 if everyone else plan.devices // plan.pp, quiet)


def _streams(device: Device) -> dict[str, Tasks]:
    """The queues of one device: its kernels, and each kind of traffic that it has."""
    plan = device.plan
    carried: dict[str, Callable[[Device], Iterator[Task]]] = {}
    if plan.pp > 1:
        carried |= {"forward": traffic.activations, "backward": traffic.gradients}
    if device.is_gathered:
        carried["gather"] = traffic.gathers
    if device.is_summed:
        carried["sum"] = traffic.sums
    for axis in device.exchanged:
        carried[axis] = partial(traffic.exchanges, axis=axis)
    if plan.offload == "activations":
        carried |= {"host.out": traffic.evicted, "host.in": traffic.fetched}
    found: dict[str, Tasks] = {COMPUTE: device.compute}
    return found | {kind: partial(tasks, device) for kind, tasks in carried.items()}
