"""Certain lower bounds: of a step's seconds, and of the bytes that it needs.

A pipeline's streams do their tasks in a fixed order, and traffic that goes on at the same time
only slows them: what they take alone, in that order, is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hwsim.graph.dtypes import stored_bytes
from hwsim.graph.step import MOMENTS, StepGraph, parameter_bytes, state_bytes
from hwsim.parallel import memory
from hwsim.parallel.memory import FRAGMENTATION, LayerMemory
from hwsim.parallel.pieces import Cut, Pieces
from hwsim.parallel.plan import Plan
from hwsim.parallel.priced import PricedLayer, total
from hwsim.parallel.program import Work
from hwsim.parallel.staged import Staged

Floats = npt.NDArray[np.float64]
LEAST = 0.5  # of a device's compute has to be left for `_slowed` to hold
SURE = 1 - 1e-9  # rounding


def layers_seconds(layers: Sequence[PricedLayer], slots: int, pp: int, schedule: str) -> float:
    """Seconds of a step in which `slots` micro-batches pass through layers that are cut anyhow.

        T >= m t / p                            for t seconds of all layers in p stages
        T >= t / (1 - (1 - 1 / m)^p)            1f1b, gpipe

    In the second stage s begins after the stages before it, which end after it, so that
    T >= x_0 + ... + x_(s-1) + m x_s for stages of x seconds.

    >>> from hwsim.parallel.priced import Pass, PricedOp, Seconds
    >>> way = Pass(Seconds(compute=1.0))
    >>> layer = PricedLayer("one", (PricedOp("op", way, way, way, None, 0, 0),), 0, 0, 0, 0)
    >>> [layers_seconds([layer] * 4, m, 2, "1f1b") for m in (1, 2)]
    [12.0, 16.0]
    """
    seconds = sum(layer.seconds for layer in layers)
    if schedule in ("1f1b", "gpipe"):
        return float(seconds / (1.0 - (1.0 - 1.0 / slots) ** pp)) * SURE
    return seconds * slots / pp * SURE


def pipeline_seconds(step: Staged) -> tuple[float, Floats, Floats]:
    """The step without updates and what devices sum; of each stage the seconds until its last
    backward pass has ended, and those of its passes.

    Stage s waits for the forward passes of the chunks before its first one, then does its own, and
    what it sends back last goes through the stages before it. Gradients of weights that are put
    off (zero-bubble) come after it on min(s, m) micro-batches.
    """
    plan, slots = step.plan, step.slots
    forward, inputs, weights = (
        np.array([total(getattr(layer, way) for layer in chunk).total for chunk in step.chunks])
        for way in ("forward", "inputs", "weights")
    )
    if step.ring:
        own = np.full(plan.pp, slots * step.rounds * (forward + inputs + weights).min())
        return float(own.max()), own, own
    hops = np.array([work.seconds for work in step.hops])
    shape = (len(step.chunks) // plan.pp, plan.pp)
    own = slots * (forward + inputs + weights).reshape(shape).sum(axis=0)
    apart = step.kind == "zero-bubble"
    back = inputs if apart else inputs + weights
    first = plan.pp - 1
    before = np.concatenate([[0.0], np.cumsum(forward[:first] + hops[:first])])
    behind = np.concatenate([[0.0], np.cumsum(back[:first] + hops[:first])])
    late = np.minimum(np.arange(plan.pp), slots) * weights[: plan.pp] if apart else 0.0
    ends = before + own
    return float(np.max(ends - late + behind)), ends, own


def step_seconds(step: Staged, pipeline: tuple[float, Floats, Floats]) -> float:
    """A step under its plan: `pipeline_seconds` of its stages and what the plan adds to them.

    Sums of the last piece of a backward pass are exposed, and a stream carries its traffic one
    after the other.
    """
    cut, plan = Cut(step), step.plan
    through, ends, own = pipeline
    longest = 0.0
    for stage in range(plan.pp):
        update = step.update(stage).seconds
        after = sum(work.seconds for _, work in (*cut.late(stage), *cut.after_update(stage)))
        computed = max(float(ends[stage]), through if stage == 0 else 0.0)
        if cut.sums and not step.ring:
            computed = max(computed, _shared(cut, stage, float(own[stage]), computed))
        longest = max(longest, computed + after + update)
    return longest * SURE


def _shared(cut: Cut, stage: int, own: float, computed: float) -> float:
    """Until a stage's gradients are summed."""
    step = cut.staged
    plan = step.plan
    kind = "W" if plan.schedule == "zero-bubble" else "BW"
    summed = [cut.summing(chunk, kind) for chunk in step.on(stage)]
    last = sum(work.seconds for _, work in summed[0][-1].sums)
    if plan.zero < 2:
        return computed + last
    sums = _works(summed, "sums")
    gathers: list[Work] = []
    if plan.zero == 3:
        again = [cut.gathering(chunk, "F") for chunk in step.on(stage)]
        again += [cut.summing(chunk, "B") for chunk in step.on(stage)] if kind == "W" else summed
        gathers = _works(again, "gathers")
    exchanged = sum(
        sum(getattr(layer, way).communication for way in ("forward", "inputs", "weights"))
        for chunk in step.on(stage)
        for layer in chunk
    )
    streams = [step.slots * sum(work.seconds for work in works) for works in (sums, gathers)]
    taken = [min((work.taken for work in works), default=0.0) for works in (sums, gathers)]
    slowed = 0.0
    if sum(taken) <= LEAST:
        idle = step.slots * exchanged + computed - own
        slowed = sum(
            share * max(seconds - idle, 0.0)
            for share, seconds in zip(taken, streams, strict=True)
        )
    return max(computed + max(slowed, last), *streams)


def _works(found: Sequence[Pieces], name: str) -> list[Work]:
    return [work for pieces in found for piece in pieces for _, work in getattr(piece, name)]


class Floor:
    """Least bytes of a step's fullest stage, wherever its layers are cut: no stage's mean is more.

    Parameters, gradients and moments are divided among the stages, and each keeps at least one
    micro-batch's activations (gpipe: all, zero-bubble: as many as stages).
    """

    def __init__(self, layers: Sequence[LayerMemory], graph: StepGraph) -> None:
        self.graph = graph
        whole = LayerMemory(
            parameters=sum(layer.parameters for layer in layers),
            saved=0.0,
            experts=sum(layer.experts for layer in layers),
        )
        self.whole, self.layers = whole, layers
        self._kept: dict[str, float] = {}

    def kept(self, plan: Plan) -> float:
        """Bytes of all layers that one micro-batch leaves."""
        if plan.recompute not in self._kept:
            kept = sum(memory._kept(layer, plan) for layer in self.layers)
            self._kept[plan.recompute] = kept
        return self._kept[plan.recompute]

    def state(self, plan: Plan) -> float:
        """Bytes of all stages that stay from step to step, and of their gradients."""
        dtype = self.graph.dtype
        held = {level: memory._elements([self.whole], 0, plan, level) for level in (1, 2, 3)}
        master = parameter_bytes(dtype) - stored_bytes(dtype) if plan.master_weights else 0.0
        moments = MOMENTS[self.graph.optimizer] * state_bytes(dtype)
        found = held[3] * stored_bytes(dtype) + held[2] * state_bytes(dtype)
        if plan.offload != "optimizer":
            found += held[1] * (master + moments)
        if plan.zero == 0 and plan.ep < plan.dp * plan.cp:
            found += (1 + FRAGMENTATION) * held[1] * state_bytes(dtype)
        return found


def stage_bytes(state: Floats, kept: Floats, alive: Floats, pp: int) -> Floats:
    """Bytes of the fullest stage, arrays over plans: `alive` micro-batches on each at least."""
    return (state + (1 + FRAGMENTATION) * alive * kept) / pp * SURE
