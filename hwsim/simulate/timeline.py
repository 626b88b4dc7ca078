"""What the simulation saw: where the time of the step went, and the spans of its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

from hwsim.parallel.program import PARTS, Link, Stream, Work


class Span(NamedTuple):
    """A task from `begin` to `end`, in seconds from the start of the step.

    `cause` is the number of the span whose end let it begin: the one before it on its stream, or
    the one that gave its last token; -1 at the start of the step.
    """

    stream: Stream
    name: str
    micro: int
    begin: float
    end: float
    work: Work
    cause: int


WIDTH = len(Span._fields)


class Spans(Sequence[Span]):
    """Spans in the order in which they ended; `rows` has their fields one after the other."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def __len__(self) -> int:
        return len(self.rows) // WIDTH

    @overload
    def __getitem__(self, at: int) -> Span: ...
    @overload
    def __getitem__(self, at: slice) -> list[Span]: ...
    def __getitem__(self, at: int | slice) -> Span | list[Span]:
        if isinstance(at, slice):
            return [self[number] for number in range(len(self))[at]]
        begin = range(len(self))[at] * WIDTH
        return Span._make(self.rows[begin : begin + WIDTH])

    def __iter__(self) -> Iterator[Span]:
        return map(Span._make, zip(*[iter(self.rows)] * WIDTH, strict=True))


@dataclass(frozen=True)
class Timeline:
    """A step of `seconds`; `spans` are in the order in which they ended, None if none were kept.

    `devices` has the seconds of each simulated device by part, `streams` those in which a stream
    had a task, `links` those in which a link would have carried its bytes alone. `spread` is the
    mean spread of the works, weighted with their time, as if all err together.
    """

    seconds: float
    devices: Mapping[int, Mapping[str, float]]
    streams: Mapping[Stream, float]
    links: Mapping[Link, float]
    spread: float
    spans: Sequence[Span] | None = None

    def parts(self, device: int | None = None) -> dict[str, float]:
        """Seconds by part of a device, or on average; they sum to `seconds`.

        A task of the compute stream is booked as its work says; what others stretched it by is
        communication. So is time in which the device waits while a transfer of its own moves;
        where it is idle altogether, that is bubble.
        """
        of = list(self.devices.values()) if device is None else [self.devices[device]]
        return {part: sum(parts[part] for parts in of) / max(len(of), 1) for part in PARTS}

    @property
    def bubble(self) -> float:
        """The share of the devices' time in which they are idle altogether."""
        return self.parts()["bubble"] / self.seconds if self.seconds > 0 else 0.0

    def busy(self, stream: Stream) -> float:
        """Seconds in which a stream has a task."""
        return self.streams[stream]

    def utilisation(self) -> dict[Link, float]:
        """Of each link's capacity times the step's seconds, the share that was used."""
        return {
            link: seconds / self.seconds if self.seconds > 0 else 0.0
            for link, seconds in self.links.items()
        }

    def on(self, stream: Stream) -> list[Span]:
        """Spans of one stream, in order; they don't overlap."""
        return [span for span in self._kept() if span.stream == stream]

    def critical_path(self) -> list[Span]:
        """Spans from the start of the step to its end, each begun by the end of the one before."""
        spans = self._kept()
        path = [max(spans, key=lambda span: span.end)] if spans else []
        while path and path[-1].cause >= 0:
            path.append(spans[path[-1].cause])
        return path[::-1]

    def critical_parts(self) -> dict[str, float]:
        """Seconds of the critical path by part; they sum to `seconds`.

        What a span was stretched by is communication.
        """
        parts = dict.fromkeys(PARTS, 0.0)
        for span in self.critical_path():
            for part, seconds in span.work.parts:
                parts[part] += seconds
            parts["communication"] += max(span.end - span.begin - span.work.seconds, 0.0)
        return parts

    def _kept(self) -> Sequence[Span]:
        if self.spans is None:
            raise RuntimeError("the simulation ran without a trace: no spans were kept")
        return self.spans
