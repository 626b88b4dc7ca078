"""The tasks of one device: its kernels in the order of the schedule, and its traffic.

Every stream walks the same schedule on its own and takes from it what it carries, so that nothing
is kept for a step of any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple

from hwsim.parallel.pieces import Cut, Piece, Shared
from hwsim.parallel.plan import Plan
from hwsim.parallel.priced import PricedLayer
from hwsim.parallel.program import Task, Token, Work
from hwsim.parallel.program import plain as plain_task
from hwsim.parallel.ranks import ENDS, Seat
from hwsim.parallel.schedule import Pass as Kind
from hwsim.parallel.schedule import Slot
from hwsim.parallel.staged import Staged
from hwsim.parallel.variant import Variant, said_in, variant

AHEAD = 2  # layers whose gathered parameters are there at a time: this one's and the next one's
# What a slot waits for or gives away, beside its own device's gathers, sums, copies and exchanges.
TOKENS = ("F in", "F out", "B in", "B out")
KINDS: tuple[Kind, ...] = ("F", "B", "W")
NAMES = {"F": "forward", "B": "backward", "W": "weights"}
AXES = ("tp", "cp", "ep")
Tasks = Callable[[], Iterator[Task]]


class Plain(NamedTuple):
    """A slot that is one task. It takes and gives tokens whose numbers are `takes` and `gives` plus
    its micro-batch (-1: none); of its kind and chunk all are so but those `besides`."""

    name: str
    work: Work
    takes: int
    gives: int
    besides: range


class Run(NamedTuple):
    """A slot that is more than one task, and how many pieces with gathers, pieces with sums,
    copies in its direction and exchanges came before it."""

    slot: Slot
    variant: Variant
    gathered: int
    summed: int
    copied: int
    said: int


@dataclass
class Device:
    """One simulated device; with `everyone` its collectives wait for their other members, with
    `detail` every operator is a task, with `loaded` all that moves loads its links."""

    cut: Cut
    seat: Seat
    everyone: bool = False
    detail: bool = False
    loaded: bool = False
    _variants: dict[tuple[str, int, bool, bool], Variant] = field(default_factory=dict)

    @property
    def staged(self) -> Staged:
        return self.cut.staged

    @property
    def plan(self) -> Plan:
        return self.cut.staged.plan

    @cached_property
    def chunks(self) -> tuple[tuple[PricedLayer, ...], ...]:
        return self.staged.on(self.seat.stage)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of slots that the schedule has."""
        return KINDS if self.staged.kind == "zero-bubble" else KINDS[:2]

    @cached_property
    def exchanged(self) -> tuple[str, ...]:
        """Axes whose exchanges are tasks of their own, in some slot at least."""
        found = {
            one.exchange.axis
            for kind, chunk in product(self.kinds, range(self.staged.rounds))
            for how, times in self.variants(kind, chunk)
            if how.fine and times
            for one, _ in said_in(how)
        }
        return tuple(axis for axis in AXES if axis in found)

    @cached_property
    def is_gathered(self) -> bool:
        sharded = self.plan.zero == 3 and self.cut.sums
        return sharded or self.cut.gathers_ahead or bool(self.refreshed)

    @cached_property
    def is_summed(self) -> bool:
        return self.cut.sums or bool(self.late)

    @property
    def tasks(self) -> int:
        """About how many tasks the compute stream has."""
        usual = (
            self._variant(*at, False, False) for at in product(self.kinds, range(len(self.chunks)))
        )
        slots = self.staged.slots * self.staged.rounds // len(self.chunks)
        return slots * sum(one.tasks for one in usual)

    def walk(self) -> Iterator[Run]:
        """The slots that are more than one task, in the order of the schedule."""
        plains = self.plains
        slots = (
            slot
            for slot in self.staged.order(self.seat.stage)
            if (plain := plains[slot.kind][slot.chunk]) is None or slot.micro in plain.besides
        )
        return self._runs(slots)

    def compute(self) -> Iterator[Task]:
        """Kernels, slot by slot, and the update."""
        plains, runs = self.plains, self.walk()
        for slot in self.staged.order(self.seat.stage):
            kind, chunk, micro = slot
            plain = plains[kind][chunk]
            if plain is None or micro in plain.besides:
                yield from self._slot(next(runs))
            else:
                name, work, taken, given, _ = plain
                yield plain_task(
                    name,
                    work,
                    (taken + micro,) if taken >= 0 else (),
                    (given + micro,) if given >= 0 else (),
                    micro,
                )
        device = self.seat.device
        if self.late:  # said on a stream of its own, once the last gradient is there
            yield Task("end of backward", Work(0.0, ()), gives=(("done", device),))
        takes: tuple[Token, ...] = (("summed", device),) if self.is_summed else ()
        gives: tuple[Token, ...] = (("updated", device),) if self.refreshed else ()
        yield Task("update", self.staged.update(self.seat.stage), takes, gives)

    def _runs(self, slots: Iterable[Slot]) -> Iterator[Run]:
        gathered = summed = said = 0
        copied = dict.fromkeys("FBW", 0)
        for slot in slots:
            beside = slot.micro in self.besides[slot.kind]
            how = self._variant(slot.kind, slot.chunk, beside, self._is_edge(slot))
            yield Run(slot, how, gathered, summed, copied[slot.kind], said)
            copied[slot.kind] += how.copies
            gathered += how.gathers
            summed += how.sums
            said += how.says

    @cached_property
    def plains(self) -> dict[str, tuple[Plain | None, ...]]:
        """How the slots of each kind run in each chunk, where that is one task."""
        rounds = range(self.staged.rounds)
        return {kind: tuple(self._plain(kind, chunk) for chunk in rounds) for kind in KINDS}

    def variants(self, kind: Kind, chunk: int) -> Iterator[tuple[Variant, int]]:
        """How the slots of a kind and chunk run, and how many of them so."""
        beside, slots = len(self.besides[kind]), self.staged.slots
        edge = int(beside > 0 and self._is_edge(Slot(kind, chunk, self._edge(kind))))
        yield self._variant(kind, chunk, False, False), slots - beside
        if beside > edge:
            yield self._variant(kind, chunk, True, False), beside - edge
        if edge:
            yield self._variant(kind, chunk, True, True), edge

    def _plain(self, kind: Kind, chunk: int) -> Plain | None:
        usual = self._variant(kind, chunk, False, False)
        if usual.fine or usual.loaded or self.plan.offload == "activations":
            return None
        slot = Slot(kind, chunk, 0)
        takes, gives = (
            found[0] if found else -1 for found in (self._arrivals(slot), self._departures(slot))
        )
        return Plain(NAMES[kind], usual.works[0], takes, gives, self.besides[kind])

    @cached_property
    def besides(self) -> dict[str, range]:
        """Micro-batches whose slots run beside gathers or sums that happen once a step: of several
        chunks on a stage, all in the turn in which one of them has its first or last."""
        turn = self.plan.pp * self.staged.times if self.plan.virtual > 1 else 1
        first, last = (range(edge, edge + 1) for edge in (self._edge("F"), self._edge("B")))
        if turn > 1:
            first, last = range(turn), range(self.staged.slots - turn, self.staged.slots)
        none = range(0)
        sums = last if self.cut.sums else none
        return {"F": first if self.cut.gathers_ahead else none, "B": sums, "W": sums}

    def _edge(self, kind: str) -> int:
        """The slot that comes first of the forward ones, or last of the others."""
        if kind == "F" or self.staged.kind == "gpipe":
            return 0
        return self.staged.slots - self.staged.times

    def _is_edge(self, slot: Slot) -> bool:
        """Whether gathers or sums that happen once a step go with a slot: in a ring, with the first
        time step, which has the last gradients."""
        return slot.micro == self._edge(slot.kind) and not (self.staged.ring and slot.chunk)

    def layers(self, chunk: int) -> tuple[PricedLayer, ...]:
        """What a slot of this chunk goes through."""
        return self.chunks[chunk % len(self.chunks)]

    def _slot(self, run: Run) -> Iterator[Task]:
        """The tasks of one slot: one for each piece, or for each operator of it."""
        slot, how, device = run.slot, run.variant, self.seat.device
        takes: tuple[Token, ...] = self._arrivals(slot)
        name = NAMES[slot.kind]
        gathered, summed, copied, said = run.gathered, run.summed, run.copied, run.said
        last = len(how.pieces) - 1
        for number, (piece, work) in enumerate(zip(how.pieces, how.works, strict=True)):
            gives: tuple[Token, ...] = self._departures(slot) if number == last else ()
            if piece.copied is not None:
                comes, goes = self._copied(slot.kind, copied)
                takes, gives = (*takes, *comes), (*gives, *goes)
                copied += 1
            if piece.gathers:
                takes = (*takes, ("gathered", device, gathered))
                if self.plan.zero == 3:
                    gives = (*gives, ("free", device, gathered + AHEAD))
                gathered += 1
            if piece.sums:
                gives = (*gives, ("ready", device, summed))
                summed += 1
            if how.fine:
                yield from self._finely(piece, slot, takes, gives, said)
                said += sum(len(one.said) for _, one in piece.passes)
            else:
                yield Task(name, work, takes, gives, slot.micro)
            takes = ()

    def _finely(
        self,
        piece: Piece,
        slot: Slot,
        takes: tuple[Token, ...],
        gives: tuple[Token, ...],
        number: int,
    ) -> Iterator[Task]:
        """A task for each operator, which waits for what the one before had to say."""
        device, last = self.seat.device, len(piece.passes) - 1
        for place, (name, one) in enumerate(piece.passes):
            says = (("say", device, number),) if one.said else ()
            given = gives if place == last and not says else says
            yield Task(f"{NAMES[slot.kind]} {name}", one.work, takes, given, slot.micro)
            number += len(one.said)
            takes = (("said", device, number - 1),) if one.said else ()
        if takes or not piece.passes:
            yield Task(f"end of {NAMES[slot.kind]}", Work(0.0, ()), takes, gives, slot.micro)

    def number(self, chunk: int) -> int:
        """The number of a chunk of this stage among those of all stages."""
        return chunk * self.plan.pp + self.seat.stage

    @property
    def last(self) -> int:
        """The number of the last chunk of all stages."""
        return self.plan.pp * self.staged.rounds - 1

    def message(self, kind: Kind, chunk: int) -> tuple[Work, int] | None:
        """What a slot sends to another stage, and the number of the chunk that it goes to. Of the
        device's compute it takes nothing that could be told."""
        here = self.number(chunk)
        there = here + {"F": 1, "B": -1, "W": 0}[kind]
        if there == here or not 0 <= there <= self.last:
            return None
        work = self.own(self.staged.hop(min(here, there)))
        return work._replace(taken=0.0, priority=int(self.plan.prioritize)), there

    def token(self, name: str, slot: Slot, device: int | None = None) -> int:
        """A number for what comes to a slot of a `device` (this one), or goes out from it."""
        code = TOKENS.index(name)
        at = self.seat.device if device is None else device
        staged = self.staged
        number = (code * self.plan.devices + at) * staged.rounds + slot.chunk
        return number * staged.slots + slot.micro

    def _arrivals(self, slot: Slot) -> tuple[int, ...]:
        """What a slot waits for from another stage: activations or gradients."""
        end = {"F": 0, "B": self.last}.get(slot.kind)
        if end is None or self.number(slot.chunk) == end:
            return ()
        return (self.token(f"{slot.kind} in", slot),)

    def _departures(self, slot: Slot) -> tuple[int, ...]:
        """What a slot gives to the streams that carry its results to another stage."""
        end = {"F": self.last, "B": 0}.get(slot.kind)
        if end is None or self.number(slot.chunk) == end:
            return ()
        return (self.token(f"{slot.kind} out", slot),)

    def _copied(self, kind: str, number: int) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
        """What a layer's pass takes from and gives to the streams between device and host, on
        which no more than the next ones' activations are under way."""
        device = self.seat.device
        if kind == "F":
            left = (("left", device, number),) if number >= AHEAD else ()
            return left, (("kept", device, number),)
        return (("back", device, number),), (("room", device, number + AHEAD),)

    def met(self, task: Task, axis: str, number: Token) -> Task:
        """A collective that waits for its other members, where they are simulated."""
        if not self.everyone and axis != ENDS:
            return task
        circle = self.seat.circle(self.plan, axis)
        if circle.members == 1:
            return task
        return task._replace(meeting=(*circle.name, number), members=circle.members)

    @cached_property
    def refreshed(self) -> Shared:
        return self.cut.after_update(self.seat.stage)

    @cached_property
    def late(self) -> Shared:
        return self.cut.late(self.seat.stage)

    def _variant(self, kind: str, chunk: int, beside: bool, edge: bool) -> Variant:
        if kind == "B" and self.staged.kind != "zero-bubble":
            kind = "BW"
        key = (kind, chunk % len(self.chunks), beside, edge)
        if key not in self._variants:
            self._variants[key] = variant(
                self.cut,
                self.layers(chunk),
                kind,
                beside=beside,
                edge=edge,
                detail=self.detail,
                apart=self.loaded or self.everyone,
            )
        return self._variants[key]

    def own(self, work: Work) -> Work:
        """A transfer over the links of this device."""
        return _linked(work, self.seat.device)


@lru_cache(4096)
def _linked(work: Work, device: int) -> Work:
    loads = tuple((link._replace(device=device), load) for link, load in work.loads)
    return work._replace(loads=loads)
