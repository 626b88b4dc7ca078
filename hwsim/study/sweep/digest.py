"""What is remembered of the points of a sweep: how many there were, and the best of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from hwsim.study.sweep.columns import Columns


class Best(NamedTuple):
    """A point by its number, ordered by the seconds of its training (or step)."""

    seconds: float
    number: int
    figures: dict[str, float]


class Digest(NamedTuple):
    """Points, those with an answer, those of them that fit, the best; a reason for none.

    `times` are the seconds of every point of a sweep that is drawn, infinite where it has no answer
    or doesn't fit.
    """

    points: int = 0
    answered: int = 0
    fit: int = 0
    best: tuple[Best, ...] = ()
    why: str = ""
    times: tuple[float, ...] = ()


def digest(first: int, found: Columns, most: int, *, drawn: bool = False) -> Digest:
    """Of a block whose first point has the number `first`, with up to `most` of its best points."""
    answered = found.answered
    good = answered & (found.fits == 1)
    total = found["total_seconds"]
    times = np.where(good, np.where(np.isfinite(total), total, found["seconds"]), np.inf)
    most = min(most, int(good.sum()))
    places = np.argpartition(times, most - 1)[:most] if most else np.array([], dtype=int)
    best = [
        Best(
            float(times[place]),
            first + int(place),
            {name: float(column[place]) for name, column in found.numbers.items()},
        )
        for place in places
    ]
    why = next((str(text) for text in found.why if text), "") if not answered.all() else ""
    return Digest(
        found.size,
        int(answered.sum()),
        int(good.sum()),
        tuple(sorted(best, key=lambda one: one[:2])),
        why,
        tuple(times.tolist()) if drawn else (),
    )


def together(digests: Iterable[Digest], most: int) -> Digest:
    """Of all their points."""
    digests = list(digests)
    best = sorted((one for part in digests for one in part.best), key=lambda one: one[:2])
    return Digest(
        sum(part.points for part in digests),
        sum(part.answered for part in digests),
        sum(part.fit for part in digests),
        tuple(best[:most]),
        next((part.why for part in digests if part.why), ""),
        tuple(time for part in digests for time in part.times),
    )
