"""The tasks of one device: its kernels in the order of the schedule, and its traffic.

Every stream walks the same schedule on its own and takes from it what it carries, so that nothing
is kept for a step of any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product, starmap
from typing import NamedTuple

from hwsim.graph.step import state_bytes
from hwsim.parallel.pieces import Cut, Piece, Pieces, Shared
from hwsim.parallel.placement import group, hop
from hwsim.parallel.plan import Plan
from hwsim.parallel.price import PricedLayer, Said
from hwsim.parallel.program import Task, Token, Work
from hwsim.parallel.program import plain as plain_task
from hwsim.parallel.ranks import Seat
from hwsim.parallel.schedule import Pass as Kind
from hwsim.parallel.schedule import Slot
from hwsim.parallel.staged import Staged

AHEAD = 2  # layers whose gathered parameters are there at a time: this one's and the next one's
# What a slot waits for or gives away, beside its own device's gathers, sums and exchanges.
TOKENS = ("F in", "F out", "B in", "B out", "kept", "away", "back")
KINDS: tuple[Kind, ...] = ("F", "B", "W")
NAMES = {"F": "forward", "B": "backward", "W": "weights"}
AXES = ("tp", "cp", "ep")
Tasks = Callable[[], Iterator[Task]]


class Variant(NamedTuple):
    """How a slot runs: its pieces and the work of each; `fine` where operators are tasks of their
    own, `loaded` where other traffic goes on beside them. How many pieces gather and sum, and how
    many exchanges are tasks."""

    pieces: Pieces
    works: tuple[Work, ...]
    fine: bool
    loaded: bool
    gathers: int
    sums: int
    says: int

    @property
    def tasks(self) -> int:
        """How many tasks such a slot is, with its traffic."""
        own = sum(len(piece.passes) for piece in self.pieces) if self.fine else len(self.pieces)
        return own + self.gathers + self.sums + self.says


class Plain(NamedTuple):
    """A slot that is one task. It takes and gives tokens whose numbers are `takes` and `gives` plus
    its micro-batch (-1: none); of its kind and chunk all slots are so but `besides`."""

    name: str
    work: Work
    takes: int
    gives: int
    besides: int


class Run(NamedTuple):
    """A slot that is more than one task, and how many pieces with gathers, pieces with sums,
    exchanges and backward slots like it came before it."""

    slot: Slot
    variant: Variant
    gathered: int
    summed: int
    said: int
    returned: int


@dataclass
class Device:
    """One simulated device; with `everyone` its collectives wait for their other members, with
    `detail` every operator is a task, with `loaded` all that moves loads its links."""

    cut: Cut
    seat: Seat
    everyone: bool = False
    detail: bool = False
    loaded: bool = False
    _variants: dict[tuple[str, int, bool], Variant] = field(default_factory=dict)

    @property
    def staged(self) -> Staged:
        return self.cut.staged

    @property
    def plan(self) -> Plan:
        return self.cut.staged.plan

    @cached_property
    def chunks(self) -> tuple[tuple[PricedLayer, ...], ...]:
        return self.staged.on(self.seat.stage)

    @cached_property
    def exchanged(self) -> tuple[str, ...]:
        """Axes whose exchanges are tasks of their own, in some slot at least."""
        kinds = ("F", "B", "W") if self.staged.kind == "zero-bubble" else ("F", "B")
        found = {
            one.exchange.axis
            for variant in starmap(
                self._variant, product(kinds, range(len(self.chunks)), (False, True))
            )
            if variant.fine
            for one, _ in said_in(variant)
        }
        return tuple(axis for axis in AXES if axis in found)

    @cached_property
    def is_gathered(self) -> bool:
        sharded = self.plan.zero == 3 and self.cut.sums
        return sharded or self.cut.gathers_ahead or bool(self.refreshed)

    @cached_property
    def is_summed(self) -> bool:
        return self.cut.sums or bool(self.late)

    def walk(self) -> Iterator[Run]:
        """The slots that are more than one task, in the order of the schedule."""
        plains = self.plains
        slots = (
            slot
            for slot in self.staged.order(self.seat.stage)
            if (plain := plains[slot.kind][slot.chunk]) is None or slot.micro == plain.besides
        )
        return self._runs(slots)

    def compute(self) -> Iterator[Task]:
        """Kernels, slot by slot, and the update."""
        plains, runs = self.plains, self.walk()
        for slot in self.staged.order(self.seat.stage):
            kind, chunk, micro = slot
            plain = plains[kind][chunk]
            if plain is None or micro == plain.besides:
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
        gathered = summed = said = returned = 0
        for slot in slots:
            variant = self._variant(slot.kind, slot.chunk, self._is_edge(slot))
            yield Run(slot, variant, gathered, summed, said, returned)
            returned += slot.kind == "B"
            gathered += variant.gathers
            summed += variant.sums
            said += variant.says

    @cached_property
    def plains(self) -> dict[str, tuple[Plain | None, ...]]:
        """How the slots of each kind run in each chunk, where that is one task."""
        rounds = range(self.staged.rounds)
        return {kind: tuple(self._plain(kind, chunk) for chunk in rounds) for kind in KINDS}

    def variants(self, kind: Kind, chunk: int) -> tuple[Variant, Variant]:
        """How the slots of a kind and chunk run, and how the one does with which gathers or sums
        go that happen once a step."""
        edge = self._is_edge(Slot(kind, chunk, self._edge(kind)))
        return self._variant(kind, chunk, False), self._variant(kind, chunk, edge)

    def census(self) -> Iterator[tuple[Kind, int, Variant, int]]:
        """Kind, chunk and variant of all slots, and how many there are of each."""
        slots = self.staged.slots
        kinds = KINDS if self.staged.kind == "zero-bubble" else KINDS[:2]
        for kind, chunk in product(kinds, range(self.staged.rounds)):
            usual, edge = self.variants(kind, chunk)
            often = slots - (edge is not usual)
            yield from ((kind, chunk, usual, often), (kind, chunk, edge, slots - often))

    @property
    def tasks(self) -> int:
        """About how many tasks the device has in a step."""
        return sum(
            times * (variant.tasks + (self.message(kind, chunk) is not None))
            for kind, chunk, variant, times in self.census()
        )

    def _plain(self, kind: Kind, chunk: int) -> Plain | None:
        usual, edge = self.variants(kind, chunk)
        if usual.fine or usual.loaded or self.plan.offload == "activations":
            return None
        slot = Slot(kind, chunk, self._edge(kind))
        special = edge is not usual
        takes, gives = (
            found[0] - slot.micro if found else -1
            for found in (self._arrivals(slot), self._departures(slot))
        )
        return Plain(NAMES[kind], usual.works[0], takes, gives, slot.micro if special else -1)

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
        slot, variant, device = run.slot, run.variant, self.seat.device
        takes: tuple[Token, ...] = self._arrivals(slot)
        name = NAMES[slot.kind]
        if slot.kind == "B" and self.plan.offload == "activations":
            takes = (*takes, self.token("back", slot))
        gathered, summed, said = run.gathered, run.summed, run.said
        last = len(variant.pieces) - 1
        for number, (piece, work) in enumerate(zip(variant.pieces, variant.works, strict=True)):
            gives: tuple[Token, ...] = self._departures(slot) if number == last else ()
            if number == last and self.plan.offload == "activations":
                gives = (*gives, *self._kept(run))
            if piece.gathers:
                takes = (*takes, ("gathered", device, gathered))
                if self.plan.zero == 3:
                    gives = (*gives, ("free", device, gathered + AHEAD))
                gathered += 1
            if piece.sums:
                gives = (*gives, ("ready", device, summed))
                summed += 1
            if variant.fine:
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
            work = one.computed.work()
            yield Task(f"{NAMES[slot.kind]} {name}", work, takes, given, slot.micro)
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

    def _kept(self, run: Run) -> tuple[Token, ...]:
        """What a slot gives to the streams between device and host."""
        if run.slot.kind == "F":
            return (self.token("kept", run.slot),)
        if run.slot.kind == "B":
            return (("room", self.seat.device, run.returned + AHEAD),)
        return ()

    def met(self, task: Task, axis: str, number: Token) -> Task:
        """A collective that waits for its other members, where they are simulated."""
        if not self.everyone:
            return task
        circle = self.seat.circle(self.plan, axis)
        if circle.members == 1:
            return task
        return task._replace(meeting=(*circle.name, number), members=circle.members)

    @cached_property
    def refreshed(self) -> Shared:
        return self.cut.after_update(self.seat.stage)

    @cached_property
    def late(self) -> tuple[Task, ...]:
        """What is summed once, when all gradients are there: of parameters that every tensor
        neighbor has whole, and of a matrix that the first and the last stage share."""
        plan, pricer, seat = self.plan, self.staged.pricer, self.seat
        size = state_bytes(self.staged.graph.dtype)
        layers = [layer for chunk in self.chunks for layer in chunk]
        found = []
        replicated = sum(layer.replicated for layer in layers)
        if plan.sequence_parallel and replicated and plan.tp > 1:
            among = group(plan, "tp", self.staged.system)
            work = self.own(pricer.transfer("all_reduce", replicated * size, among))
            found.append(self.met(Task("sum of whole parameters", work), "tp", "whole"))
        if self.staged.tied and plan.pp > 1 and seat.stage in (0, plan.pp - 1):
            among = hop(plan, plan.pp - 1, self.staged.system)
            work = self.own(pricer.transfer("all_reduce", self.staged.tied * size, among))
            meeting = ("tied", seat.tp, seat.cp, seat.dp)
            found.append(Task("sum of tied matrix", work, meeting=meeting, members=2))
        return tuple(found)

    def _variant(self, kind: str, chunk: int, special: bool) -> Variant:
        if kind == "B" and self.staged.kind != "zero-bubble":
            kind = "BW"
        special = special and (self.cut.gathers_ahead if kind == "F" else self.cut.sums)
        key = (kind, chunk % len(self.chunks), special)
        if key not in self._variants:
            cut, plan, layers = self.cut, self.plan, self.layers(chunk)
            loaded = False
            if cut.sums and "W" in kind and (special or plan.zero >= 2):
                pieces, loaded = cut.summing(layers, kind), True
            elif cut.sums and (plan.zero == 3 or (kind == "F" and special and cut.gathers_ahead)):
                pieces, loaded = cut.gathering(layers, kind), True
            else:
                pieces = cut.plain(layers, kind)
            says = sum(len(one.said) for piece in pieces for _, one in piece.passes)
            fine = self.detail or (says > 0 and (loaded or self.loaded or self.everyone))
            self._variants[key] = Variant(
                pieces,
                tuple(piece.seconds.work() for piece in pieces),
                fine,
                loaded,
                sum(bool(piece.gathers) for piece in pieces),
                sum(bool(piece.sums) for piece in pieces),
                says if fine else 0,
            )
        return self._variants[key]

    def own(self, work: Work) -> Work:
        """A transfer over the links of this device."""
        return _linked(work, self.seat.device)


@lru_cache(4096)
def _linked(work: Work, device: int) -> Work:
    loads = tuple((link._replace(device=device), load) for link, load in work.loads)
    return work._replace(loads=loads)


def said_in(variant: Variant) -> Iterator[tuple[Said, bool]]:
    """Every exchange of a variant in order, and whether it is its operator's last."""
    for piece in variant.pieces:
        for _, one in piece.passes:
            for number, said in enumerate(one.said, start=1):
                yield said, number == len(one.said)
