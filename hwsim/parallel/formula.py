"""A staged step by its closed form, where that holds: for sweeps, beside the event simulation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hwsim.errors import InputError
from hwsim.parallel import closed
from hwsim.parallel.closed import Declined, Passes, Sum
from hwsim.parallel.device import Device
from hwsim.parallel.pieces import Cut, Pieces, Shared
from hwsim.parallel.price import total
from hwsim.parallel.program import PARTS, Work
from hwsim.parallel.ranks import seats
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
    sums = [list(_sums_of(cut, chunk)) for chunk in range(len(staged.chunks))]
    updates = [staged.update(stage) for stage in range(plan.pp)]
    late = [_late(cut, stage) for stage in range(plan.pp)]
    after = [_seconds(cut.after_update(stage)) + late[stage] for stage in range(plan.pp)]
    made = closed.step(
        plan.schedule,
        plan.pp,
        staged.slots // plan.time_chunks,
        Passes(*(np.array([[one.total] for one in column]) for column in columns)),
        virtual=plan.virtual,
        time_chunks=plan.time_chunks,
        hop=np.array([[hop] for hop in _hops(staged)]),
        sums=[[Sum(ready, work.seconds) for ready, work in found] for found in sums],
        update=np.array([[one.seconds + more] for one, more in zip(updates, after, strict=True)]),
    )
    if isinstance(made, Declined):
        return made
    seconds = float(np.max(made.seconds))
    stretch, doubt = _hidden(cut)
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


def _sums_of(cut: Cut, chunk: int) -> Iterator[tuple[float, Work]]:
    """Sums of a chunk's gradients, each with when it is ready: before the end of its last pass."""
    if not cut.sums:
        return
    kind = "W" if cut.staged.plan.schedule == "zero-bubble" else "BW"
    pieces = cut.summing(cut.staged.chunks[chunk], kind)
    left = sum(piece.seconds.total for piece in pieces)
    for piece in pieces[:-1]:
        left -= piece.seconds.total
        yield from ((-left, work) for _, work in piece.sums)
    yield from ((0.0, work) for _, work in pieces[-1].sums)


def _hidden(cut: Cut) -> tuple[float, float]:
    """Seconds by which hidden sums stretch the last backward pass, and how many more it may be.

    On one stage the first is exact. In a pipeline each stage's stretch may delay the stages before
    it or be hidden in a bubble: half of it is taken. What exchanges and hops on the same links lose
    is bounded.
    """
    staged = cut.staged
    kind = "W" if staged.plan.schedule == "zero-bubble" else "BW"
    stretched, doubt = [], 0.0
    used: set[object] = set()
    for layers in staged.chunks if cut.sums else ():
        pieces = cut.summing(layers, kind)
        hidden = [work for piece in pieces[:-1] for _, work in piece.sums]
        kinds = {link for work in hidden for link, _ in work.loads}
        stretched.append(_stretch(pieces))
        doubt += sum(
            said.work.seconds
            for piece in pieces
            for _, one in piece.passes
            for said in one.said
            if hidden and kinds.intersection(link for link, _ in said.work.loads)
        )
        used |= {link for piece in pieces for _, work in piece.sums for link, _ in work.loads}
    doubt += sum(hop.seconds for hop in staged.hops if used.intersection(k for k, _ in hop.loads))
    if staged.plan.pp == 1:
        return sum(stretched), doubt
    return sum(stretched) / 2, sum(stretched) / 2 + doubt


def _stretch(pieces: Pieces) -> float:
    """Seconds by which a pass takes longer because its own sums run beside it.

    A sum takes its share of the device's compute while it runs; sums follow one another.
    """
    now = free = 0.0
    moving: list[tuple[float, float, float]] = []  # from, until, share taken
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
    return now - sum(piece.seconds.total for piece in pieces)


def _late(cut: Cut, stage: int) -> float:
    """Seconds of what is summed once, when all gradients of a stage are there."""
    device = Device(cut, seats(cut.staged.plan, everyone=False)[stage])
    return sum(task.work.seconds for task in device.late)


def _seconds(shared: Shared) -> float:
    return sum(work.seconds for _, work in shared)
