"""What a sweep varies: the values of each axis, and the points of their product.

Nothing is held per point: an axis tells its values from one place to another, so that a sweep of
1e9 points takes no more memory than one of its blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hwsim.study.sweep.sobol import sobol

Floats = npt.NDArray[np.float64]

WORD = 4  # numbers of 64 bits that a counter of Philox makes


class Axis(Protocol):
    """`size` places, at each of which every one of `paths` has a value."""

    @property
    def paths(self) -> tuple[str, ...]: ...

    @property
    def size(self) -> int: ...

    def texts(self, first: int, end: int) -> list[Sequence[str]]:
        """By path, the values as text."""
        ...


@dataclass(frozen=True)
class Listed:
    """Values as they were written, by path equally many."""

    paths: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    @property
    def size(self) -> int:
        return len(self.values[0])

    def texts(self, first: int, end: int) -> list[Sequence[str]]:
        return [texts[first:end] for texts in self.values]


class Range(NamedTuple):
    """Numbers from `low` to `high`, evenly in their logarithm, with a unit right behind them."""

    low: float
    high: float
    unit: str
    whole: bool

    def texts(self, places: Floats) -> list[str]:
        """Values at places from 0 to 1."""
        numbers = self.low * (self.high / self.low) ** places
        one = ("%d" if self.whole else "%.6g") + self.unit
        if self.whole:
            numbers = np.rint(numbers)
        return ("\n".join([one] * len(places)) % tuple(numbers.tolist())).split("\n")


class Choice(NamedTuple):
    """Some values, each as likely."""

    values: tuple[str, ...]

    def texts(self, places: Floats) -> list[str]:
        numbers = (places * len(self.values)).astype(int)
        return [self.values[number] for number in numbers.tolist()]


@dataclass(frozen=True)
class Drawn:
    """Points at random, or where Sobol's sequence puts them, in the product of what they are
    drawn from."""

    paths: tuple[str, ...]
    sources: tuple[Range | Choice, ...]
    size: int
    seed: int
    even: bool

    def texts(self, first: int, end: int) -> list[Sequence[str]]:
        places = self.places(first, end)
        return [source.texts(column) for source, column in zip(self.sources, places.T, strict=True)]

    def places(self, first: int, end: int) -> Floats:
        """(points, paths), each from 0 to 1: the same whichever points are asked for together."""
        number = len(self.paths)
        if self.even:
            return sobol(first, end, number, self.seed)
        words = -(-number // WORD)
        bits = np.random.Philox(self.seed)
        bits.advance(first * words)
        drawn = np.random.Generator(bits).random((end - first, WORD * words))
        return drawn[:, :number]


@dataclass(frozen=True)
class Span:
    """Places of an axis."""

    axis: Axis
    first: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.first

    @cached_property
    def texts(self) -> list[Sequence[str]]:
        return self.axis.texts(self.first, self.end)


@dataclass(frozen=True)
class Axes:
    """The product of some axes, the last of which changes fastest; those as of `inner` go together
    through one call."""

    axes: tuple[Axis, ...]
    inner: int

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for axis in self.axes for path in axis.paths)

    @cached_property
    def size(self) -> int:
        return math.prod(axis.size for axis in self.axes)

    @cached_property
    def group(self) -> int:
        """Points that share the axes before `inner`."""
        return math.prod(axis.size for axis in self.axes[self.inner :])

    def spans(self, first: int, end: int) -> list[Span]:
        """The box of points `first` to `end`, which must be one: a place of each outer axis, a span
        of one, and all of the others."""
        spans: list[Span] = []
        below = self.size
        for axis in self.axes:
            below //= axis.size
            low, high = first // below % axis.size, (end - 1) // below % axis.size
            spans.append(Span(axis, low, high + 1))
        return spans

    def settings(self, point: int) -> dict[str, str]:
        """The text of every path at a point."""
        return {
            path: texts[0]
            for span in self.spans(point, point + 1)
            for path, texts in zip(span.axis.paths, span.texts, strict=True)
        }

    def boxes(self, first: int, end: int, most: int) -> Iterator[tuple[int, int]]:
        """Boxes of at most `most` points within one group that make up points `first` to `end`."""
        while first < end:
            size = step = 1
            for axis in reversed(self.axes[self.inner :]):
                if first % step:
                    break
                places = axis.size - first // step % axis.size
                places = min(places, (end - first) // step, most // step)
                if not places:
                    break
                size, step = places * step, step * axis.size
            yield first, first + size
            first += size

    def blocks(self, most: int, groups: int) -> Iterator[tuple[int, int]]:
        """The sweep in pieces of at most `most` points and `groups` groups."""
        together = min(most // self.group, groups) * self.group
        if together:
            for first in range(0, self.size, together):
                yield first, min(first + together, self.size)
        else:
            yield from self.boxes(0, self.size, most)
