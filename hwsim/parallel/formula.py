"""A staged step by its closed form, where that holds: for sweeps, beside the event simulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hwsim.errors import InputError
from hwsim.parallel import closed
from hwsim.parallel.closed import Declined, Passes, Sum
from hwsim.parallel.pieces import Cut, Pieces, Shared
from hwsim.parallel.priced import PricedLayer, total
from hwsim.parallel.program import PARTS, Work
from hwsim.parallel.staged import Staged

CLAIM = 0.01  # how far the closed form may be from the event simulation
# Half of it is for what sums of gradients, while they are hidden, take from the kernels.
HIDDEN = CLAIM / 2
MOST_SLOTS = 50_000


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
    plan, cut = staged.plan, Cut(staged)
    reason = _beyond(cut)
    if reason:
        return Declined(reason)
    columns = [
        [total(getattr(layer, way) for layer in chunk) for chunk in staged.chunks]
        for way in ("forward", "inputs", "weights")
    ]
    ends = [_last_pass(cut, layers) for layers in staged.chunks]
    updates = [staged.update(stage) for stage in range(plan.pp)]
    late = [_seconds(cut.late(stage)) for stage in range(plan.pp)]
    after = [_seconds(cut.after_update(stage)) + late[stage] for stage in range(plan.pp)]
    made = closed.step(
        plan.schedule,
        plan.pp,
        staged.slots // plan.time_chunks,
        Passes(*(np.array([[one.total] for one in column]) for column in columns)),
        virtual=plan.virtual,
        time_chunks=plan.time_chunks,
        hop=np.array([[hop] for hop in _hops(staged)]),
        sums=[end.sums for end in ends],
        update=np.array([[one.seconds + more] for one, more in zip(updates, after, strict=True)]),
    )
    if isinstance(made, Declined):
        return made
    seconds = float(np.max(made.seconds))
    stretch, doubt = _hidden(cut, ends)
    seconds += stretch
    if any(late):  # the first and the last stage sum a matrix together, then both update
        doubt += max(updates[-1].seconds - updates[0].seconds, 0.0)
    if doubt > HIDDEN * seconds:
        return Declined("traffic that goes on at the same time slows kernels or other traffic")
    busy = total(one for column in columns for one in column)
    parts = dict.fromkeys(PARTS, 0.0)
    for name in ("compute", "memory", "launch", "communication"):
        parts[name] = staged.slots / plan.pp * float(getattr(busy, name))
    parts["update"] = sum(one.seconds for one in updates) / plan.pp
    parts["communication"] += float(np.max(made.exposed)) + sum(after) / plan.pp + stretch
    parts["bubble"] = seconds - sum(parts.values())
    return Found(seconds, busy.work().spread, parts)


def _beyond(cut: Cut) -> str:
    """Why a plan has no closed form, if it has none."""
    staged = cut.staged
    plan = staged.plan
    if cut.sums and plan.zero >= 2:
        return f"ZeRO {plan.zero} sums gradients in every micro-batch"
    if cut.gathers_ahead:
        return "sharded parameters are gathered during the forward pass"
    if staged.ring:
        return "a recurrence is cut inside its time step"
    if plan.offload == "activations":
        return "activations come and go over the host's link"
    if plan.pp > 1 and plan.schedule != "gpipe" and staged.slots * plan.virtual > MOST_SLOTS:
        return f"more than {MOST_SLOTS:,} passes of a stage take longer than their simulation"
    for stage in range(plan.pp):
        sent = [work.seconds for work in staged.hops[stage :: plan.pp]]
        if sent and max(sent) > min(sent):
            return "the chunks of a stage send different amounts"
    return ""


def _hops(staged: Staged) -> list[float]:
    """Seconds from each stage to the next."""
    pp = staged.plan.pp
    return [
        max((work.seconds for work in staged.hops[stage::pp]), default=0.0) for stage in range(pp)
    ]


class _Last(NamedTuple):
    """The last backward pass of a chunk: its pieces, the sums of its gradients, and the seconds by
    which those that it hides stretch it."""

    pieces: Pieces
    sums: list[Sum]
    stretch: float

    @property
    def hidden(self) -> list[Work]:
        return [work for piece in self.pieces[:-1] for _, work in piece.sums]


def _last_pass(cut: Cut, layers: Sequence[PricedLayer]) -> _Last:
    """A sum takes its share of the device's compute while it runs; sums follow one another."""
    if not cut.sums:
        return _Last((), [], 0.0)
    pieces = cut.summing(layers, "W" if cut.staged.plan.schedule == "zero-bubble" else "BW")
    now = free = 0.0
    moving: list[tuple[float, float, float]] = []  # from, until, share taken
    ready: list[tuple[float, float]] = []
    for piece in pieces:
        left = piece.seconds.total
        for begin, end, taken in moving:
            idle = max(min(begin - now, left), 0.0)
            now, left = now + idle, left - idle
            if left <= 0 or end <= now:
                continue
            done = min((end - now) * (1 - taken), left)
            now, left = now + done / (1 - taken), left - done
        now += left
        moving = [one for one in moving if one[1] > now]
        for _, work in piece.sums:
            begin = max(now, free)
            free = begin + work.seconds
            moving.append((begin, free, work.taken))
            ready.append((now, work.seconds))
    sums = [Sum(at - now, seconds) for at, seconds in ready]
    return _Last(pieces, sums, now - sum(piece.seconds.total for piece in pieces))


def _hidden(cut: Cut, ends: Sequence[_Last]) -> tuple[float, float]:
    """Seconds by which hidden sums stretch a step, and how many more or fewer it may be.

    On one stage the first is exact. In a pipeline each stage's stretch may delay the stages before
    it or be hidden in a bubble: half of it is taken. What exchanges and hops on the same links lose
    is bounded, and what sums of one chunk take from passes of another on the same stage.
    """
    staged = cut.staged
    plan = staged.plan
    turn = plan.pp if plan.virtual > 1 else 1  # passes that follow a chunk's last one
    doubt = 0.0
    used: set[object] = set()
    for number, end in enumerate(ends):
        works = [work for piece in end.pieces for _, work in piece.sums]
        beside = end.hidden if plan.virtual == 1 else works
        kinds = {link for work in beside for link, _ in work.loads}
        spoken = sum(
            said.work.seconds
            for piece in end.pieces
            for _, one in piece.passes
            for said in one.said
            if kinds.intersection(link for link, _ in said.work.loads)
        )
        doubt += min(turn * spoken, sum(work.seconds for work in beside))
        if number >= plan.pp:
            doubt += sum(work.seconds * work.taken for work in works)
        used |= {link for work in works for link, _ in work.loads}
    doubt += sum(hop.seconds for hop in staged.hops if used.intersection(k for k, _ in hop.loads))
    stretch = sum(end.stretch for end in ends)
    if plan.pp == 1:
        return stretch, doubt
    return stretch / 2, stretch / 2 + doubt


def _seconds(shared: Shared) -> float:
    return sum(work.seconds for _, work in shared)
