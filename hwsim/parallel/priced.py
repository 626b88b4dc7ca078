"""Layers with the seconds of their operators: what the lowering and the closed forms share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hwsim.cost.pick import is_array
from hwsim.cost.roofline import BOUNDS
from hwsim.parallel.exchange import Exchange
from hwsim.parallel.program import Work


class Seconds(NamedTuple):
    """Time by what bounds it; `doubt` is the sum of seconds times their spread. Each may be an
    array over hardware points."""

    compute: float = 0.0
    memory: float = 0.0
    launch: float = 0.0
    communication: float = 0.0
    doubt: float = 0.0

    @property
    def total(self) -> float:
        return self.compute + self.memory + self.launch + self.communication

    @property
    def spread(self) -> Any:
        """Standard deviation of the logarithm of the time."""
        total: Any = self.total
        if is_array(total):
            doubt, total = np.broadcast_arrays(self.doubt, total)
            return np.divide(doubt, total, out=np.zeros(total.shape), where=total > 0)
        return self.doubt / total if total else 0.0

    def work(self) -> Work:
        """The same as what the simulation runs."""
        parts = tuple(
            (name, seconds)
            for name, seconds in zip((*BOUNDS, "communication"), self, strict=False)
            if seconds
        )
        return Work(self.total, parts, spread=self.spread)


NOTHING = Seconds()


def total(found: Iterable[Seconds]) -> Seconds:
    """The sum of several.

    >>> total([Seconds(compute=1.0), Seconds(memory=2.0, doubt=0.5)]).total
    3.0
    """
    every = iter(found)
    compute, memory, launch, communication, doubt = next(every, NOTHING)
    for one in every:
        compute = compute + one[0]
        memory = memory + one[1]
        launch = launch + one[2]
        communication = communication + one[3]
        doubt = doubt + one[4]
    return Seconds(compute, memory, launch, communication, doubt)


class Said(NamedTuple):
    """An exchange and what it takes: `work` alone, `seen` the seconds that computing waits."""

    exchange: Exchange
    work: Work
    seen: Seconds


@dataclass(frozen=True)
class Pass:
    """One way of an operator: what it computes, then what it says; `issue` are the host's seconds
    for its kernels, where the host runs ahead."""

    computed: Seconds = NOTHING
    said: tuple[Said, ...] = ()
    issue: float = 0.0

    @cached_property
    def seconds(self) -> Seconds:
        return total([self.computed, *(one.seen for one in self.said)])

    @cached_property
    def work(self) -> Work:
        """What it computes, as a task of its own."""
        return self.computed.work()

    def later(self, wait: float) -> Pass:
        """The same, so many seconds of launch longer."""
        computed = self.computed._replace(launch=self.computed.launch + wait)
        return replace(self, computed=computed)


@dataclass(frozen=True)
class PricedOp:
    """`inputs` and `weights` are the halves of the backward pass; `again` is what recomputation
    adds in front of it. `gradients`, `expert_gradients`: parameters whose gradients are summed."""

    name: str
    forward: Pass
    inputs: Pass
    weights: Pass
    again: Pass | None
    gradients: float
    expert_gradients: float


@dataclass(frozen=True)
class PricedLayer:
    """One layer on one device. `sent` bytes go on to the next stage; `saved` bytes stay for the
    backward pass; `replicated` of the parameters are whole on every tensor neighbor, `tied` are
    those of a matrix that an earlier layer owns."""

    name: str
    ops: tuple[PricedOp, ...]
    sent: float
    saved: float
    replicated: float
    tied: float

    @cached_property
    def forward(self) -> Seconds:
        return total(op.forward.seconds for op in self.ops)

    @cached_property
    def inputs(self) -> Seconds:
        """Backward without the weights' gradients, what is recomputed included."""
        again = [op.again.seconds for op in self.ops if op.again is not None]
        return total([*again, *(op.inputs.seconds for op in self.ops)])

    @cached_property
    def weights(self) -> Seconds:
        return total(op.weights.seconds for op in self.ops)

    @cached_property
    def seconds(self) -> float:
        return self.forward.total + self.inputs.total + self.weights.total

    @cached_property
    def gradients(self) -> float:
        """Parameters of this device but the experts'."""
        return sum(op.gradients for op in self.ops)

    @cached_property
    def expert_gradients(self) -> float:
        return sum(op.expert_gradients for op in self.ops)
