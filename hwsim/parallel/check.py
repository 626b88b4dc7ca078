"""Whether a plan suits a workload and a system; if not, the nearest one that does."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator

from hwsim.cost.offload import host_bandwidth
from hwsim.errors import InputError
from hwsim.graph.workload import MOST_SAMPLES, Workload
from hwsim.hardware.spec import System
from hwsim.parallel import schedule
from hwsim.parallel.plan import MOST_DEVICES, Plan, available

AXES = ("tp", "cp", "dp", "pp")
MOST_PASSES = 500_000  # of micro-batches, or parts of them, through chunks of stages


def check(plan: Plan, workload: Workload, system: System) -> None:
    """Raises InputError, naming what would do, if parts of the plan exclude each other, don't
    divide the batch, or ask for devices there are not."""
    for found in _contradictions(plan):
        raise found
    batch = scaled(workload, plan).batch
    divides("dp", plan.dp, batch, f"the global batch of {batch} samples", "another workload.batch")
    count = micro_batches(plan, batch // plan.dp)
    schedule.check(plan.schedule, plan.pp, count, plan.virtual)
    if plan.offload != "none":
        host_bandwidth(system)  # is stated
    there = available(system)
    if there is not None and plan.devices > there:
        raise InputError(
            "plan.dp" if plan.devices == plan.dp else "plan",
            f"found {plan.devices} devices, but {system.name} has {there}",
            f"write at most {there}, or describe more nodes and their network",
        )
    if plan.devices > MOST_DEVICES:
        raise InputError(
            "plan", f"found {plan.devices:,} devices", f"write at most {MOST_DEVICES:,}"
        )


def micro_batches(plan: Plan, share: int) -> int:
    """How many micro-batches a replica makes of its samples.

    Raises InputError if they don't divide them, or are too many to be simulated.
    """
    if plan.micro_batch is None:
        count = 1
    else:
        what = f"a replica's share of {share} samples"
        divides("micro_batch", plan.micro_batch, share, what, "another plan.dp")
        count = share // plan.micro_batch
    factors = {
        **{"micro_batch": count, "time_chunks": plan.time_chunks},
        **{"pp": plan.pp, "virtual": plan.virtual},
    }
    passes = math.prod(factors.values())
    if passes > MOST_PASSES:
        most = max(factors, key=lambda name: factors[name])
        raise InputError(
            f"plan.{most}",
            f"found {passes:,} passes of micro-batches and their time chunks through stages",
            f"write {'more' if most == 'micro_batch' else 'less'}: "
            f"at most {MOST_PASSES:,} are simulated",
        )
    return count


def scaled(workload: Workload, plan: Plan) -> Workload:
    """The workload with the global batch that the plan makes of its own.

    Raises InputError if that is more samples than a batch may have.
    """
    if plan.scaling == "strong" or plan.dp == 1:
        return workload
    batch = workload.batch * plan.dp
    if batch > MOST_SAMPLES:
        raise InputError(
            "plan.dp",
            f"found {plan.dp}, which makes a global batch of {batch:,} samples",
            f"write at most {MOST_SAMPLES // workload.batch}",
        )
    return workload.model_copy(update={"batch": batch})


def samples(plan: Plan, workload: Workload) -> int:
    """Samples of a replica in a step of a workload that is already `scaled`."""
    return workload.batch // plan.dp


def divisors(number: int) -> list[int]:
    """What divides `number` evenly, the least first; of large ones only what a degree may be, and
    what is left then.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    low = [d for d in range(1, min(math.isqrt(number), MOST_DEVICES) + 1) if number % d == 0]
    return sorted({*low, *(number // d for d in low)})


def nearest_divisors(number: int, value: int) -> list[int]:
    """What divides `number` next below `value`, which does not, and next above it.

    >>> nearest_divisors(12, 5), nearest_divisors(10**12, 3), nearest_divisors(12, 24)
    ([4, 6], [2, 4], [12])
    """
    found = [d for d in divisors(number) if d <= MOST_SAMPLES]
    place = bisect(found, value)
    return found[max(place - 1, 0) : place + 1]


def _contradictions(plan: Plan) -> Iterator[InputError]:
    if sorted(plan.placement) != sorted(AXES):
        what = f"found {', '.join(plan.placement)}"
        yield InputError("plan.placement", what, "write each of tp, cp, dp and pp once")
    replicas = plan.dp * plan.cp
    if replicas % plan.ep:
        near = " or ".join(map(str, nearest_divisors(replicas, plan.ep)))
        what = f"found {plan.ep}, which doesn't divide dp x cp = {replicas}"
        instead = f"write {near}" if replicas > 1 else "write 1, or plan.dp of 2 or more"
        yield InputError("plan.ep", what, instead)
    if plan.schedule == "interleaved" and plan.pp == 1:
        what = "found interleaved chunks on a single stage"
        yield InputError("plan.schedule", what, "write 1f1b, or plan.pp of 2 or more")


def divides(name: str, value: int, whole: int, what: str, other: str) -> None:
    """Raises InputError, naming the nearest divisors, if `plan.name` doesn't divide `whole`."""
    if whole % value == 0:
        return
    below, *above = nearest_divisors(whole, value)
    nearest = f"{below} or {above[0]}" if above else f"at most {below}"
    raise InputError(
        f"plan.{name}",
        f"found {value}, which doesn't divide {what}",
        f"write {nearest}, or {other}",
    )
