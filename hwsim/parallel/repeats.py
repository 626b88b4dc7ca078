"""The middle of a longest path that repeats itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SAME = 1e-13  # by what fraction rounding may part equal times
FEW, PART = 1 << 12, 64  # of more numbers than so many, a part of the points is looked at first


class Repeats:
    """Jumps over the middle of a wave, where it repeats itself.

    A longest path is linear in the (max, +) algebra: once all of a point's times have grown by the
    same amount over some periods, they do so over each such stretch, as long as the order of the
    slots stays (Baccelli et al. 1992, Synchronization and Linearity, section 3.7).
    """

    def __init__(self, period: int, ticks: range, most: int, more: Any) -> None:
        self.period, self.ticks, self.most = period, ticks, most
        self.more = 2 * more  # ticks that points have besides
        self.before: list[Floats] = []  # the newest first
        self.done = False

    def jumped(self, tick: int, state: Floats, ends: Floats) -> int:
        """The tick to go on with; adds to `state` and `ends` what the ticks before it take."""
        if self.done or not self.ticks.start <= tick <= self.ticks.stop:
            return tick
        at, rest = divmod(tick - self.ticks.start, self.period)
        if rest:
            return tick
        lengths = range(1, self.most + 1) if at % self.most == 0 else (1,)
        for length in lengths[: len(self.before)]:
            stretch = length * self.period
            if np.any(self.more % stretch):
                continue
            growth = _growth(state, self.before[length - 1])
            if growth is not None:
                self.done, self.before = True, []
                times = (self.ticks.stop - tick) // stretch
                state += (times + self.more // stretch) * growth
                ends += (times + self.more // stretch) * growth
                return tick + times * stretch
        self.before = [state.copy(), *self.before[: self.most - 1]]
        return tick


def _growth(after: Floats, before: Floats) -> Floats | None:
    """By how much each point grew, if all that it uses grew alike."""
    if after.size > FEW and _growth(after[..., ::PART], before[..., ::PART]) is None:
        return None
    grown = after - before
    growth = grown.max(axis=(0, 1))
    unlike = (np.abs(grown - growth) > SAME * np.abs(after)) & (after > 0)
    return None if unlike.any() else np.asarray(growth)
