"""Whether a plan suits a workload and a system; if not, the nearest one that does."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hwsim.cost.offload import host_bandwidth
from hwsim.errors import InputError
from hwsim.graph.workload import MOST_SAMPLES, Workload
from hwsim.hardware.spec import System
from hwsim.parallel import schedule
from hwsim.parallel.plan import Plan, available

AXES = ("tp", "cp", "dp", "pp")
MOST_SLOTS = 100_000  # micro-batches times chunks of one stage


def check(plan: Plan, workload: Workload, system: System) -> None:
    """Raises InputError, naming what would do, if parts of the plan exclude each other, don't
    divide the batch, or ask for devices there are not."""
    for found in _contradictions(plan):
        raise found
    batch = scaled(workload, plan).batch
    divides("dp", plan.dp, batch, f"the global batch of {batch} samples", "another workload.batch")
    share = batch // plan.dp
    if plan.micro_batch is not None:
        what = f"a replica's share of {share} samples"
        divides("micro_batch", plan.micro_batch, share, what, "another plan.dp")
    count = share // (plan.micro_batch or share)
    schedule.check(plan.schedule, plan.pp, count, plan.virtual)
    if (slots := count * plan.virtual * plan.time_chunks) > MOST_SLOTS:
        raise InputError(
            "plan.micro_batch",
            f"found {slots:,} forward passes of each stage",
            f"write larger micro-batches or fewer chunks: at most {MOST_SLOTS:,} are simulated",
        )
    if plan.offload != "none":
        host_bandwidth(system)  # is stated
    there = available(system)
    if there is not None and plan.devices > there:
        raise InputError(
            "plan.dp" if plan.devices == plan.dp else "plan",
            f"found {plan.devices} devices, but {system.name} has {there}",
            f"write at most {there}, or describe more nodes and their network",
        )


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
    """What divides `number` evenly, the least first.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    low = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*low, *(number // d for d in low)})


def _contradictions(plan: Plan) -> Iterator[InputError]:
    if sorted(plan.placement) != sorted(AXES):
        what = f"found {', '.join(plan.placement)}"
        yield InputError("plan.placement", what, "write each of tp, cp, dp and pp once")
    replicas = plan.dp * plan.cp
    if replicas % plan.ep:
        near = ", ".join(map(str, divisors(replicas)))
        what = f"found {plan.ep}, which doesn't divide dp x cp = {replicas}"
        instead = f"write one of {near}" if replicas > 1 else "write 1, or plan.dp of 2 or more"
        yield InputError("plan.ep", what, instead)
    if plan.schedule == "interleaved" and plan.pp == 1:
        what = "found interleaved chunks on a single stage"
        yield InputError("plan.schedule", what, "write 1f1b, or plan.pp of 2 or more")


def divides(name: str, value: int, whole: int, what: str, other: str) -> None:
    """Raises InputError, naming the nearest divisors, if `plan.name` doesn't divide `whole`."""
    if whole % value == 0:
        return
    near = divisors(whole)
    below = max(d for d in near if d < value)
    above = [d for d in near if d > value]
    nearest = f"{below} or {above[0]}" if above else f"at most {below}"
    raise InputError(
        f"plan.{name}",
        f"found {value}, which doesn't divide {what}",
        f"write {nearest}, or {other}",
    )
