"""Bytes that a step needs on one device of each pipeline stage, by what they are for.

A layer's activations are held from its forward pass to its backward pass; how many micro-batches
of each chunk a stage holds at once is read off its schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hwsim.graph.dtypes import Dtype, stored_bytes
from hwsim.graph.step import MOMENTS, Optimizer, parameter_bytes, state_bytes
from hwsim.parallel.plan import Plan
from hwsim.parallel.schedule import Slot, order

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
    return tuple(
        _stage(
            chunks[stage :: plan.pp],
            stage,
            plan,
            dtype,
            optimizer,
            _slots(plan, stage, micro_batches, ring=ring),
        )
        for stage in range(plan.pp)
    )


def fullest(stages: Iterable[StageMemory]) -> StageMemory:
    """The stage that needs the most, with the most that any of them leaves to its host."""
    stages = tuple(stages)
    return max(stages, key=lambda one: one.bytes)._replace(host=max(one.host for one in stages))


Chunks = Sequence[Sequence[LayerMemory]]


def _slots(plan: Plan, stage: int, micro_batches: int, *, ring: bool) -> Iterator[Slot]:
    """What a stage does in order; in a ring its time steps are chunks of the same layers."""
    if ring:
        slots = order("interleaved", plan.pp, stage, micro_batches, plan.time_chunks)
        return (slot._replace(chunk=0) for slot in slots)
    if plan.schedule != "gpipe":
        micro_batches = min(micro_batches, STEADY * plan.pp)
    return order(plan.schedule, plan.pp, stage, micro_batches, plan.virtual, plan.time_chunks)


def _stage(
    chunks: Chunks,
    stage: int,
    plan: Plan,
    dtype: Dtype,
    optimizer: Optimizer,
    slots: Iterator[Slot],
) -> StageMemory:
    own = [layer for chunk in chunks for layer in chunk]
    held, waiting = _activations(chunks, slots, plan)
    master = parameter_bytes(dtype) - stored_bytes(dtype) if plan.master_weights else 0.0
    low = _elements(own, stage, plan, 3) * stored_bytes(dtype)
    copy = _elements(own, stage, plan, 1) * master
    moments = _elements(own, stage, plan, 1) * MOMENTS[optimizer] * state_bytes(dtype)
    if plan.offload == "optimizer":
        copy, moments, waiting = 0.0, 0.0, copy + moments
    buffers = _buffers(chunks, stage, plan, dtype)
    parts = {
        "parameters": low + copy,
        "gradients": _elements(own, stage, plan, 2) * state_bytes(dtype),
        "optimizer": moments,
        "activations": held,
        "communication": buffers,
        "fragmentation": FRAGMENTATION * (held + buffers),
    }
    return StageMemory(parts, waiting, stage)


def _elements(own: Sequence[LayerMemory], stage: int, plan: Plan, level: int) -> float:
    """Parameters of which one device holds something that ZeRO shards from stage `level` on.

    An output tied to the embedding is the embedding itself on the first stage; on another one it
    is a copy (Megatron-LM, Shoeybi et al. 2019).
    """
    dense = sum(layer.parameters - layer.experts + (layer.tied if stage else 0) for layer in own)
    experts = sum(layer.experts for layer in own)
    if plan.zero < level:
        return dense + experts
    replicas = plan.dp * plan.cp
    return (dense + experts * plan.ep) / replicas


def _activations(chunks: Chunks, slots: Iterable[Slot], plan: Plan) -> tuple[float, float]:
    """Bytes on the device, and in the host's memory.

    Those in flight by the schedule (Korthikanti et al. 2022, arXiv 2205.05198), and of one layer
    what is computed again. Offloaded ones leave two layers' behind: in use and on the way.
    """
    sizes = [sum(_kept(layer, plan) for layer in chunk) for chunk in chunks]
    alive = most_alive(slots, sizes, "W" if plan.schedule == "zero-bubble" else "B")
    layers = [layer for chunk in chunks for layer in chunk]
    again = max(layer.saved - _kept(layer, plan) for layer in layers)
    if plan.offload == "activations":
        return min(alive, 2 * max(_kept(layer, plan) for layer in layers)) + again, alive
    return alive + again, 0.0


def _kept(layer: LayerMemory, plan: Plan) -> float:
    if plan.recompute == "full":
        return layer.saved if layer.last else min(layer.input, layer.saved)
    return layer.saved - (layer.core if plan.recompute == "selective" else 0.0)


def most_alive(slots: Iterable[Slot], sizes: Sequence[float], last: str = "B") -> float:
    """Most bytes alive at once where a micro-batch of chunk c holds sizes[c], from its forward pass
    to its `last` slot: "W" where the weights' gradients are split off.

    >>> most_alive([Slot("F", 0, 0), Slot("F", 0, 1), Slot("B", 0, 0), Slot("B", 0, 1)], [3.0])
    6.0
    """
    alive = most = 0.0
    for slot in slots:
        if slot.kind == "F":
            alive += sizes[slot.chunk]
            most = max(most, alive)
        elif slot.kind == last:
            alive -= sizes[slot.chunk]
    return most


def _buffers(chunks: Chunks, stage: int, plan: Plan, dtype: Dtype) -> float:
    """Bytes in which others' data arrive or travel.

    PyTorch's DistributedDataParallel keeps a bucket for every gradient. Where ZeRO shards, two
    buckets do: one is filled while one travels; ZeRO-3 gathers the parameters of two layers (in
    use, and on the way) and has one layer's gradients whole. A pipeline receives a chunk's input
    and its output's gradient before they are wanted.
    """
    own = [layer for chunk in chunks for layer in chunk]
    size = max(layer.message for layer in own)
    if plan.pp > 1:
        size += max(chunk[0].input + chunk[-1].output for chunk in chunks)
    replicas = plan.dp * plan.cp
    if replicas == 1:
        return size
    if plan.ep == replicas:  # nobody else holds the same experts
        own = [one._replace(parameters=one.parameters - one.experts, experts=0.0) for one in own]
    if plan.zero == 3:
        largest = max(layer.parameters + (layer.tied if stage else 0) for layer in own)
        return size + largest * (2 * stored_bytes(dtype) + state_bytes(dtype))
    gradients = _elements(own, stage, plan, level=4) * state_bytes(dtype)
    return size + (min(2 * plan.bucket, gradients) if plan.zero else gradients)
