"""Certain lower bounds: of a step's seconds, and of the bytes that it needs.

A pipeline's streams do their tasks in a fixed order, and traffic that goes on at the same time
only slows them: what they take alone, in that order, is a lower bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.cost.offload import host_bandwidth
from hwsim.graph.step import StepGraph
from hwsim.parallel import memory
from hwsim.parallel.memory import Held, How, LayerMemory
from hwsim.parallel.pieces import Cut
from hwsim.parallel.priced import PricedLayer, Seconds, total
from hwsim.parallel.staged import Staged

Floats = npt.NDArray[np.float64]
MOST_TAKEN = 0.5  # of a device's compute: with more of it kernels keep a least pace
SURE = 1 - 1e-9  # rounding


class Pipeline(NamedTuple):
    """Seconds until stage 0 has its last gradients (`through` all stages), until each stage has its
    own at the earliest (`ends`), those of each stage's passes (`own`), and of all layers once
    (`busy`)."""

    through: float
    ends: Floats
    own: Floats
    busy: Seconds


def cut_seconds(seconds: float, slots: int, pp: int, schedule: str) -> float:
    """Seconds of a step in which `slots` micro-batches pass through layers that are cut anyhow.

        T >= m t / p                            for t seconds of all layers in p stages
        T >= t / (1 - (1 - 1 / m)^p)            1f1b, gpipe

    In the second stage s begins after the stages before it, which end after it, so that
    T >= x_0 + ... + x_(s-1) + m x_s for stages of x seconds.

    >>> [round(cut_seconds(12.0, m, 2, "1f1b"), 6) for m in (1, 2)]
    [12.0, 16.0]
    """
    if schedule in ("1f1b", "gpipe"):
        return float(seconds / (1.0 - (1.0 - 1.0 / slots) ** pp)) * SURE
    return seconds * slots / pp * SURE


def pipeline_seconds(step: Staged) -> Pipeline:
    """A step without updates and what devices sum.

    Stage s waits for the forward passes of the chunks before its first one, then does its own, and
    what it sends back last goes through the stages before it. Gradients of weights that are put
    off (zero-bubble) come after it on min(s + 1, m) micro-batches.
    """
    plan, slots = step.plan, step.slots
    columns = [
        [total(getattr(layer, way) for layer in chunk) for chunk in step.chunks]
        for way in ("forward", "inputs", "weights")
    ]
    busy = total(one for column in columns for one in column)
    forward, inputs, weights = (np.array([one.total for one in column]) for column in columns)
    if step.ring:
        own = np.full(plan.pp, slots * step.rounds * (forward + inputs + weights).min())
        return Pipeline(float(own.max()) * SURE, own, own, busy)
    hops = np.array([work.seconds for work in step.hops])
    shape = (len(step.chunks) // plan.pp, plan.pp)
    own = slots * (forward + inputs + weights).reshape(shape).sum(axis=0)
    apart = step.kind == "zero-bubble"
    back = inputs if apart else inputs + weights
    first = plan.pp - 1
    before = np.concatenate([[0.0], np.cumsum(forward[:first] + hops[:first])])
    behind = np.concatenate([[0.0], np.cumsum(back[:first] + hops[:first])])
    late = np.zeros(plan.pp)
    if apart:  # behind a stage's last B, but for the first stage's own, which ends it all
        late = np.minimum(np.arange(1, plan.pp + 1) * step.times, slots) * weights
        late = late - late[0]
        late[0] = 0.0
    ends = before + own
    ends[0] = through = float(np.max(ends - late + behind))
    return Pipeline(through * SURE, ends, own, busy)


def step_seconds(step: Staged, summed: Sequence[float]) -> float:
    """A step whose stages have their gradients after `summed` seconds: they are updated then."""
    found = [
        max(there, copied_seconds(step, stage)) + step.update(stage).seconds
        for stage, there in enumerate(summed)
    ]
    return max(found) * SURE


def copied_seconds(step: Staged, stage: int) -> float:
    """Until a stage's activations have been in the host's memory and are back.

    On a single stage a micro-batch's last layer comes back first, and that can't begin before it
    is away, behind all others: then the others come back, and its backward passes begin. Gradients
    of weights that are put off come behind those of inputs.
    """
    plan = step.plan
    if plan.offload != "activations":
        return 0.0
    layers = [layer for chunk in step.on(stage) for layer in chunk]
    once = sum(layer.saved for layer in layers) / host_bandwidth(step.system)
    if plan.pp > 1 or plan.time_chunks > 1:
        return step.slots * once
    weights = sum(layer.weights.total for layer in layers)
    late = weights if step.kind == "zero-bubble" else 0.0
    back = sum(layer.inputs.total for layer in layers) + weights
    return step.slots * (once + max(once + late, back))


def summed_seconds(step: Staged, pipeline: Pipeline) -> list[float]:
    """Until the stages have summed their gradients and said all else that the plan makes them say.

    Sums of the last piece of a backward pass are exposed, and a stream carries its traffic one
    after the other.
    """
    cut = Cut(step)
    found = []
    for stage, (end, own) in enumerate(zip(pipeline.ends, pipeline.own, strict=True)):
        after = sum(work.seconds for _, work in (*cut.late(stage), *cut.after_update(stage)))
        there = _shared(cut, stage, float(own), float(end)) if cut.sums else float(end)
        found.append(there + after)
    return found


def _shared(cut: Cut, stage: int, own: float, computed: float) -> float:
    """Until a stage's gradients are summed.

    Traffic of every micro-batch either goes on while kernels wait, or takes its share of them.
    """
    step = cut.staged
    plan = step.plan
    if step.ring:
        return computed
    kind = "W" if plan.schedule == "zero-bubble" else "BW"
    chunks = step.on(stage)
    if plan.zero < 2:
        return computed + sum(work.seconds for _, work in cut.summing(chunks[0], kind)[-1].sums)
    sums = _total(cut, chunks[0], kind, "sums")
    found = max(always_seconds(step, chunks, own, computed), computed + sums.last)
    if len(chunks) > 1:
        return found
    # Nothing of the last micro-batch is summed before its pass begins.
    ways = ("weights",) if kind == "W" else ("inputs", "weights")
    behind = total(getattr(layer, way) for layer in chunks[0] for way in ways).total
    return max(found, own - behind + sums.seconds)


def always_seconds(
    step: Staged,
    chunks: Sequence[Sequence[PricedLayer]],
    own: float,
    computed: float,
    ways: int = 1,
) -> float:
    """Until a stage of `chunks` has computed and summed, if every micro-batch sums (ZeRO 2 and 3),
    or the mean of stages of which `ways` have the chunks together.

    Its kernels take `own` seconds, and it is idle in all others of `computed`. What its streams
    carry goes on while kernels are idle or exchange, or takes its share of them; each stream
    carries one thing after the other.
    """
    cut, plan = Cut(step), step.plan
    kind = "W" if plan.schedule == "zero-bubble" else "BW"
    sums = [_total(cut, chunk, kind, "sums") for chunk in chunks]
    gathers = [_NONE]
    if plan.zero == 3:
        kinds = ("F", "B") if kind == "W" else ("F", kind)
        gathers = [_total(cut, chunk, way, "gathers") for chunk in chunks for way in kinds]
    exchanged = sum(
        getattr(layer, way).communication
        for chunk in chunks
        for layer in chunk
        for way in ("forward", "inputs", "weights")
    )
    share = step.slots / ways
    streams = [share * sum(one.seconds for one in some) for some in (sums, gathers)]
    taken = [min(one.taken for one in some) for some in (sums, gathers)]
    slowed = 0.0
    if sum(taken) <= MOST_TAKEN:
        idle = share * exchanged + computed - own
        slowed = sum(
            some * max(seconds - idle, 0.0) for some, seconds in zip(taken, streams, strict=True)
        )
    return max(computed + slowed, *streams)


class _Traffic(NamedTuple):
    """Seconds of all that a pass sums or gathers and of its last piece's; the least share of the
    device's compute that it takes."""

    seconds: float = 0.0
    last: float = 0.0
    taken: float = 0.0


_NONE = _Traffic()


def _total(cut: Cut, chunk: Sequence[PricedLayer], kind: str, name: str) -> _Traffic:
    """Of a pass through a chunk; with parameters sharded each layer is one piece."""
    if cut.staged.plan.zero == 3:
        times = Counter(map(id, chunk))
        unlike = {id(layer): layer for layer in chunk}
    else:
        times, unlike = Counter([0]), {0: chunk[0]}
    found = []
    for key, layer in unlike.items():
        layers = (layer,) if cut.staged.plan.zero == 3 else chunk
        pieces = cut.gathering(layers, kind) if kind == "F" else cut.summing(layers, kind)
        works = [work for piece in pieces for _, work in getattr(piece, name)]
        found += [(times[key], work) for work in works]
        if layer is chunk[0]:
            last = sum(work.seconds for _, work in getattr(pieces[-1], name))
    seconds = sum(number * work.seconds for number, work in found)
    return _Traffic(seconds, last, min((work.taken for _, work in found), default=0.0))


def least_bytes(
    layers: Sequence[LayerMemory], alive: Floats, how: How, graph: StepGraph, pp: int
) -> Floats:
    """Bytes of a step's fullest stage at least, wherever its layers are cut: no less than the mean.

    Arrays over plans: `alive` bytes of activations in all stages; in `how` the buckets count as
    empty, and activations that wait in the host's memory as nothing.
    """
    experts = sum(layer.experts for layer in layers)
    dense = sum(layer.parameters for layer in layers) - experts
    mean = Held(dense / pp, experts / pp, 0.0, 0.0, alive / pp, 0.0, 0.0, 0.0)
    parts, _ = memory.parts(mean, how._replace(bucket=0.0), graph.dtype, graph.optimizer)
    return np.asarray(sum(parts.values())) * SURE
