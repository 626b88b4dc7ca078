"""A staged step by its closed form, where that holds: for sweeps, beside the event simulation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from hwsim.errors import InputError
from hwsim.parallel import closed
from hwsim.parallel.closed import Declined, Floats, Passes
from hwsim.parallel.pieces import Cut, Shared, gathers_ahead
from hwsim.parallel.plan import Plan
from hwsim.parallel.priced import PricedLayer, Seconds, total
from hwsim.parallel.program import PARTS
from hwsim.parallel.staged import Staged
from hwsim.parallel.tails import Moved, Tail, crowded, gathered, links, louder, moved

CLAIM = 0.01  # how far the closed form may be from the event simulation
# Half of it is for what sums of gradients, while they are hidden, take from the kernels.
HIDDEN = CLAIM / 2
ROUNDING = 1e-12
RING = "a recurrence is cut inside its time step"
UNEVEN = "the chunks of a stage send different amounts"
DOUBTFUL = "traffic that goes on at the same time slows kernels or other traffic"


class Found(NamedTuple):
    """Seconds of a step, their parts, and the spread of the logarithm of its time."""

    seconds: float
    spread: float
    by_part: dict[str, float]

    def parts(self) -> dict[str, float]:
        """Seconds by part, which sum to the step's."""
        return self.by_part


def formula(staged: Staged) -> Found:
    """The step of a plan without simulating it.

    Raises InputError, with the reason, where the closed form claims nothing.
    """
    found = attempt(staged)
    if isinstance(found, Declined):
        instead = "leave this plan to the event simulation: --engine events"
        raise InputError(
            "--engine closed", f"found a plan without closed form: {found.reason}", instead
        )
    return found


def attempt(staged: Staged) -> Found | Declined:
    """The step, or why the closed form claims nothing of it."""
    made = whole(staged)
    if isinstance(made, Declined):
        return made
    if made.doubtful:
        return Declined(DOUBTFUL)
    parts = {name: float(seconds) for name, seconds in made.parts.items()}
    return Found(float(made.seconds), float(made.spread), parts)


def whole(staged: Staged) -> Completed | Declined:
    """The step, its figures numbers or arrays over points, or why none has a closed form."""
    plan, cut = staged.plan, Cut(staged)
    reason = RING if staged.ring else beyond(plan, sums=cut.sums, hides=staged.pricer.hides)
    if not reason and _uneven(staged):
        reason = UNEVEN
    if reason:
        return Declined(reason)
    columns = [
        [total(getattr(layer, way) for layer in chunk) for chunk in staged.chunks]
        for way in ("forward", "inputs", "weights")
    ]
    lasts: dict[tuple[int, ...], Last] = {}
    for layers in staged.chunks:
        same = tuple(map(id, layers))
        if same not in lasts:
            lasts[same] = _last_pass(cut, layers)
    tails = [(last.tail.now, last.tail.free) for last in lasts.values()]
    forward, inputs, weights, hop, updates, after = _rows(
        *([one.total for one in column] for column in columns),
        _hops(staged),
        [staged.update(stage).seconds for stage in range(plan.pp)],
        [_seconds(cut.after_update(stage)) + _seconds(cut.late(stage)) for stage in range(plan.pp)],
        axes=max((np.ndim(one) for one in chain.from_iterable(tails)), default=0),
    )
    ends = closed.gradients(
        plan.schedule,
        plan.pp,
        staged.slots,
        Passes(forward, inputs, weights),
        virtual=plan.virtual,
        hop=hop,
        alike=True,
    )
    return completed(
        plan.pp,
        staged.slots,
        ends,
        total(one for column in columns for one in column),
        [lasts[tuple(map(id, layers))] for layers in staged.chunks] if cut.sums else [],
        updates,
        after,
        late=any(cut.late(stage) for stage in range(plan.pp)),
        back=inputs + (-math.inf if plan.schedule == "zero-bubble" else weights),
        hops=[(hop.seconds, links(hop)) for hop in staged.hops],
        ahead=_gathers(cut) if cut.gathers_ahead else (0.0, 0.0),
    )


def _rows(*columns: Sequence[Any], axes: int) -> Iterator[Floats]:
    """Each column's numbers, or arrays over points, one below the other; as many axes of points in
    all, `axes` or more."""
    axes = max(axes, *(np.ndim(value) for column in columns for value in column))
    for column in columns:
        found = np.stack(np.broadcast_arrays(*column))
        yield found.reshape(found.shape + (1,) * (axes + 1 - found.ndim))


class Completed(NamedTuple):
    """Seconds of a step, their parts and spread, and whether they may be too far off: numbers, or
    arrays over points."""

    seconds: Any
    parts: dict[str, Any]
    spread: Any
    doubtful: Any


def completed(
    stages: int,
    slots: Any,
    ends: Floats,
    busy: Seconds,
    lasts: Sequence[Last],
    updates: Floats,
    after: Floats,
    *,
    late: Any,
    back: Floats,
    hops: Sequence[tuple[Any, Any]],
    ahead: tuple[Any, Any] = (0.0, 0.0),
) -> Completed:
    """A step whose chunks have their gradients at `ends` (chunks, points...).

    `busy` is one micro-batch through all chunks, `lasts` what each sums behind its last pass;
    `updates` and what is said `after` them are (stages, points...), `late` whether the first and
    the last stage sum a matrix together, `back` the seconds of each chunk's last pass, -infinity
    where it doesn't wait for that of the chunk behind, `hops` the seconds and links of each
    transfer, `ahead` what `first_passes` finds.
    """
    sums = [[last.tail.sum] for last in lasts]
    ends = _stretched(ends, lasts, back, [seconds for seconds, _ in hops], stages)
    made = closed.finished(ends, np.zeros_like(ends), stages, sums=sums, update=updates + after)
    delay, doubt = _hidden(stages, lasts, hops)
    delay, doubt = delay + ahead[0], doubt + ahead[1]
    seconds = made.seconds + delay
    # The first and the last stage sum a matrix together, then both update.
    doubt = doubt + np.where(late, np.maximum(updates[-1] - updates[0], 0.0), 0.0)
    parts: dict[str, Any] = dict.fromkeys(PARTS, 0.0)
    for name in ("compute", "memory", "launch", "communication"):
        parts[name] = slots / stages * getattr(busy, name)
    parts["update"] = updates.sum(axis=0) / stages
    longer = sum((last.tail.stretch for last in lasts), start=0.0) / stages
    said = made.exposed + after.sum(axis=0) / stages + longer + ahead[0]
    parts["communication"] = parts["communication"] + said
    rest = seconds - sum(parts.values())
    parts["bubble"] = np.where(np.abs(rest) < ROUNDING * seconds, 0.0, rest)
    return Completed(seconds, parts, busy.spread, doubt > HIDDEN * seconds)


def beyond(plan: Plan, *, sums: bool, hides: bool) -> str:
    """Why a plan has no closed form, if it has none: whether it `sums` gradients over devices, and
    `hides` transfers behind computing."""
    if sums and plan.zero >= 2:
        return f"ZeRO {plan.zero} sums gradients in every micro-batch"
    if plan.virtual > 1 and gathers_ahead(plan.zero, plan.overlap, hides, sums):
        return "sharded parameters are gathered during the first passes of several chunks"
    if plan.offload == "activations":
        return "activations come and go over the host's link"
    if plan.pp > 1 and plan.schedule != "gpipe" and plan.time_chunks > 1:
        return f"a wavefront along time in the order {plan.schedule} has no closed form"
    return ""


def _uneven(staged: Staged) -> bool:
    """Whether the chunks of a stage send different amounts."""
    pp = staged.plan.pp
    sent = ([work.seconds for work in staged.hops[stage::pp]] for stage in range(pp))
    return any(bool(np.any(one != some[0])) for some in sent for one in some)


def _hops(staged: Staged) -> list[Any]:
    """Seconds from each stage to the next."""
    sent = [work.seconds for work in staged.hops[: staged.plan.pp]]
    return [*sent, *[0.0] * (staged.plan.pp - len(sent))]


class Last(NamedTuple):
    """The last backward pass of a chunk with its sums. `crossed` are the seconds that sums and
    exchanges on the same links may lose to each other; `loud` the loads of the exchanges. Where
    several chunks share a stage, sums take `taken` seconds of the next chunk's compute."""

    tail: Tail
    crossed: Any
    loud: Any = 0
    taken: Any = 0.0


def last_of(tail: Tail, said: Iterable[tuple[Any, Any]], stages: int, virtual: int) -> Last:
    """The pass of a chunk of a pipeline with the seconds and links of its exchanges."""
    alone = virtual == 1
    meet, beside = (tail.crossed, tail.hidden) if alone else (tail.links, tail.moved)
    turn = 1 if alone else stages  # passes that follow a chunk's last one
    lost, loud = _lost(said, meet, tail.share)
    return Last(tail, np.minimum(turn * lost, beside), loud, 0.0 if alone else tail.taken)


def _lost(said: Iterable[tuple[Any, Any]], links: Any, share: Any) -> tuple[Any, Any]:
    """Seconds by which exchanges may be longer beside transfers on these `links`, or shorter than
    kernels would be, of whose compute those take a `share`; and their loads."""
    lost: Any = 0.0
    loud: Any = 0
    for seconds, kinds in said:
        lost = lost + seconds * np.maximum(crowded(links, kinds), share)
        loud = louder(loud, np.where(seconds > 0, kinds, 0))
    return lost, loud


def _last_pass(cut: Cut, layers: Sequence[PricedLayer]) -> Last:
    """A sum takes its share of the device's compute while it runs; sums follow one another."""
    plan, tail = cut.staged.plan, Tail()
    if not cut.sums:
        return Last(tail, 0.0)
    pieces = cut.summing(layers, "W" if plan.schedule == "zero-bubble" else "BW")
    for piece in pieces:
        tail = tail.then(piece.seconds.total, [moved(work) for _, work in piece.sums])
    said = [said.work for piece in pieces for _, one in piece.passes for said in one.said]
    return last_of(tail, [(one.seconds, links(one)) for one in said], plan.pp, plan.virtual)


class First(NamedTuple):
    """The first forward pass of a stage: seconds of its layers, each with what is gathered before
    it, and the seconds that exchanges may lose to that."""

    layers: Sequence[tuple[Any, Sequence[Moved]]]
    lost: Any


def first_passes(stages: Iterable[First], hops: Sequence[Any]) -> tuple[Any, Any]:
    """Seconds by which gathering parameters ahead delays a step, and how many more or fewer it may
    be.

    All that a step does is behind the first pass of the first stage; those of the other stages may
    wait in a bubble: half of what they take longer counts.
    """
    begin: Any = 0.0
    delays, doubt = [], 0.0
    for one, hop in zip(stages, hops, strict=True):
        delay, until = gathered(one.layers, begin)
        doubt = doubt + np.minimum(one.lost, np.maximum(until - begin, 0.0))
        begin = begin + sum(seconds for seconds, _ in one.layers) + delay + hop
        delays.append(delay)
    rest = sum(delays[1:], start=0.0) / 2
    return delays[0] + rest, doubt + rest


def first_of(
    layers: Sequence[tuple[Any, Sequence[Moved]]], said: Iterable[tuple[Any, Any]]
) -> First:
    """A first pass through `layers` with the seconds and links of its exchanges."""
    used, share = 0, 0.0
    for one in chain.from_iterable(gathers for _, gathers in layers):
        used, share = louder(used, one.links), np.maximum(share, one.taken)
    return First(layers, _lost(said, used, share)[0])


def _gathers(cut: Cut) -> tuple[Any, Any]:
    """`first_passes` of a step on whose stages parameters are gathered ahead."""
    found = []
    for layers in cut.staged.chunks:
        pieces = cut.gathering(layers, "F")
        said = [said.work for piece in pieces for _, one in piece.passes for said in one.said]
        found.append(
            first_of(
                [(one.seconds.total, [moved(work) for _, work in one.gathers]) for one in pieces],
                [(one.seconds, links(one)) for one in said],
            )
        )
    return first_passes(found, _hops(cut.staged))


def _hidden(stages: int, lasts: Sequence[Last], hops: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Seconds by which hidden sums stretch a step, and how many more or fewer it may be.

    With one chunk on each stage the ends of its passes have it already. With several, a stretch may
    delay the stages before or be hidden in a bubble: half of it is taken. What exchanges and hops
    on the same links lose is bounded, and what sums of one chunk take from passes of another on the
    same stage.
    """
    doubt: Any = 0.0
    used: Any = 0
    loud: Any = 0
    for number, last in enumerate(lasts):
        doubt = doubt + last.crossed + (last.taken if number >= stages else 0.0)
        used, loud = louder(used, last.tail.links), louder(loud, last.loud)
    if lasts:
        for seconds, kinds in hops:
            doubt = doubt + seconds * crowded(used, kinds, third=loud)
    if len(lasts) <= stages:
        return 0.0, doubt
    stretch = sum((last.tail.stretch for last in lasts), start=0.0)
    return stretch / 2, stretch / 2 + doubt


def _stretched(
    ends: Floats, lasts: Sequence[Last], back: Floats, hops: Sequence[Any], stages: int
) -> Floats:
    """`ends` with what sums stretch the last pass of each stage, where it has one chunk: the stage
    before waits for it, unless that pass is of weights alone."""
    if not lasts or len(lasts) > stages:
        return ends
    rows = [ends[-1] + lasts[-1].tail.stretch]
    for stage in range(stages - 2, -1, -1):
        came = rows[-1] + hops[stage] + back[stage]
        rows.append(np.maximum(ends[stage], came) + lasts[stage].tail.stretch)
    return np.stack(np.broadcast_arrays(*rows[::-1]))


def _seconds(shared: Shared) -> Any:
    return sum(work.seconds for _, work in shared)
