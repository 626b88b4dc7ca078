"""Mixtures of experts: the experts are spread over `ep` devices, and each is divided by tp.

Every token is sent to the devices of its experts and back (Lepikhin et al. 2020, arXiv 2006.16668).
The degree of tensor parallelism inside an expert is that outside, as Megatron takes it by default.
"""

from __future__ import annotations

from dataclasses import replace

from hwsim.graph.ops import Experts
from hwsim.parallel.exchange import Exchange
from hwsim.parallel.plan import Plan
from hwsim.parallel.split.rules import (
    Around,
    Divided,
    Held,
    divide,
    exactly,
    fetched,
    fewer_rows,
    gather,
    total,
)
from hwsim.parallel.split.shard import Shard


@divide.register
def experts(op: Experts, around: Around) -> Divided:
    """Each device has its experts' part of a network's width; the router is whole everywhere.

    With whole activations the devices of a tensor-parallel group send the same tokens, each to its
    part of an expert, and sum what comes back. With rows each sends its own, the group gathers what
    its experts got, and scatters the sums before they go back.
    """
    plan, where = around.plan, around.where
    exactly(op.experts, plan.ep, f"{where}.ep", f"experts of {op.name!r}")
    spread = around.ways if around.home == "rows" else 1
    exactly(op.tokens, spread, f"{where}.tp", f"tokens of {op.name!r}")
    share = replace(
        op,
        ffn=around.part(op.ffn, f"units of {op.name!r}"),
        shared=around.part(op.shared, f"shared units of {op.name!r}"),
        ep=plan.ep,
        spread=spread,
        sorted=plan.dispatch == "nodes",
    )
    sends = _gathered(share, plan) if spread > 1 else _summed(share, around)
    biases = op.hidden * (share.local + (1 if op.shared else 0)) if op.bias else 0
    shard = Shard(share, *sends, op.hidden * op.experts + biases)
    return Divided(shard, Held(around.home, op.tokens * op.hidden))


Sends = tuple[tuple[Exchange, ...], tuple[Exchange, ...]]


def _summed(op: Experts, around: Around) -> Sends:
    """Forward and backward, where every device has all tokens."""
    size = op.tokens * op.hidden
    return (
        (
            *fetched(op, around.held, size),
            _sent(op, "dispatch", around.plan),
            _sent(op, "combine", around.plan),
            total(f"{op.name}.sum", size, "whole"),
        ),
        (
            _sent(op, "combine.gradient", around.plan),
            _sent(op, "dispatch.gradient", around.plan),
            total(f"{op.name}.gradient", size, around.held.layout),
        ),
    )


def _gathered(op: Experts, plan: Plan) -> Sends:
    """Forward and backward, where every device has its rows; the shared network is two products."""
    routed, size, shared = op.routed * op.hidden, op.tokens * op.hidden, f"{op.name}.shared"
    forward = (
        _sent(op, "dispatch", plan),
        gather(f"{op.name}.rows", routed),
        total(f"{op.name}.rows.sum", routed, "rows"),
        _sent(op, "combine", plan),
    )
    backward = (
        _sent(op, "combine.gradient", plan),
        gather(f"{op.name}.rows.gathered", routed),
        total(f"{op.name}.rows.gradient", routed, "rows"),
        _sent(op, "dispatch.gradient", plan),
    )
    if not op.shared:
        return forward, backward
    return (
        (
            *forward,
            gather(f"{shared}.input", size, f"{shared}.up.forward"),
            total(f"{shared}.sum", size, "rows", f"{shared}.down.forward"),
        ),
        (
            gather(f"{shared}.sum.gradient", size, f"{shared}.down.dgrad"),
            gather(f"{shared}.saved", size, f"{shared}.up.dgrad"),
            total(f"{shared}.gradient", size, "rows", f"{shared}.up.wgrad"),
            *backward,
        ),
    )


def _sent(op: Experts, part: str, plan: Plan) -> Exchange:
    """One device's tokens, a copy for each choice; the busiest device sets the pace."""
    elements = op.imbalance * (op.tokens // op.spread) * op.topk * op.hidden
    copies = op.topk if plan.dispatch == "nodes" else 1
    return Exchange(f"{op.name}.{part}", "all_to_all", "ep", elements, copies=copies)


@fewer_rows.register
def experts_rows(op: Experts, ways: int, where: str) -> Experts:
    return replace(op, tokens=exactly(op.tokens, ways, where, f"tokens of {op.name!r}"))
