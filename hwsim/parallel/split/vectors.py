"""Vector work on whatever part of the activation is there, and losses that need all of it."""

from __future__ import annotations

from dataclasses import replace

from hwsim.errors import InputError
from hwsim.graph.ops import CTC, BatchNormalization, Dropout, Normalization, Pointwise, Pooling
from hwsim.parallel.split.rules import (
    Around,
    Divided,
    Held,
    divide,
    exactly,
    fetched,
    fewer_rows,
    needs_all,
    padded,
)
from hwsim.parallel.split.shard import Shard


@divide.register(Pointwise)
@divide.register(Dropout)
def pointwise(op: Pointwise | Dropout, around: Around) -> Divided:
    """Of whole activations every device computes all, else what it holds."""
    layout = around.held.layout
    held = Held(layout, op.elements * (op.outputs if isinstance(op, Pointwise) else 1))
    if layout == "whole":
        return Divided(Shard(op), held)
    return Divided(Shard(replace(op, elements=padded(op.elements, around.ways))), held)


@fewer_rows.register(Pointwise)
@fewer_rows.register(Dropout)
def pointwise_rows(op: Pointwise | Dropout, ways: int, where: str) -> Pointwise | Dropout:
    return replace(op, elements=exactly(op.elements, ways, where, f"elements of {op.name!r}"))


@divide.register
def normalization(op: Normalization, around: Around) -> Divided:
    """Each row needs all its features: parts are gathered; its parameters are whole everywhere."""
    size, layout = op.rows * op.width, around.held.layout
    if layout == "rows":
        share = fewer_rows(op, around.ways, f"{around.where}.tp")
        return Divided(Shard(share, replicated=op.parameters), Held("rows", size))
    forward = fetched(op, around.held, size)
    return Divided(Shard(op, forward, replicated=op.parameters), Held("whole", size))


@fewer_rows.register
def normalization_rows(op: Normalization, ways: int, where: str) -> Normalization:
    return replace(op, rows=exactly(op.rows, ways, where, f"rows of {op.name!r}"))


@divide.register
def ctc(op: CTC, around: Around) -> Divided:
    """Every device computes all of it, from gathered predictions."""
    needs_all(op, around)
    return Divided(
        Shard(op, fetched(op, around.held, op.batch * op.frames * op.classes)), Held("whole")
    )


@divide.register
def batch_normalization(op: BatchNormalization, around: Around) -> Divided:
    """Each channel by itself, of all images: of some channels, if those are what is there."""
    needs_all(op, around)
    held = Held(around.held.layout, op.rows * op.channels)
    if held.layout == "whole":
        return Divided(Shard(op, replicated=op.parameters), held)
    if held.layout == "space":
        what = f"found space, but {op.name!r} needs whole images for its statistics"
        raise InputError(f"{around.where}.convolutions", what, "write channels")
    channels = around.part(op.channels, f"channels of {op.name!r}")
    return Divided(Shard(replace(op, channels=channels)), held)


@divide.register
def pooling(op: Pooling, around: Around) -> Divided:
    """Each channel by itself."""
    needs_all(op, around)
    held = Held(around.held.layout, op.outputs)
    if held.layout == "whole":
        return Divided(Shard(op), held)
    inputs, outputs = (padded(size, around.ways) for size in (op.inputs, op.outputs))
    return Divided(Shard(replace(op, inputs=inputs, outputs=outputs)), held)
