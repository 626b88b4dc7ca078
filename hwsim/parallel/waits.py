"""What a device waits for its host, which issues kernels while earlier ones run.

The host runs ahead, so that over the passes of a layer the longer of the two counts:

    t = max(sum of the device's seconds, sum of the host's seconds of issue)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hwsim.cost.pick import is_array
from hwsim.parallel.priced import Pass, PricedOp

NO_PASS = Pass()


def waited(ops: Sequence[PricedOp], *, apart: bool) -> tuple[PricedOp, ...]:
    """The operators of a layer with what their passes wait.

    What is computed again and the backward pass are one run, gradients of weights included, unless
    a schedule puts these off (`apart`).
    """
    back = [op.again or NO_PASS for op in ops] + [op.inputs for op in ops]
    own = [op.weights for op in ops]
    back = behind(back) + behind(own) if apart else behind(back + own)
    n = len(ops)
    columns = zip(
        ops,
        behind([op.forward for op in ops]),
        back[:n],
        back[n : 2 * n],
        back[2 * n :],
        strict=True,
    )
    return tuple(
        replace(
            op,
            forward=forward,
            again=again if op.again else None,
            inputs=inputs,
            weights=weights,
        )
        for op, forward, again, inputs, weights in columns
    )


def behind(run: Sequence[Pass]) -> list[Pass]:
    """Passes in a row, each with its share of what all of them wait.

    >>> from hwsim.parallel.priced import Seconds
    >>> slow = Pass(Seconds(compute=1.0), issue=3.0)
    >>> [one.seconds.total for one in behind([slow, Pass(Seconds(compute=2.0), issue=3.0)])]
    [2.5, 3.5]
    >>> behind([Pass(Seconds(compute=4.0), issue=3.0)])[0].seconds.total
    4.0
    """
    host = sum(one.issue for one in run)
    if not host:
        return list(run)
    wait = host - sum(one.seconds.total for one in run)
    if is_array(wait):
        wait = np.maximum(wait, 0.0)
    elif wait <= 0:
        return list(run)
    return [one.later(wait * one.issue / host) for one in run]
