"""The streams of a device that move bytes: each takes from the schedule what it carries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from hwsim.parallel.device import AHEAD, Device
from hwsim.parallel.pieces import Shared
from hwsim.parallel.priced import Said
from hwsim.parallel.program import Task, Token, Work
from hwsim.parallel.program import plain as plain_task
from hwsim.parallel.schedule import Slot
from hwsim.parallel.variant import said_in


def activations(device: Device) -> Iterator[Task]:
    """What goes on to the next chunk's stage."""
    return _messages(device, "F")


def gradients(device: Device) -> Iterator[Task]:
    """What goes back to the stage of the chunk before."""
    return _messages(device, "B")


def _messages(device: Device, kind: Literal["F", "B"]) -> Iterator[Task]:
    """They load their link where sums or gathers go on beside them, and where links may differ."""
    pp, besides = device.plan.pp, device.besides[kind]
    found: list[tuple[Work, Work, int, int] | None] = []
    for chunk in range(device.staged.rounds):
        message = device.message(kind, chunk)
        if message is None:
            found.append(None)
            continue
        beside, there = message
        company = device.loaded or next(device.variants(kind, chunk))[0].loaded
        alone = beside if company else beside._replace(loads=())
        takes = device.token(f"{kind} out", Slot(kind, chunk, 0))
        target, slot = device.seat.on(device.plan, there % pp), Slot(kind, there // pp, 0)
        found.append((alone, beside, takes, device.token(f"{kind} in", slot, target)))
    for chunk, micro in device.staged.passes(kind):
        sent = found[chunk]
        if sent is not None:
            alone, beside, takes, gives = sent
            work = beside if micro in besides else alone
            yield plain_task("send", work, (takes + micro,), (gives + micro,), micro)


def gathers(device: Device) -> Iterator[Task]:
    """Sharded parameters, as the layers that need them come."""
    rank, limited = device.seat.device, device.plan.zero == 3
    for run in device.walk():
        number = run.gathered
        for piece in run.variant.pieces:
            if not piece.gathers:
                continue
            free: tuple[Token, ...] = (("free", rank, number),)
            takes = free if limited and number >= AHEAD else ()
            done = ("gathered", rank, number)
            yield from _together(
                device, "gather", piece.gathers, takes, done, number, run.slot.micro
            )
            number += 1
    if device.refreshed:
        yield from _together(device, "gather", device.refreshed, (("updated", rank),), None, "new")


def sums(device: Device) -> Iterator[Task]:
    """Gradients, bucket by bucket, and what is left to say before the update."""
    rank = device.seat.device
    waiting: Task | None = None
    for task in _summing(device):
        if waiting is not None:
            yield waiting
        waiting = task
    if waiting is not None:
        yield waiting._replace(gives=(*waiting.gives, ("summed", rank)))


def _summing(device: Device) -> Iterator[Task]:
    rank = device.seat.device
    for run in device.walk():
        number = run.summed
        for piece in run.variant.pieces:
            if piece.sums:
                takes: tuple[Token, ...] = (("ready", rank, number),)
                yield from _together(device, "sum", piece.sums, takes, None, number, run.slot.micro)
                number += 1
    if device.late:
        yield from _together(device, "sum", device.late, (("done", rank),), None, "late")


def exchanges(device: Device, axis: str) -> Iterator[Task]:
    """What operators say along an axis where their kernels are tasks of their own."""
    rank = device.seat.device
    for run in device.walk():
        if not run.variant.fine:
            continue
        for number, (one, last) in enumerate(said_in(run.variant), start=run.said):
            if one.exchange.axis == axis:
                loaded = run.variant.loaded or device.loaded
                work = device.own(_seen(one, loaded=loaded))
                work = work._replace(priority=int(device.plan.prioritize))
                done = ("said", rank, number) if last else ("say", rank, number + 1)
                task = Task(
                    one.exchange.name, work, (("say", rank, number),), (done,), run.slot.micro
                )
                yield device.met(task, axis, number)


def evicted(device: Device) -> Iterator[Task]:
    """Activations on their way to the host, layer by layer."""
    rank = device.seat.device
    for (_, chunk, micro), place, number, work in _copies(device, "F"):
        takes: tuple[Token, ...] = (("kept", rank, number),)
        gives = (("away", rank, chunk, micro, place), ("left", rank, number + AHEAD))
        yield Task("to host", device.own(work), takes, gives, micro)


def fetched(device: Device) -> Iterator[Task]:
    """Activations on their way back, the last layer's first; no more than the next two need."""
    rank = device.seat.device
    for (_, chunk, micro), place, number, work in _copies(device, "B"):
        takes: tuple[Token, ...] = (("away", rank, chunk, micro, place),)
        if number >= AHEAD:
            takes = (*takes, ("room", rank, number))
        yield Task("from host", device.own(work), takes, (("back", rank, number),), micro)


def _copies(device: Device, kind: str) -> Iterator[tuple[Slot, int, int, Work]]:
    """Every copy in one direction: its slot, the place of its layer in the chunk, the number of the
    copy, and its work."""
    for run in device.walk():
        if run.slot.kind != kind:
            continue
        works = [piece.copied for piece in run.variant.pieces if piece.copied is not None]
        for number, work in enumerate(works):
            place = number if kind == "F" else len(works) - 1 - number
            yield run.slot, place, run.copied + number, work


def _together(
    device: Device,
    name: str,
    works: Shared,
    takes: tuple[Token, ...],
    done: Token | None,
    number: Token,
    micro: int = -1,
) -> Iterator[Task]:
    """Collectives in a row: the first waits for `takes`, the last gives `done`."""
    for place, (axis, work) in enumerate(works, start=1):
        gives = (done,) if done is not None and place == len(works) else ()
        task = Task(name, device.own(work), takes, gives, micro)
        yield device.met(task, axis, (name, number))
        takes = ()


def _seen(one: Said, *, loaded: bool) -> Work:
    """An exchange for as long as computing waits for it."""
    seconds, work = one.seen.total, one.work
    share = seconds / work.seconds if work.seconds else 0.0
    return work._replace(
        seconds=seconds,
        parts=(("communication", seconds),),
        fixed=work.fixed * share,
        loads=work.loads if loaded else (),
        taken=work.taken if loaded else 0.0,
    )
