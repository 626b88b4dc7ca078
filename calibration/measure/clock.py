"""Honest timing: samples that are long for the clock, taken in turn, of which the shortest counts.

A sample runs its work so often that it lasts `LEAST` seconds. All works of a batch are sampled once
a round, so that a drift of the machine hits all alike; what disturbs a sample only makes it longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

LEAST = 2e-3
MOST_GROWTH = 10

# Repeats -> seconds of all of them together.
Sample = Callable[[int], float]


class Timing(NamedTuple):
    """Seconds of one repeat in the shortest sample, and longest / shortest - 1."""

    seconds: float
    spread: float


def repeats_for(sample: Sample, least: float = LEAST) -> int:
    """How often to run what `sample` times for `least` seconds; it is warm afterwards.

    >>> repeats_for(lambda repeats: repeats * 1e-4)
    20
    """
    repeats = 1
    while (seconds := _undisturbed(sample, repeats, least)) < least:
        growth = least / max(seconds, least / MOST_GROWTH)
        repeats = max(repeats + 1, ceil(repeats * growth))
    return repeats


def _undisturbed(sample: Sample, repeats: int, least: float) -> float:
    """The shorter of two samples; one is enough where it is long anyhow."""
    seconds = sample(repeats)
    return seconds if seconds > MOST_GROWTH * least else min(seconds, sample(repeats))


def timed(
    samples: Sequence[Sample],
    rounds: int,
    least: float = LEAST,
    after_round: Callable[[], None] = lambda: None,
) -> list[Timing]:
    """The timing of each, out of `rounds` samples taken in turn."""
    repeats = [repeats_for(sample, least) for sample in samples]
    taken: list[list[float]] = [[] for _ in samples]
    for _ in range(rounds):
        for sample, count, seen in zip(samples, repeats, taken, strict=True):
            seen.append(sample(count) / count)
        after_round()
    return [Timing(min(seen), max(seen) / min(seen) - 1.0) for seen in taken]
