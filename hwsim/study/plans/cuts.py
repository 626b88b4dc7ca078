"""How a graph's layers are cut into the chunks of a pipeline."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]


class Cut(NamedTuple):
    """Chunks of a graph whose layers repeat so often, unrolled: (first, end) of each.

    `counts` (chunks, layers) are how many of each different layer a chunk has, `last` (chunks,)
    its last one, `contents` all of them, the last one first.
    """

    ranges: tuple[tuple[int, int], ...]
    counts: Ints
    last: Ints
    contents: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, repeats: tuple[int, ...], ranges: tuple[tuple[int, int], ...]) -> Cut:
        kinds = np.repeat(np.arange(len(repeats)), repeats)
        contents = tuple(tuple(kinds[first:end][::-1].tolist()) for first, end in ranges)
        counts = [np.bincount(kinds[first:end], minlength=len(repeats)) for first, end in ranges]
        last = np.array([content[0] for content in contents])
        return cls(ranges, np.array(counts), last, contents)

    @property
    def starts(self) -> list[int]:
        return [first for first, _ in self.ranges]
