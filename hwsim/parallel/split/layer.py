"""The walk over a layer: every operator's share in turn."""

from __future__ import annotations

from dataclasses import replace

from hwsim.graph.step import Layer
from hwsim.parallel.exchange import Exchange
from hwsim.parallel.plan import Plan
from hwsim.parallel.split.rules import (
    Around,
    Held,
    Layout,
    divide,
    fewer_rows,
    gather,
    home,
    of_degree,
)
from hwsim.parallel.split.shard import Shard, SplitLayer


def split(layer: Layer, plan: Plan, where: str = "plan") -> SplitLayer:
    """One device's share of `layer` under tensor, context and expert parallelism.

    A layer begins and ends with whole activations, or with rows of them under sequence
    parallelism. `where` names the plan in errors. Raises InputError for degrees that don't divide
    what they share, and for operators that can't be divided so.
    """
    if plan.tp == plan.cp == plan.ep == 1:
        return SplitLayer(layer.name, tuple(map(Shard, layer.ops)), layer.repeat, layer.output)
    ops = layer.ops
    if plan.cp > 1:
        ops = tuple(fewer_rows(op, plan.cp, f"{where}.cp") for op in ops)
    at_home = home(plan)
    held = Held(at_home)
    shards = []
    for number, op in enumerate(ops, 1):
        shard, held = divide(op, Around(plan, where, held, ops[number:]))
        shards.append(shard)
    if shards:
        shards[-1] = _settled(shards[-1], held, at_home)
    ways = plan.cp * (plan.tp if at_home == "rows" else 1)
    kept = tuple(_cleared(shard, plan) for shard in shards)
    return SplitLayer(layer.name, kept, layer.repeat, layer.output / ways)


def _settled(shard: Shard, held: Held, at_home: Layout) -> Shard:
    """With what brings a layer's output home.

    Each device takes its rows of a whole activation for nothing, but their gradients are gathered.
    """
    if held.layout == at_home:
        return shard
    forward: tuple[Exchange, ...] = ()
    backward: tuple[Exchange, ...] = ()
    if held.layout != "whole":
        forward = (gather(f"{shard.op.name}.output", held.elements),)
    if at_home == "rows":
        backward = (gather(f"{shard.op.name}.output.gradient", held.elements),)
    return replace(shard, forward=(*shard.forward, *forward), backward=(*backward, *shard.backward))


def _cleared(shard: Shard, plan: Plan) -> Shard:
    """Without exchanges among one device, and replicas of which there is one."""
    return replace(
        shard,
        forward=of_degree(shard.forward, plan),
        backward=of_degree(shard.backward, plan),
        replicated=shard.replicated if plan.tp > 1 else 0,
    )
