"""Convolutions: tensor parallelism divides their channels, or the height of their images."""

from __future__ import annotations

from dataclasses import replace

from hwsim.errors import InputError
from hwsim.graph.ops import Convolution2d
from hwsim.parallel.exchange import Exchange
from hwsim.parallel.split.rules import (
    Around,
    Divided,
    Held,
    divide,
    fetched,
    needs_all,
    padded,
    total,
)
from hwsim.parallel.split.shard import Shard


@divide.register
def convolution(op: Convolution2d, around: Around) -> Divided:
    needs_all(op, around)
    if around.plan.convolutions == "space":
        return _by_height(op, around)
    return _by_channels(op, around) if around.held.layout == "parts" else _by_filters(op, around)


def _by_filters(op: Convolution2d, around: Around) -> Divided:
    """Each device has all channels of some filters, as a product has its outputs."""
    share = replace(op, filters=around.part(op.filters, f"filters of {op.name!r}"))
    forward = fetched(op, around.held, _inputs(op))
    return Divided(Shard(share, forward, _gradient(op, around)), Held("parts", _outputs(op)))


def _by_channels(op: Convolution2d, around: Around) -> Divided:
    """Each device has some channels of all filters, whose outputs are sums over devices."""
    size = _outputs(op)
    share = replace(op, channels=around.part(op.channels, f"channels of {op.name!r}"))
    forward = total(f"{op.name}.sum", size, "whole", f"{op.name}.forward")
    return Divided(Shard(share, (forward,), (), op.filters if op.bias else 0), Held("whole", size))


def _by_height(op: Convolution2d, around: Around) -> Divided:
    """Each device has some rows of every output image, and all weights.

    Rows that a filter reaches at a neighbor come from it, and the gradients there go back.
    """
    rows, inside = padded(op.output[0], around.ways), around.held.layout == "space"
    (r, _), (stride, _), (padding, _) = op.kernel, op.stride, op.padding
    reach = (r - 1) // 2 if inside else 0
    most = op.height // reach if reach else op.output[0]
    if around.ways > max(1, most):
        rows_of = f"{op.height} rows of {op.name!r}, each of which needs {reach} on either side"
        raise InputError(
            f"{around.where}.tp",
            f"found {around.ways} for the "
            + (rows_of if reach else f"{op.output[0]} rows that {op.name!r} puts out"),
            f"write at most {max(1, most)}, or plan.convolutions channels",
        )
    share = replace(op, height=max(1, (rows - 1) * stride + r - 2 * padding))
    forward: tuple[Exchange, ...] = fetched(op, around.held, _inputs(op))
    backward = _gradient(op, around)
    if inside:
        halo = reach * op.batch * op.channels * op.width
        forward = (Exchange(f"{op.name}.halo", "halo", "tp", halo),) if reach else ()
        backward = forward if op.input_gradient else ()
    weights = Exchange(f"{op.name}.weights", "all_reduce", "tp", op.parameters)
    shard = Shard(share, forward, (*backward, weights), op.parameters)
    return Divided(shard, Held("space", _outputs(op)))


def _gradient(op: Convolution2d, around: Around) -> tuple[Exchange, ...]:
    """The sum of the input's gradient, if one is wanted."""
    if not op.input_gradient:
        return ()
    name, beside = f"{op.name}.gradient", f"{op.name}.wgrad"
    return (total(name, _inputs(op), around.held.layout, beside),)


def _inputs(op: Convolution2d) -> int:
    return op.batch * op.channels * op.height * op.width


def _outputs(op: Convolution2d) -> int:
    rows, columns = op.output
    return op.batch * op.filters * rows * columns
