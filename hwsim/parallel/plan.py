"""The plan: how many devices share the work, and how. Checked against workload and system."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from hwsim.hardware.spec import System
from hwsim.units import Bytes

MOST_DEVICES = 10**7
Degree = Annotated[int, Field(strict=True, ge=1, le=MOST_DEVICES)]
Flag = Annotated[bool, Field(strict=True)]


class Plan(BaseModel):
    """Degrees of parallelism and how gradients travel; the default is one device.

    `dp`: data parallel, each device takes batch / dp samples. `bucket`: gradients are summed in
    groups of this many bytes, the first of `first_bucket` (25 MiB and 1 MiB are the defaults of
    PyTorch's DistributedDataParallel), while the backward pass goes on if `overlap`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dp: Degree = 1
    bucket: Bytes = 25 * 2.0**20
    first_bucket: Bytes = 2.0**20
    overlap: Flag = True

    @property
    def devices(self) -> int:
        return self.dp


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


def available(system: System) -> int | None:
    """Devices of a system; None if there are as many as asked for."""
    per_node = system.node.devices
    if system.nodes is not None:
        return per_node * system.nodes
    if not system.network:
        return per_node
    reach = [tier.nodes for tier in system.network]
    if any(nodes is None for nodes in reach):
        return None
    return per_node * max(nodes for nodes in reach if nodes is not None)
