"""Bytes that a step needs on one device of each pipeline stage, by what they are for.

A layer's activations are held from its forward pass to its backward pass; how many micro-batches
of each chunk a stage holds at once is read off its schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.graph.dtypes import Dtype, stored_bytes
from hwsim.graph.step import MOMENTS, Optimizer, parameter_bytes, state_bytes
from hwsim.parallel.plan import Plan, Schedule
from hwsim.parallel.schedule import in_flight, order

Counts = npt.NDArray[np.intp]

# What PyTorch's caching allocator can't use again at once, as a share of activations and buffers.
# Assumed; out-of-memory reports speak of 4.0 % (Megatron-LM issue 525) and 2.4 %
# (compressed-tensors pull request 587) of all that is allocated.
FRAGMENTATION = 0.06
STEADY = 4  # times as many micro-batches as stages; with more no schedule but gpipe holds more


class LayerMemory(NamedTuple):
    """What one device holds for one layer and one micro-batch (or one time chunk of it).

    `parameters` are elements, `experts` those of them that belong to experts, `tied` what it
    borrows from another layer; the rest are bytes. `saved` is kept for the backward pass, of which
    selective recomputation drops `core`; `input` and `output` come from and go to its neighbors;
    `message` is the largest that is received beside its operands. The `last` layer of the model is
    not computed again.
    """

    parameters: float
    saved: float
    input: float = 0.0
    output: float = 0.0
    core: float = 0.0
    message: float = 0.0
    experts: float = 0.0
    tied: float = 0.0
    last: bool = False


class StageMemory(NamedTuple):
    """Bytes by part on one device of a pipeline stage, and those that wait in its host's memory."""

    parts: dict[str, float]
    host: float = 0.0
    stage: int = 0

    @property
    def bytes(self) -> float:
        return sum(self.parts.values())


def footprint(
    layers: Sequence[LayerMemory],
    cuts: Sequence[tuple[int, int]],
    plan: Plan,
    dtype: Dtype,
    optimizer: Optimizer,
    micro_batches: int = 1,
    *,
    ring: bool = False,
) -> tuple[StageMemory, ...]:
    """Memory of every stage; the largest one is what must fit.

    `cuts` are (first, end) of the layers of each model chunk, of which stage s has those numbered
    s, s + pp, s + 2 pp, ...; in a `ring` they are those of every time step. Parameters are held in
    the workload's format (bf16 below 16 bits) and, below 32 bits, as an fp32 master copy; gradients
    and the optimizer's moments in fp32. Raises InputError where the schedule has no order for these
    numbers.
    """
    chunks = [tuple(layers[first:end]) for first, end in cuts]
    held = [
        _held(chunks[stage :: plan.pp], stage, plan, _alive(plan, stage, micro_batches, ring=ring))
        for stage in range(plan.pp)
    ]
    found, host = parts(Held(*np.array(held, dtype=float).T), how(plan), dtype, optimizer)
    waiting = np.broadcast_to(host, (plan.pp,)).tolist()
    columns = zip(
        *(np.broadcast_to(one, (plan.pp,)).tolist() for one in found.values()), strict=True
    )
    return tuple(
        StageMemory(dict(zip(found, sizes, strict=True)), waiting[stage], stage)
        for stage, sizes in enumerate(columns)
    )


def fullest(stages: Iterable[StageMemory]) -> StageMemory:
    """The stage that needs the most, with the most that any of them leaves to its host."""
    stages = tuple(stages)
    return max(stages, key=lambda one: one.bytes)._replace(host=max(one.host for one in stages))


Chunks = Sequence[Sequence[LayerMemory]]


class Held(NamedTuple):
    """What a device of a stage holds before anything is sharded: numbers, or arrays.

    Elements: `dense` parameters, those of its `experts`, and of the layer that has the most:
    `largest`, `largest_dense`. Bytes: `alive` in flight, `again` of the layer that is computed
    again, `kept` of the layer that keeps most, `message` the largest one with what a pipeline
    receives.
    """

    dense: Any
    experts: Any
    largest: Any
    largest_dense: Any
    alive: Any
    again: Any
    kept: Any
    message: Any


class How(NamedTuple):
    """What of a plan decides where the bytes are: numbers, or arrays."""

    zero: Any
    replicas: Any
    ep: Any
    bucket: Any
    master: Any
    optimizer_away: Any
    activations_away: Any


def how(plan: Plan) -> How:
    away = plan.offload == "optimizer", plan.offload == "activations"
    return How(plan.zero, plan.dp * plan.cp, plan.ep, plan.bucket, plan.master_weights, *away)


def parts(held: Held, how: How, dtype: Dtype, optimizer: Optimizer) -> tuple[dict[str, Any], Any]:
    """Bytes on a device by part, and in the host's memory.

    Activations in flight are by the schedule (Korthikanti et al. 2022, arXiv 2205.05198), and of
    one layer what is computed again. Offloaded ones leave two layers' behind: in use and on the
    way.
    """
    copy = np.where(how.master, parameter_bytes(dtype) - stored_bytes(dtype), 0.0)
    copy = _elements(held, how, 1) * copy
    moments = _elements(held, how, 1) * MOMENTS[optimizer] * state_bytes(dtype)
    activations = held.alive + held.again
    less = np.minimum(held.alive, 2 * held.kept) + held.again
    activations = np.where(how.activations_away, less, activations)
    waiting = np.where(how.activations_away, held.alive, 0.0)
    waiting = np.where(how.optimizer_away, copy + moments, waiting)
    copy, moments = (np.where(how.optimizer_away, 0.0, one) for one in (copy, moments))
    buffers = held.message + _buffers(held, how, dtype)
    return {
        "parameters": _elements(held, how, 3) * stored_bytes(dtype) + copy,
        "gradients": _elements(held, how, 2) * state_bytes(dtype),
        "optimizer": moments,
        "activations": activations,
        "communication": buffers,
        "fragmentation": FRAGMENTATION * (activations + buffers),
    }, waiting


def _elements(held: Held, how: How, level: int) -> Any:
    """Parameters of which one device holds something that ZeRO shards from stage `level` on."""
    shared = (held.dense + held.experts * how.ep) / how.replicas
    return np.where(how.zero < level, held.dense + held.experts, shared)


def _buffers(held: Held, how: How, dtype: Dtype) -> Any:
    """Bytes in which others' data arrive or travel.

    PyTorch's DistributedDataParallel keeps a bucket for every gradient. Where ZeRO shards, two
    buckets do: one is filled while one travels; ZeRO-3 gathers the parameters of two layers (in
    use, and on the way) and has one layer's gradients whole.
    """
    own = how.ep == how.replicas  # nobody else holds the same experts
    largest = np.where(own, held.largest_dense, held.largest)
    gradients = (held.dense + np.where(own, 0.0, held.experts)) * state_bytes(dtype)
    few = np.where(how.zero > 0, np.minimum(2 * how.bucket, gradients), gradients)
    whole = largest * (2 * stored_bytes(dtype) + state_bytes(dtype))
    return np.where(how.replicas == 1, 0.0, np.where(how.zero == 3, whole, few))


def _held(chunks: Chunks, stage: int, plan: Plan, alive: Counts) -> Held:
    """A stage's layers added up.

    An output tied to the embedding is the embedding itself on the first stage; on another one it
    is a copy (Megatron-LM, Shoeybi et al. 2019). A pipeline receives a chunk's input and its
    output's gradient before they are wanted.
    """
    own = [layer for chunk in chunks for layer in chunk]
    counted = [layer.parameters + (layer.tied if stage else 0) for layer in own]
    keep = [kept(layer, plan.recompute) for layer in own]
    message = max(layer.message for layer in own)
    if plan.pp > 1:
        message += max(chunk[0].input + chunk[-1].output for chunk in chunks)
    sizes = [sum(kept(layer, plan.recompute) for layer in chunk) for chunk in chunks]
    return Held(
        dense=sum(counted) - sum(layer.experts for layer in own),
        experts=sum(layer.experts for layer in own),
        largest=max(counted),
        largest_dense=max(count - layer.experts for count, layer in zip(counted, own, strict=True)),
        alive=float((alive @ np.array(sizes[: alive.shape[1]])).max()),
        again=max(layer.saved - less for layer, less in zip(own, keep, strict=True)),
        kept=max(keep),
        message=message,
    )


def kept(layer: LayerMemory, recompute: str) -> float:
    """Bytes that a layer keeps of a micro-batch."""
    if recompute == "full":
        return layer.saved if layer.last else min(layer.input, layer.saved)
    return layer.saved - (layer.core if recompute == "selective" else 0.0)


def _alive(plan: Plan, stage: int, micro_batches: int, *, ring: bool) -> Counts:
    """What may be alive on a stage at once; in a ring its time steps are chunks of one kind."""
    if ring:
        counts = alive("interleaved", plan.pp, stage, micro_batches, plan.time_chunks, 1)
        return np.asarray(counts.sum(axis=1, keepdims=True))
    cut = plan.virtual, plan.time_chunks
    return alive(plan.schedule, plan.pp, stage, micro_batches, *cut)


@lru_cache(maxsize=4096)
def alive(
    schedule: Schedule, stages: int, stage: int, micro_batches: int, virtual: int, time_chunks: int
) -> Counts:
    """How many micro-batches of each of a stage's chunks are alive at once, from their forward pass
    to that of their gradients (the weights', where these are split off): (moments, chunks), of
    which one holds the most bytes. Raises InputError where the schedule has no order.

    >>> alive("1f1b", 4, 0, 8, 1, 1)
    array([[4]])
    """
    if schedule != "gpipe":
        micro_batches = min(micro_batches, STEADY * stages)
    if virtual == 1:
        most = in_flight(schedule, stages, stage, micro_batches, 1, time_chunks)
        return np.array([[most]])
    slots = list(order(schedule, stages, stage, micro_batches, virtual, time_chunks))
    last = "W" if schedule == "zero-bubble" else "B"
    steps = np.zeros((len(slots), virtual), dtype=np.intp)
    steps[np.arange(len(slots)), [slot.chunk for slot in slots]] = [
        (slot.kind == "F") - (slot.kind == last) for slot in slots
    ]
    return np.unique(np.cumsum(steps, axis=0), axis=0)
