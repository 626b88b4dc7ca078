"""Whether a plan suits a workload and a system; if not, the nearest one that does."""

from __future__ import annotations

import math

from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from hwsim.hardware.spec import System
from hwsim.parallel.plan import Plan, available


def check(plan: Plan, workload: Workload, system: System) -> None:
    """Raises InputError if the plan doesn't divide the batch or asks for devices there are not."""
    batch = workload.batch
    if plan.dp > batch:
        raise InputError(
            "plan.dp",
            f"found {plan.dp}, but the global batch has {batch} samples",
            f"write at most {batch}, or a larger workload.batch",
        )
    if batch % plan.dp:
        near = divisors(batch)
        below = max(d for d in near if d < plan.dp)
        above = min(d for d in near if d > plan.dp)
        raise InputError(
            "plan.dp",
            f"found {plan.dp}, which doesn't divide the global batch of {batch}",
            f"write {below} or {above}, or another workload.batch",
        )
    there = available(system)
    if there is not None and plan.devices > there:
        raise InputError(
            "plan.dp",
            f"found {plan.devices} devices, but {system.name} has {there}",
            f"write at most {there}, or describe more nodes and their network",
        )


def divisors(number: int) -> list[int]:
    """What divides `number` evenly, the least first.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    low = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*low, *(number // d for d in low)})
