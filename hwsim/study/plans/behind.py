"""Sums of gradients behind the last passes of chunks, for all plans that fill buckets alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.cost.groups import Group
from hwsim.parallel.pieces import Bucket, shared_works
from hwsim.parallel.tails import Moved, Tail, moved
from hwsim.study.plans.layers import Priced
from hwsim.study.plans.rows import Ints

Floats = npt.NDArray[np.float64]
Content = tuple[int, ...]  # the layers of a chunk, the last one first


class Summed(NamedTuple):
    """Points: prices of equal profile, each with its groups and how gradients are summed there."""

    prices: list[Priced]
    among: list[tuple[Group, Group]]
    collectives: list[str]


def stacked(every: Sequence[list[Moved]], of: Ints) -> list[Moved]:
    """What each point moves, one after the other, as arrays: `every[of[i]]` for point i."""
    most = max(map(len, every), default=0)
    filled = [one + [Moved(0.0, 0.0, 0)] * (most - len(one)) for one in every]
    return [
        Moved(*(np.array(field)[of] for field in zip(*column, strict=True)))
        for column in zip(*filled, strict=True)
    ]


class _State(NamedTuple):
    tail: Tail
    left: Floats | float  # seconds of operators since the last bucket
    some: bool  # whether there are such, or no bucket before
    bucket: Bucket


def tails(
    points: Summed, kind: str, contents: Iterable[Content], first: float, bucket: float
) -> dict[Content, Tail]:
    """The last pass of chunks with these contents, each an array over `points`.

    `first` and `bucket` are bytes, infinite where sums wait for the end of a pass. Chunks that
    end with the same layers are walked through together.
    """
    walk = _Walk(points, kind, bucket)
    size = points.prices[0].pricer.gradient_bytes
    begin = _State(Tail(), 0.0, True, Bucket.empty(first, size))
    found: dict[Content, Tail] = {}
    path: list[tuple[Content, _State]] = [((), begin)]
    for content in sorted(contents):
        while path[-1][0] != content[: len(path[-1][0])]:
            path.pop()
        before, state = path[-1]
        for layer in content[len(before) :]:
            state = walk.through(layer, state)
        path.append((content, state))
        found[content] = walk.end(state)
    return found


class _Walk:
    """Through the layers of a chunk, from its last one."""

    def __init__(self, points: Summed, kind: str, bucket: float) -> None:
        self.points, self.kind, self.bucket = points, kind, bucket
        self.pricer = points.prices[0].pricer
        layers = points.prices[0].layers
        behind = [one.behind(kind) for one in points.prices]
        self.seconds = [
            [np.array([one[number][place] for one in behind]) for place in range(len(layer.ops))]
            for number, layer in enumerate(layers)
        ]
        self.ops = [layer.ops[::-1] for layer in layers]
        numbers: dict[tuple[str, tuple[Group, Group]], int] = {}
        pairs = zip(points.collectives, points.among, strict=True)
        self.way = np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs])
        self.ways = list(numbers)
        self._moved: dict[tuple[float, float], list[Moved]] = {}

    def through(self, layer: int, state: _State) -> _State:
        tail, left, some, bucket = state
        for op, seconds in zip(self.ops[layer], self.seconds[layer], strict=True):
            left, some = left + seconds, some or self.kind == "BW" or bool(seconds.any())
            bucket = bucket.with_(op.gradients, op.expert_gradients)
            if bucket.full:
                tail = tail.then(left, self.moved(bucket))
                left, some = 0.0, False
                bucket = Bucket.empty(self.bucket, self.pricer.gradient_bytes)
        return _State(tail, left, some, bucket)

    def end(self, state: _State) -> Tail:
        tail, left, some, bucket = state
        if some:
            return tail.then(left, self.moved(bucket))
        return tail

    def moved(self, bucket: Bucket) -> list[Moved]:
        """The sums of a bucket at every point."""
        size = bucket.filled, bucket.experts
        if size not in self._moved:
            every = []
            for collective, among in self.ways:
                works = shared_works(self.pricer, collective, size, among, low=False)
                every.append([moved(work) for _, work in works])
            self._moved[size] = stacked(every, self.way)
        return self._moved[size]
