"""Latent projections: all devices lead down, each leads up to its own heads."""

from __future__ import annotations

from dataclasses import replace

from hwsim.graph.ops import LatentProjection
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
    total,
)
from hwsim.parallel.split.shard import Shard


@divide.register
def latent_projection(op: LatentProjection, around: Around) -> Divided:
    """Products up are divided by heads; those down and the norms are whole on every device.

    Under sequence parallelism each device leads its own rows down, and only the latent features are
    gathered, again in the backward pass (as Megatron does). Gradients of the latent features are
    sums over devices.
    """
    spread = around.ways if around.held.layout == "rows" else 1
    exactly(op.rows, spread, f"{around.where}.tp", f"rows of {op.name!r}")
    heads = around.part(op.heads, f"heads of {op.name!r}")
    share = replace(op, heads=heads, spread=spread)
    size, layout, name = op.rows * op.latent, around.held.layout, op.name
    forward: tuple[Exchange, ...] = ()
    backward: tuple[Exchange, ...] = (
        total(f"{name}.latent.gradient", size, layout, f"{name}.query.up.wgrad"),
    )
    if layout == "rows":
        forward = (gather(f"{name}.latent", size),)
        backward = (gather(f"{name}.latent.saved", size, f"{name}.query.up.dgrad"), *backward)
    elif layout == "parts":
        forward = fetched(op, around.held, op.rows * op.hidden)
    shard = Shard(share, forward, backward, op.shared_parameters)
    return Divided(shard, Held("parts", op.rows * op.outputs))


@fewer_rows.register
def latent_rows(op: LatentProjection, ways: int, where: str) -> LatentProjection:
    return replace(op, rows=exactly(op.rows, ways, where, f"rows of {op.name!r}"))
