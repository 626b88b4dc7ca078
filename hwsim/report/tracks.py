"""A timeline as rows for a reader: whose they are, and what each span does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hwsim.parallel.plan import Plan
from hwsim.parallel.program import COMPUTE, Stream
from hwsim.simulate.timeline import Span, Timeline


class Kind(NamedTuple):
    """What a span does: its name, its letter and style on a terminal, its color in a picture."""

    name: str
    letter: str
    style: str
    color: str


FORWARD = Kind("forward", "F", "blue", "#4269d0")
BACKWARD = Kind("backward", "B", "green", "#3ca951")
WEIGHTS = Kind("weights", "W", "cyan", "#6cc5b0")
UPDATE = Kind("update", "U", "magenta", "#a463f2")
OTHER = Kind("other kernels", "K", "red", "#9c6b4e")
MOVING = Kind("communication", "=", "yellow", "#efb118")
IDLE = Kind("idle", ".", "dim", "#e9e9e9")
KINDS = (FORWARD, BACKWARD, WEIGHTS, UPDATE, OTHER, MOVING)
_NAMED = {kind.name: kind for kind in (FORWARD, BACKWARD, WEIGHTS, UPDATE)}


class Run(NamedTuple):
    """Spans of one kind and micro-batch that follow each other at once."""

    begin: float
    end: float
    kind: Kind
    micro: int


class Track(NamedTuple):
    """The spans of one stream in order, and the name of its device."""

    stream: Stream
    device: str
    spans: Sequence[Span]


def kind(span: Span) -> Kind:
    """A kernel's kind is the first word of its name; on other streams all spans move bytes."""
    if span.stream.kind != COMPUTE:
        return MOVING
    return _NAMED.get(span.name.partition(" ")[0], OTHER)


def tracks(timeline: Timeline, plan: Plan) -> list[Track]:
    """One track for each stream that did something: by stage, then device, what computes first."""
    found: dict[Stream, list[Span]] = {}
    for span in timeline.spans or ():
        found.setdefault(span.stream, []).append(span)
    order = sorted(
        found, key=lambda s: (stage(s.device, plan), s.device, s.kind != COMPUTE, s.kind)
    )
    return [
        Track(stream, device_name(stream.device, plan), sorted(found[stream], key=_begin))
        for stream in order
    ]


def runs(spans: Iterable[Span]) -> Iterator[Run]:
    """Spans of one stream in order, those of no length left out."""
    run: Run | None = None
    for span in spans:
        if span.end <= span.begin:
            continue
        now = Run(span.begin, span.end, kind(span), span.micro)
        if run is not None and run[1:] == (now.begin, now.kind, now.micro):
            run = run._replace(end=now.end)
            continue
        if run is not None:
            yield run
        run = now
    if run is not None:
        yield run


def evenly(count: int, most: int) -> list[int]:
    """At most `most` (2 or more) of `count` numbers, the first and the last among them.

    >>> evenly(7, 3), evenly(2, 3)
    ([0, 3, 6], [0, 1])
    """
    if count <= most:
        return list(range(count))
    return [round(number * (count - 1) / (most - 1)) for number in range(most)]


def stage(device: int, plan: Plan) -> int:
    """The pipeline stage of a device.

    >>> stage(24, Plan(tp=8, pp=4))
    3
    """
    return device // plan.stride("pp") % plan.pp


def device_name(device: int, plan: Plan) -> str:
    """A device as readers know it.

    >>> device_name(24, Plan(tp=8, pp=4)), device_name(1, Plan(dp=2))
    ('stage 3 (device 24)', 'device 1')
    """
    if plan.pp == 1:
        return f"device {device}"
    return f"stage {stage(device, plan)} (device {device})"


def _begin(span: Span) -> tuple[float, float]:
    return span.begin, span.end
