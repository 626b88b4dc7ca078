"""Where more of a figure stops to pay: the value at which a step comes within 5 % of that with an
infinitely fast one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

CLOSE = 0.05
INFINITE = 2.0**20
LEAST = 2.0**-10  # of the figure as it is: no slower one is tried
PRECISION = 1.01


@dataclass(frozen=True)
class Enough:
    """`factor` times a figure is enough, None where a thousandth of its speed still is.

    `text` is its value then. `least` is the step with an infinitely fast one over that of now: what
    there is to gain at most.
    """

    factor: float | None
    text: str
    least: float


def factor_of(seconds: Callable[[float], float]) -> tuple[float | None, float]:
    """The least speed, over that of now, with which `seconds(speed)` come within 5 % of those at
    2**20, found by bisection to 1 %; and the latter over those of now.

    Of a + b / speed that is b / (0.05 a): so much bandwidth that moving takes a twentieth of the
    rest.

    >>> speed, least = factor_of(lambda speed: 1.0 + 3.0 / speed)
    >>> round(speed), round(least, 3)
    (60, 0.25)
    """
    now, last = seconds(1.0), seconds(INFINITE)
    goal = (1.0 + CLOSE) * last
    low, high = (LEAST, 1.0) if now <= goal else (1.0, INFINITE)
    if low == LEAST and seconds(LEAST) <= goal:
        return None, last / now
    while high / low > PRECISION:
        middle = math.sqrt(low * high)
        if seconds(middle) <= goal:
            high = middle
        else:
            low = middle
    return high, last / now
