"""Recurrences: each device has some of the units, and all states are gathered at every step."""

from __future__ import annotations

from dataclasses import replace

from hwsim.graph.ops import Kernel
from hwsim.graph.recurrent import LSTM, RHN
from hwsim.parallel.exchange import Collective, Exchange
from hwsim.parallel.split.rules import Around, Divided, Held, divide, fetched, needs_all, total
from hwsim.parallel.split.shard import Shard


@divide.register(LSTM)
@divide.register(RHN)
def recurrence(op: LSTM | RHN, around: Around) -> Divided:
    """By units: each device computes all gates of its own from the whole state before.

    Every product of the chain is followed by an exchange of batch x hidden: forward the new states
    are gathered, so that the output is whole at the end; backward each device has a partial
    gradient of all states, and gets the sum of its own.
    """
    needs_all(op, around)
    around.part(op.hidden, f"units of {op.name!r}")
    share = replace(op, ways=around.ways)
    rows = op.steps * op.batch
    layout, inputs = around.held.layout, rows * op.inputs
    forward = (*fetched(op, around.held, inputs), *_chained(share, share.forward(), "all_gather"))
    backward = _chained(share, share.backward(), "reduce_scatter")
    if op.input_gradient:
        gradient = total(f"{op.name}.gradient", inputs, layout, f"{op.name}.wgrad")
        backward = (*backward, gradient)
    directions = 2 if isinstance(op, LSTM) and op.bidirectional else 1
    held = Held("whole", rows * directions * op.hidden)
    return Divided(Shard(share, forward, backward), held)


def _chained(
    op: LSTM | RHN, kernels: tuple[Kernel, ...], collective: Collective
) -> tuple[Exchange, ...]:
    """One exchange of all states with every product of a chain."""
    return tuple(
        Exchange(f"{kernel.name}.state", collective, "tp", op.batch * op.hidden, kernel.repeat)
        for kernel in kernels
        if kernel.sequential and kernel.engine == "matrix"
    )
