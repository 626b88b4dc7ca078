"""Plans checked, priced and cut: each different check, price and cut once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.cost.calibration import Calibration
from hwsim.cost.groups import Group
from hwsim.errors import InputError
from hwsim.parallel.check import check, micro_batches, samples, scaled
from hwsim.parallel.memory import LayerMemory
from hwsim.parallel.needs import layer_memories
from hwsim.parallel.price import Pricer
from hwsim.parallel.split import split
from hwsim.parallel.staged import check_experts, cuts_of, micro_graph
from hwsim.parallel.tails import links
from hwsim.study.plans.cuts import Cut
from hwsim.study.plans.found import Found
from hwsim.study.plans.layers import PLACED, PRICED, Numbered, Places, Priced
from hwsim.study.plans.rows import BATCH, Groups, Ints, Rows
from hwsim.study.subject import Subject

CHECKED = (
    *PLACED,
    *("scaling", "micro_batch", "time_chunks", "schedule", "virtual", "offload"),
    BATCH,
)
SPLIT = (
    *("tp", "cp", "ep", "dispatch", "context", "convolutions"),
    *("sequence_parallel", "time_chunks"),
)


@dataclass
class Ready:
    """Plans that can be followed: `rows` of the columns, and numbers of what each of them has.

    `micro_batches` of a replica; the price, the places, the cut and the layers' memory by their
    numbers in the `shop`. `alone` are rows that are looked at one by one.
    """

    shop: Shop
    table: Rows
    rows: Ints
    micro_batches: Ints
    price: Ints
    place: Ints
    cut: Ints
    memory: Ints
    alone: Ints

    def of(self, name: str) -> npt.NDArray[Any]:
        return self.table.of(name, self.rows)

    def pricer(self, member: int) -> Pricer:
        """What prices one of the plans."""
        plan, _ = self.table.at(int(self.rows[member]))
        priced = self.shop.prices[int(self.price[member])]
        return priced.pricer.beside(priced.graph, plan, int(self.micro_batches[member]))

    def kept(self, which: npt.NDArray[Any]) -> Ready:
        """Some of the plans: by a mask, or by their places."""
        numbers = ("rows", "micro_batches", "price", "place", "cut", "memory")
        return replace(self, **{name: getattr(self, name)[which] for name in numbers})

    def unique(self, names: Iterable[str], *more: Ints, among: Ints | None = None) -> Groups:
        """Groups of the plans, or `among` some: of the same fields and `more`."""
        rows = self.rows if among is None else self.rows[among]
        return self.table.unique(names, *more, among=rows)


class Shop:
    """Prices, places and cuts that were made for a subject."""

    def __init__(self, subject: Subject, calibration: Calibration) -> None:
        self.subject, self.calibration = subject, calibration
        self.prices: Numbered[Priced] = Numbered()
        self.places: Numbered[Places] = Numbered()
        self.cuts: Numbered[Cut] = Numbered()
        self.memories: Numbered[tuple[LayerMemory, ...]] = Numbered()
        self.pricer: Pricer | None = None
        self._like: dict[tuple[Any, ...], Pricer] = {}
        self._hops: dict[tuple[float, Group], tuple[float, int]] = {}

    def prepare(self, table: Rows, found: Found) -> Ready:
        """The plans that can be followed; the others are refused in `found`."""
        micro, count = self._checked(table, found)
        rows = np.flatnonzero(micro > 0)
        nothing = np.zeros(len(rows), dtype=np.intp)
        ready = Ready(self, table, rows, count[rows], nothing, nothing, nothing, nothing, rows[:0])
        ready.place = _numbers(ready.unique(PLACED), rows, lambda row: self._placed(table, row))
        ready = self._price(ready, micro[rows], found)
        rings = np.array([one.graph.ring for one in self.prices.things], dtype=bool)
        alone = rings[ready.price] & (ready.of("pp") > 1)
        others = ready.kept(~alone)
        others.alone = ready.rows[alone]
        return self._cut(others, found)

    def _checked(self, table: Rows, found: Found) -> tuple[Ints, Ints]:
        """Samples of each plan's micro-batch (0 of a refused one), and how many of them."""
        frames = table.unique(CHECKED)
        micro, count = (np.zeros(len(frames.first), dtype=np.intp) for _ in range(2))
        for number, row in enumerate(frames.first.tolist()):
            plan, workload = table.at(row)
            try:
                check(plan, workload, self.subject.system)
                share = samples(plan, scaled(workload, plan))
                count[number] = micro_batches(plan, share)
                micro[number] = share // count[number]
            except InputError as error:
                found.refuse(frames.of == number, str(error))
        return micro[frames.of], count[frames.of]

    def _placed(self, table: Rows, row: int) -> int:
        plan, _ = table.at(row)
        return self.places.number(
            table.values(row, PLACED), lambda: Places(plan, self.subject.system)
        )

    def _price(self, ready: Ready, micro: Ints, found: Found) -> Ready:
        table, software = ready.table, self.subject.software
        late = ready.of("schedule") == "zero-bubble"
        more = [np.unique(micro, return_inverse=True)[1], late, ready.of("pp") > 1, ready.place]
        counted: tuple[str, ...] = ()
        if software is not None and software.accumulate:
            counted = ("zero", "dp")
            more.append(ready.micro_batches == 1)
        groups = ready.unique(PRICED + counted, *(one.astype(np.intp) for one in more))

        def number(member: int) -> int:
            row = int(ready.rows[member])
            key = (
                *table.values(row, PRICED + counted),
                *(int(micro[member]), bool(late[member]), bool(more[2][member])),
                *self.places[int(ready.place[member])].spoken,
                bool(counted) and bool(more[-1][member]),
            )
            return self.prices.number(key, lambda: self._priced(ready, member, key))

        ready.price = _tried(groups, ready.rows, number, found)
        open_ = ready.price >= 0
        return self._remember(ready.kept(open_), micro[open_], found)

    def _remember(self, ready: Ready, micro: Ints, found: Found) -> Ready:
        """With the memory of each plan's layers."""
        table = ready.table

        def number(member: int) -> int:
            row = int(ready.rows[member])
            key = *table.values(row, SPLIT), int(micro[member])
            return self.memories.number(key, lambda: self._memories(table, row, key[-1]))

        memory = ready.unique(SPLIT, np.unique(micro, return_inverse=True)[1])
        ready.memory = _tried(memory, ready.rows, number, found)
        return ready.kept(ready.memory >= 0)

    def _priced(self, ready: Ready, member: int, key: tuple[Any, ...]) -> Priced:
        """`key` is all that the price depends on, its first part the way to recompute."""
        plan, workload = ready.table.at(int(ready.rows[member]))
        workload, count = scaled(workload, plan), int(ready.micro_batches[member])
        like = self._like.get(key[1:])
        if like is not None:
            pricer = like.beside(like.graph, plan, count, alike=True)
            return Priced.of(pricer)
        graph = micro_graph(workload, plan)
        if self.pricer is None:
            self.pricer = Pricer(
                graph,
                self.subject.system,
                plan,
                self.calibration,
                software=self.subject.software,
                micro_batches=count,
            )
        pricer = self._like[key[1:]] = self.pricer.beside(graph, plan, count)
        return Priced.of(pricer)

    def _memories(self, table: Rows, row: int, micro: int) -> tuple[LayerMemory, ...]:
        plan, workload = table.at(row)
        graph = scaled(workload, plan).time_chunk(plan.time_chunks, micro)
        return layer_memories((split(layer, plan, "plan") for layer in graph.layers), graph.dtype)

    def _cut(self, ready: Ready, found: Found) -> Ready:
        name, table = self.subject.workload.name, ready.table

        def number(member: int) -> int:
            plan, _ = table.at(int(ready.rows[member]))
            priced = self.prices[int(ready.price[member])]
            ranges = cuts_of(name, priced.graph, priced.costs, plan)
            check_experts(name, priced.layers, plan)
            return self.cuts.number(
                (priced.repeats, ranges), lambda: Cut.of(priced.repeats, ranges)
            )

        groups = ready.unique(("pp", "virtual", "balance"), ready.price)
        ready.cut = _tried(groups, ready.rows, number, found)
        return ready.kept(ready.cut >= 0)

    def hop(self, size: float, among: Group) -> tuple[float, int]:
        """Seconds and links of a message from stage to stage."""
        if (size, among) not in self._hops:
            work = self.prices[0].pricer.transfer("send", size, among, "hop")
            self._hops[size, among] = work.seconds, links(work)
        return self._hops[size, among]


def _numbers(groups: Groups, rows: Ints, number: Callable[[int], int]) -> Ints:
    """The number of each group's first row, for all members."""
    return np.array([number(row) for row in rows[groups.first].tolist()], dtype=np.intp)[groups.of]


def _tried(groups: Groups, rows: Ints, number: Callable[[int], int], found: Found) -> Ints:
    """The number of each group's first member, for all; -1 where it is refused."""
    numbers = np.full(len(groups.first), -1, dtype=np.intp)
    for place, member in enumerate(groups.first.tolist()):
        try:
            numbers[place] = number(member)
        except InputError as error:
            found.refuse(rows[groups.of == place], str(error))
    return numbers[groups.of]
