"""Which devices are simulated, and with whom each of them speaks."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from hwsim.parallel.plan import Plan

ENDS = "ends"  # the first and the last stage: the only circle of different stages


class Circle(NamedTuple):
    """The devices that one collective of a device is over, as far as they are simulated."""

    name: tuple[str, ...] | tuple[object, ...]
    members: int


class Seat(NamedTuple):
    """A simulated device: its rank, its stage, and its coordinates on the other axes."""

    device: int
    stage: int
    tp: int
    cp: int
    dp: int

    def on(self, plan: Plan, stage: int) -> int:
        """The device with the same coordinates on another stage."""
        return self.device + (stage - self.stage) * plan.stride("pp")

    def circle(self, plan: Plan, axis: str) -> Circle:
        """Who shares a collective along an axis; "sum" is over the replicas of ordinary
        parameters, "expert sum" over those of experts, "ends" over the first and last stage."""
        if axis == ENDS:
            return Circle((axis, self.tp, self.cp, self.dp), 2)
        replica = self.replica(plan)
        everywhere = plan.dp * plan.cp
        key, members = {
            "tp": ((self.cp, self.dp), plan.tp),
            "cp": ((self.tp, self.dp), plan.cp),
            "ep": ((self.tp, replica // plan.ep), plan.ep),
            "sum": ((self.tp,), everywhere),
            "expert sum": ((self.tp, "experts", replica % plan.ep), everywhere // plan.ep),
        }[axis]
        return Circle((axis, self.stage, *key), members)

    def replica(self, plan: Plan) -> int:
        """The number among the dp x cp devices that hold the same share, the nearest first."""
        if plan.placement.index("cp") < plan.placement.index("dp"):
            return self.cp + plan.cp * self.dp
        return self.dp + plan.dp * self.cp


def seats(plan: Plan, *, everyone: bool) -> list[Seat]:
    """One device of each stage, or `everyone`.

    >>> [seat.device for seat in seats(Plan(tp=8, dp=4, pp=2), everyone=False)]
    [0, 32]
    """
    counts = (plan.tp, plan.cp, plan.dp) if everyone else (1, 1, 1)
    found = []
    for stage, tp, cp, dp in product(range(plan.pp), *(range(count) for count in counts)):
        at = {"pp": stage, "tp": tp, "cp": cp, "dp": dp}
        rank = sum(at[axis] * plan.stride(axis) for axis in plan.placement)
        found.append(Seat(rank, stage, tp, cp, dp))
    return found
