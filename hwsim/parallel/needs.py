"""What memory a plan of a workload needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwsim.errors import InputError
from hwsim.graph.dtypes import BYTES, Dtype
from hwsim.graph.step import Layer
from hwsim.graph.workload import Workload
from hwsim.parallel.check import divisors
from hwsim.parallel.memory import LayerMemory, StageMemory, footprint, fullest
from hwsim.parallel.plan import Plan
from hwsim.parallel.stages import check, partition, units


def needed(
    workload: Workload, plan: Plan, cuts: Sequence[tuple[int, int]] | None = None
) -> StageMemory:
    """The fullest stage of a plan of a workload.

    `cuts` are (first, end) of the layers of each model chunk; None cuts by their matrix FLOPs.
    Raises InputError for a plan that the workload can't follow.
    """
    share = workload.batch if plan.scaling == "weak" else workload.batch // plan.dp
    micro = plan.micro_batch or share
    if share % micro:
        near = [size for size in divisors(share) if size < micro][-1]
        raise InputError(
            "plan.micro_batch",
            f"found {micro}, which doesn't divide the {share} samples of a replica",
            f"write {near}",
        )
    graph = workload.graph(micro)
    layers = units(graph.layers)
    if cuts is None:
        check(workload.name, len(layers), plan.pp, plan.virtual)
        costs = [layer.forward_flops + layer.backward_flops for layer in layers]
        cuts = partition(costs, plan.pp * plan.virtual)
    memories = layer_memories(layers, graph.dtype)
    return fullest(footprint(memories, cuts, plan, graph.dtype, graph.optimizer, share // micro))


def layer_memories(layers: Iterable[Layer], dtype: Dtype) -> tuple[LayerMemory, ...]:
    found, received = [], 0.0
    for layer in layers:
        sent = layer.output * BYTES[dtype]
        found.append(LayerMemory(layer.parameters, layer.saved * BYTES[dtype], received, sent))
        received = sent
    return tuple(found)
