"""Products with a weight, tables, and the cross-entropy that a divided vocabulary ends in.

Column and row splits that follow each other are Megatron's (Shoeybi et al. 2019, arXiv 1909.08053);
with sequence parallelism those of Korthikanti et al. 2022 (arXiv 2205.05198).
"""

from __future__ import annotations

from dataclasses import replace

from hwsim.graph.ops import CTC, Attention, CrossEntropy, Embedding, Linear, Pointwise
from hwsim.parallel.exchange import Exchange
from hwsim.parallel.split.attention import heads_of
from hwsim.parallel.split.rules import (
    Around,
    Divided,
    Held,
    divide,
    exactly,
    fetched,
    fewer_rows,
    gather,
    padded,
    total,
)
from hwsim.parallel.split.shard import Shard

STATISTICS = ("maximum", "target", "exponentials")
STATISTIC_BYTES = 4.0


@divide.register
def linear(op: Linear, around: Around) -> Divided:
    """By outputs where the input is whole, by inputs where it is in parts."""
    return _by_inputs(op, around) if around.held.layout == "parts" else _by_outputs(op, around)


def _by_outputs(op: Linear, around: Around) -> Divided:
    """Each device has all inputs of some outputs; the input's gradient is a sum over devices.

    What is gathered for the product is kept in parts, so the backward pass gathers it again, beside
    the product that doesn't need it.
    """
    layout, size = around.held.layout, op.rows * op.inputs
    spread = layout == "rows"
    share = replace(op, outputs=_columns(op, around), gathered=around.ways if spread else 1)
    beside = f"{op.name}.dgrad" if op.input_gradient else None
    backward = [gather(f"{op.name}.saved", size, beside)] if spread else []
    if op.input_gradient:
        backward.append(total(f"{op.name}.gradient", size, layout, f"{op.name}.wgrad"))
    forward = fetched(op, around.held, size, f"{op.name}.forward")
    held = Held("parts", op.rows * op.outputs)
    return Divided(Shard(share, forward, tuple(backward)), held)


def _by_inputs(op: Linear, around: Around) -> Divided:
    """Each device has some inputs of all outputs, which are summed; the bias is whole."""
    size, home = op.rows * op.outputs, around.home
    inputs = around.part(op.inputs, f"inputs of {op.name!r}")
    share = replace(op, inputs=inputs, scattered=around.ways if home == "rows" else 1)
    forward = total(f"{op.name}.sum", size, home, f"{op.name}.forward")
    beside = f"{op.name}.dgrad" if op.input_gradient else None
    backward = (gather(f"{op.name}.gradient", size, beside),) if home == "rows" else ()
    shard = Shard(share, (forward,), backward, op.outputs if op.bias else 0)
    return Divided(shard, Held(home, size))


def _columns(op: Linear, around: Around) -> int:
    """One device's outputs: its heads' in front of attention, padded in front of a loss."""
    for after in around.ahead:
        if isinstance(after, CrossEntropy | CTC):
            return padded(op.outputs, around.ways)
        if isinstance(after, Attention):
            width = (after.heads + 2 * after.kv_heads) * after.head_dim
            heads, kv_heads = heads_of(after, around)
            if op.outputs == width:
                return (heads + 2 * kv_heads) * after.head_dim
        if not isinstance(after, Pointwise):
            break
    return around.part(op.outputs, f"outputs of {op.name!r}")


@fewer_rows.register
def linear_rows(op: Linear, ways: int, where: str) -> Linear:
    return replace(op, rows=exactly(op.rows, ways, where, f"rows of {op.name!r}"))


@divide.register
def embedding(op: Embedding, around: Around) -> Divided:
    """By rows of the table: a device has no more than its words, and the sum has all.

    A table of positions stays whole, and each device looks up what rows it has.
    """
    home, size = around.home, op.tokens * op.width
    held = Held(home, size)
    if not op.divided:
        where = f"{around.where}.tp"
        share = fewer_rows(op, around.ways, where) if home == "rows" else op
        return Divided(Shard(share, replicated=op.parameters), held)
    share = replace(op, vocabulary=padded(op.vocabulary, around.ways))
    forward = total(f"{op.name}.sum", size, home)
    backward = (gather(f"{op.name}.gradient", size),) if home == "rows" else ()
    return Divided(Shard(share, (forward,), backward), held)


@fewer_rows.register
def embedding_rows(op: Embedding, ways: int, where: str) -> Embedding:
    return replace(op, tokens=exactly(op.tokens, ways, where, f"tokens of {op.name!r}"))


@divide.register
def cross_entropy(op: CrossEntropy, around: Around) -> Divided:
    """On a divided vocabulary three figures per row are joined in fp32, and never the logits."""
    held = Held(around.home)
    if around.held.layout == "rows":
        return Divided(Shard(fewer_rows(op, around.ways, f"{around.where}.tp")), held)
    if around.held.layout == "whole":
        return Divided(Shard(op), held)
    share = replace(op, classes=padded(op.classes, around.ways))
    sums = tuple(
        Exchange(f"{op.name}.{name}", "all_reduce", "tp", op.rows, element_bytes=STATISTIC_BYTES)
        for name in STATISTICS
    )
    return Divided(Shard(share, sums), held)


@fewer_rows.register
def cross_entropy_rows(op: CrossEntropy, ways: int, where: str) -> CrossEntropy:
    return replace(op, rows=exactly(op.rows, ways, where, f"rows of {op.name!r}"))
