"""What memory a plan of a workload needs: its layers split, cut into stages, and added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwsim.graph.dtypes import Dtype, stored_bytes
from hwsim.graph.ops import Linear
from hwsim.graph.workload import Workload
from hwsim.parallel.check import micro_batches, samples
from hwsim.parallel.memory import LayerMemory, StageMemory, footprint, fullest
from hwsim.parallel.plan import Plan
from hwsim.parallel.split import SplitLayer, split
from hwsim.parallel.stages import check, numbers, partition

Cuts = Sequence[tuple[int, int]]


def needed(workload: Workload, plan: Plan, cuts: Cuts | None = None) -> StageMemory:
    """The fullest of a plan's `stages_needed`."""
    return fullest(stages_needed(workload, plan, cuts))


def stages_needed(
    workload: Workload, plan: Plan, cuts: Cuts | None = None
) -> tuple[StageMemory, ...]:
    """Each stage of a plan of a workload that is already scaled to it.

    `cuts` are (first, end) of the layers of each model chunk; None cuts by their matrix FLOPs, or
    as `balance` "layers" does. Raises InputError for a plan that the workload can't follow.
    """
    share = samples(plan, workload)
    count = micro_batches(plan, share)
    graph = workload.time_chunk(plan.time_chunks, share // count)
    layers = [split(layer, plan, "plan") for layer in graph.layers]
    if cuts is None:
        chunks = plan.pp * plan.virtual
        costs = [cost for layer in layers for cost in _costs(layer)]
        check(workload.name, len(costs), plan.pp, plan.virtual)
        cuts = partition(costs if plan.balance == "cost" else numbers(graph.layers, chunks), chunks)
    memories = layer_memories(layers, graph.dtype)
    ring = graph.ring and plan.pp > 1
    return footprint(memories, cuts, plan, graph.dtype, graph.optimizer, count, ring=ring)


def layer_memories(layers: Iterable[SplitLayer], dtype: Dtype) -> tuple[LayerMemory, ...]:
    """What one device holds for each layer, equal ones unrolled."""
    found: list[LayerMemory] = []
    received = 0.0
    for layer in layers:
        sent = layer.output * stored_bytes(dtype)
        first = _one(layer, dtype, received, sent)
        found += [first, *(layer.repeat - 1) * [first._replace(input=sent)]]
        received = sent
    found[-1:] = [layer._replace(last=True) for layer in found[-1:]]
    return tuple(found)


def _one(layer: SplitLayer, dtype: Dtype, received: float, sent: float) -> LayerMemory:
    ops = [shard.op for shard in layer.shards]
    exchanges = [e for shard in layer.shards for e in (*shard.forward, *shard.backward)]
    return LayerMemory(
        parameters=sum(op.parameters for op in ops),
        saved=sum(op.saved * stored_bytes(dtype) + op.masks for op in ops),
        input=received,
        output=sent,
        core=sum(op.recomputable * stored_bytes(dtype) + op.masks for op in ops if op.core),
        # An all-reduce sums in place.
        message=max(
            (
                e.elements * (e.element_bytes or stored_bytes(dtype))
                for e in exchanges
                if e.collective != "all_reduce"
            ),
            default=0.0,
        ),
        experts=sum(op.expert_parameters for op in ops),
        tied=sum(op.inputs * op.outputs for op in ops if isinstance(op, Linear) and op.tied),
    )


def _costs(layer: SplitLayer) -> list[float]:
    """Matrix FLOPs of each of a layer's repeats, forward and backward."""
    one = layer.layer
    return layer.repeat * [(one.forward_flops + one.backward_flops) / layer.repeat]
