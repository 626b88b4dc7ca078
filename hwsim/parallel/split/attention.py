"""Attention: tensor parallelism divides its heads, context parallelism its queries."""

from __future__ import annotations

from dataclasses import replace

from hwsim.errors import InputError
from hwsim.graph.ops import Attention
from hwsim.parallel.exchange import Exchange
from hwsim.parallel.split.rules import (
    Around,
    Divided,
    Held,
    divide,
    exactly,
    fetched,
    fewer_rows,
    gather,
    nearest,
)
from hwsim.parallel.split.shard import Shard


@divide.register
def attention(op: Attention, around: Around) -> Divided:
    """Each device has its heads, which the product in front left with it.

    With context parallelism the keys and values come from all devices of the sequence, again in the
    backward pass, and their gradients are summed where they belong (as ring attention moves them in
    pieces, Liu et al. 2023, arXiv 2310.01889). Each device is taken to have an equal share of a
    causal mask. Or they exchange heads for positions: each has the whole sequence of 1 / cp of the
    heads (DeepSpeed Ulysses, Jacobs et al. 2023, arXiv 2309.14509).
    """
    heads, kv_heads = heads_of(op, around)
    share = replace(op, heads=heads, kv_heads=kv_heads)
    rows = op.batch * op.heads * op.sequence // op.context
    forward: tuple[Exchange, ...] = ()
    backward: tuple[Exchange, ...] = ()
    if around.held.layout != "parts":
        inputs = rows * op.head_dim + op.keys_values // op.context
        forward = fetched(op, around.held, inputs)
        backward = (gather(f"{op.name}.gradient", inputs),)
    if around.plan.context == "all-to-all" and op.context > 1:
        share, there, back = _exchanged(share, around)
        shard = Shard(share, (*forward, *there), (*back, *backward))
        return Divided(shard, Held("parts", rows * op.value_width))
    keys = share.keys_values
    first, last = share.forward()[0].name, share.backward()[0].name
    forward = (
        *forward,
        Exchange(f"{op.name}.keys", "all_gather", "cp", keys, beside=first),
    )
    backward = (
        Exchange(f"{op.name}.keys", "all_gather", "cp", keys, beside=last),
        Exchange(f"{op.name}.keys.gradient", "reduce_scatter", "cp", keys, beside=last),
        *backward,
    )
    return Divided(Shard(share, forward, backward), Held("parts", rows * op.value_width))


def _exchanged(
    op: Attention, around: Around
) -> tuple[Attention, tuple[Exchange, ...], tuple[Exchange, ...]]:
    """Attention on whole sequences of fewer heads, and the exchanges of a device's queries, keys,
    values and outputs, and of their gradients.

    Fewer key heads than devices are sent to several. Raises InputError where cp divides neither
    heads nor key heads.
    """
    ways, where = op.context, f"{around.where}.cp"
    heads = exactly(op.heads, ways, where, f"heads of {op.name!r}")
    kv_heads = op.kv_heads
    if ways % kv_heads:
        exactly(kv_heads, ways, where, f"key heads of {op.name!r}")
    share = replace(op, heads=heads, kv_heads=max(1, kv_heads // ways), context=1)
    rows, kept = op.batch * op.sequence // ways, max(kv_heads, ways)
    parts = {
        "queries": rows * op.heads * op.head_dim,
        "keys": rows * kept * op.head_dim,
        "values": rows * kept * op.value_width,
        "output": rows * op.heads * op.value_width,
    }
    forward = [
        Exchange(f"{op.name}.{name}", "all_to_all", "cp", size) for name, size in parts.items()
    ]
    backward = [replace(one, name=f"{one.name}.gradient") for one in reversed(forward)]
    return share, tuple(forward), tuple(backward)


def heads_of(op: Attention, around: Around) -> tuple[int, int]:
    """Heads and key heads of one device; fewer key heads than devices are held by several.

    Raises InputError where neither number divides the other.
    """
    heads = around.part(op.heads, f"heads of {op.name!r}")
    ways, kv_heads = around.ways, op.kv_heads
    if kv_heads % ways and ways % kv_heads:
        fitting = [d for d in range(1, op.heads + 1) if _fits(op, d)]
        what = f"found {ways} for the {kv_heads} key heads of {op.name!r}"
        raise InputError(f"{around.where}.tp", what, nearest(fitting, ways))
    return heads, max(1, kv_heads // ways)


def _fits(op: Attention, ways: int) -> bool:
    return op.heads % ways == 0 and (op.kv_heads % ways == 0 or ways % op.kv_heads == 0)


@fewer_rows.register
def attention_rows(op: Attention, ways: int, where: str) -> Attention:
    """Of the queries; all keys are needed."""
    exactly(op.sequence // op.context, ways, where, f"queries of {op.name!r}")
    return replace(op, context=op.context * ways)
