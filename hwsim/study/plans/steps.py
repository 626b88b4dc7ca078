"""Seconds of the steps of plans, level by level."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.parallel import closed
from hwsim.parallel.closed import Passes
from hwsim.parallel.formula import DOUBTFUL, UNEVEN, Last, beyond, completed, last_of
from hwsim.parallel.pieces import late_sums, shared_works
from hwsim.parallel.priced import Seconds
from hwsim.parallel.staged import updated
from hwsim.parallel.tails import Tail
from hwsim.study.plans.behind import Summed, tails
from hwsim.study.plans.found import NO_FORM, Found
from hwsim.study.plans.layers import Stack
from hwsim.study.plans.prepare import Ready
from hwsim.study.plans.rows import Groups, Ints, groups

Floats = npt.NDArray[np.float64]
BLOCK = 4096  # plans that are completed together
FORM = ("zero", "overlap", "offload", "pp", "schedule", "time_chunks", "virtual")


def steps(ready: Ready, found: Found) -> None:
    """Puts the steps of all plans that have a closed form into `found`."""
    ready = _with_form(ready, found)
    if not len(ready.rows):
        return
    passes = _Behind(ready)
    shapes = np.array(
        [len(one.contents[0]) * 0 + i for i, one in enumerate(ready.shop.cuts.things)]
    )
    del shapes
    numbers: dict[Any, int] = {}
    shape = np.array(
        [numbers.setdefault(one.repeats, len(numbers)) for one in ready.shop.prices.things]
    )
    alike = ready.unique(("pp", "virtual"), shape[ready.price])
    for number in range(len(alike.first)):
        members = np.flatnonzero(alike.of == number)
        _pipeline(ready.kept(members), passes, members, found)


def _with_form(ready: Ready, found: Found) -> Ready:
    """The plans with a closed form; the others are refused."""
    shop = ready.shop
    summed = ready.of("dp") * ready.of("cp") > 1
    open_ = np.ones(len(ready.rows), dtype=bool)
    for number in np.unique(ready.place).tolist():
        try:
            shop.places[number].gradients  # noqa: B018
            shop.places[number].hops  # noqa: B018
        except InputError as error:
            here = ready.place == number
            open_ &= ~here
            found.refuse(ready.rows[here], str(error))
    ready, summed = ready.kept(open_), summed[open_]
    open_ = np.ones(len(ready.rows), dtype=bool)
    alike = ready.unique(FORM, ready.micro_batches, summed.astype(np.intp))
    for number, member in enumerate(alike.first.tolist()):
        plan, _ = ready.table.at(int(ready.rows[member]))
        slots = int(ready.micro_batches[member]) * plan.time_chunks
        hides = shop.prices[0].pricer.hides
        reason = beyond(plan, slots=slots, sums=bool(summed[member]), hides=hides)
        if reason:
            here = alike.of == number
            open_[here] = False
            found.refuse(ready.rows[here], NO_FORM + reason)
    return ready.kept(open_)


class _Behind:
    """The last passes of all chunks with their sums, as arrays that plans index."""

    def __init__(self, ready: Ready) -> None:
        shop = ready.shop
        numbers: dict[Any, int] = {}
        profile = np.array(
            [numbers.setdefault(one.profile, len(numbers)) for one in shop.prices.things]
        )
        self.late = ready.of("schedule") == "zero-bubble"
        self.summed = ready.of("dp") * ready.of("cp") > 1
        eager = ready.of("overlap") & shop.prices[0].pricer.hides
        sharded = ready.of("zero") > 0
        sizes = [
            np.where(eager, ready.of(name), math.inf).astype(float)
            for name in ("first_bucket", "bucket")
        ]
        codes = [np.unique(size, return_inverse=True)[1] for size in sizes]
        alike = groups(
            len(ready.rows),
            *(profile[ready.price], self.late.astype(np.intp), self.summed.astype(np.intp)),
            *codes,
        )
        self.alike = alike
        self.point = np.zeros(len(ready.rows), dtype=np.intp)
        self.tables: list[_Table | None] = []
        for number, member in enumerate(alike.first.tolist()):
            here = np.flatnonzero(alike.of == number)
            if not self.summed[member]:
                self.tables.append(None)
                continue
            points = groups(
                len(here), ready.price[here], ready.place[here], sharded[here].astype(np.intp)
            )
            self.point[here] = points.of
            first = here[points.first]
            every = Summed(
                [shop.prices[one] for one in ready.price[first].tolist()],
                [shop.places[one].gradients for one in ready.place[first].tolist()],
                ["reduce_scatter" if one else "all_reduce" for one in sharded[first].tolist()],
            )
            contents = {
                content
                for cut in np.unique(ready.cut[here]).tolist()
                for content in shop.cuts[cut].contents
            }
            kind = "W" if self.late[member] else "BW"
            made = tails(every, kind, contents, *(float(size[member]) for size in sizes))
            self.tables.append(_Table.of(made, len(first)))


class _Table(NamedTuple):
    """Passes by content and point."""

    place: dict[tuple[int, ...], int]
    fields: dict[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, made: dict[tuple[int, ...], Tail], points: int) -> _Table:
        names = [name for name in Tail._fields if name != "moving"]
        fields = {
            name: np.stack(
                [np.broadcast_to(getattr(one, name), (points,)) for one in made.values()]
            )
            for name in names
        }
        return cls({content: place for place, content in enumerate(made)}, fields)


def _pipeline(ready: Ready, behind: _Behind, members: Ints, found: Found) -> None:
    """Plans with as many stages of as many chunks of equally many layers."""
    shop = ready.shop
    pp, virtual = int(ready.of("pp")[0]), int(ready.of("virtual")[0])
    prices = groups(len(ready.rows), ready.price)
    stack = Stack.of([shop.prices[one] for one in ready.price[prices.first].tolist()])
    chunked = groups(len(ready.rows), prices.of, ready.cut)
    cuts = [shop.cuts[one] for one in ready.cut[chunked.first].tolist()]
    counts = np.array([one.counts for one in cuts])
    of_price = prices.of[chunked.first]

    def over(values: Floats) -> Floats:
        return np.einsum("kct,kt->ck", counts, values[of_price])

    passes = Passes(over(stack.forward), over(stack.inputs), over(stack.weights))
    hops = _hops(ready, chunked, np.array([one.last for one in cuts]), stack.sent[of_price])
    slots = ready.micro_batches * ready.of("time_chunks")
    waves, ends = _ends(ready, chunked, hops, passes, slots)
    own = [
        over(values).reshape(virtual, pp, -1).sum(axis=0)
        for values in (stack.gradients, stack.experts, stack.replicated)
    ]
    updates = _updates(ready, chunked, own[0], own[1])
    tied = stack.tied.max(axis=1)[prices.of]
    after, late = _after(ready, chunked, own, tied)
    open_ = ~hops.uneven[hops.of]
    found.refuse(ready.rows[~open_], NO_FORM + UNEVEN)
    for begin in range(0, len(ready.rows), BLOCK):
        some = np.arange(begin, min(begin + BLOCK, len(ready.rows)))
        some = some[open_[some]]
        lasts = _lasts(
            ready, behind, members, some, stack, prices.of, counts, chunked.of, pp, virtual
        )
        made = completed(
            pp,
            slots[some],
            ends[:, waves.of[some]],
            Seconds(*(one[prices.of[some]] for one in stack.busy)),
            lasts,
            updates.seconds[:, updates.of[some]],
            after.seconds[:, after.of[some]],
            late=late[after.of[some]],
            hops=[
                (seconds[hops.of[some]], kinds[hops.of[some]])
                for seconds, kinds in zip(hops.seconds, hops.links, strict=True)
            ],
        )
        rows = ready.rows[some]
        doubtful = np.broadcast_to(made.doubtful, rows.shape)
        found.refuse(rows[doubtful], NO_FORM + DOUBTFUL)
        good = rows[~doubtful]
        found.seconds[good], found.spread[good] = made.seconds[~doubtful], made.spread[~doubtful]
        for name, seconds in made.parts.items():
            found.parts[name][good] = np.broadcast_to(seconds, rows.shape)[~doubtful]


class _Hops(NamedTuple):
    """Transfers behind each chunk, (chunks - 1, kinds of plans), and behind each stage."""

    of: Ints
    first: Ints
    seconds: Floats
    links: Ints
    stage: Floats
    uneven: npt.NDArray[np.bool_]


def _hops(ready: Ready, chunked: Groups, last: Ints, sent: Floats) -> _Hops:
    """`last` layers of chunks and what layers send are by `chunked`."""
    shop, pp = ready.shop, int(ready.of("pp")[0])
    alike = groups(len(ready.rows), chunked.of, ready.place)
    cut = chunked.of[alike.first]
    size = np.take_along_axis(sent[cut], last[cut][:, :-1], axis=1).T
    seconds, kinds = np.zeros(size.shape), np.zeros(size.shape, dtype=np.intp)
    place = ready.place[alike.first]
    values, codes = np.unique(size, return_inverse=True)
    codes = codes.reshape(size.shape)
    for number in range(len(size)):
        pairs = groups(len(cut), codes[number], place)
        done = [
            shop.hop(
                float(values[codes[number, member]]),
                shop.places[int(place[member])].hops[number % pp],
            )
            for member in pairs.first.tolist()
        ]
        seconds[number], kinds[number] = np.array(done).T[:, pairs.of]
    stage, least = np.zeros((pp, len(cut))), np.full((pp, len(cut)), math.inf)
    for number, one in enumerate(seconds):
        stage[number % pp] = np.maximum(stage[number % pp], one)
        least[number % pp] = np.minimum(least[number % pp], one)
    uneven = np.any((stage > least) & np.isfinite(least), axis=0)
    return _Hops(alike.of, alike.first, seconds, kinds, stage, uneven)


def _ends(
    ready: Ready, chunked: Groups, hops: _Hops, passes: Passes, slots: Ints
) -> tuple[Groups, Floats]:
    """When chunks have their gradients, (chunks, kinds of plans)."""
    pp, virtual = int(ready.of("pp")[0]), int(ready.of("virtual")[0])
    waves = ready.unique(("schedule",), hops.of, slots)
    schedule = ready.of("schedule")[waves.first]
    orders = groups(
        len(waves.first),
        np.unique(schedule.astype(str), return_inverse=True)[1],
        slots[waves.first],
    )
    ends = np.zeros((len(passes.forward), len(waves.first)))
    cut, hop = chunked.of[waves.first], hops.of[waves.first]
    for number, member in enumerate(orders.first.tolist()):
        here = np.flatnonzero(orders.of == number)
        ends[:, here] = closed.gradients(
            schedule[member],
            pp,
            int(slots[waves.first[member]]),
            Passes(*(one[:, cut[here]] for one in passes)),
            virtual=virtual,
            hop=hops.stage[:, hop[here]],
        )
    return waves, ends


class _Each(NamedTuple):
    """Seconds of stages, (stages, kinds of plans)."""

    of: Ints
    seconds: Floats


def _updates(ready: Ready, chunked: Groups, shared: Floats, experts: Floats) -> _Each:
    """The optimizer's; parameters of stages are by `chunked`."""
    shop = ready.shop
    names = ("dp", "cp", "ep", "offload", "master_weights", "loss_scaling")
    sharded = ready.of("zero") > 0
    alike = ready.unique(names, chunked.of, sharded.astype(np.intp))
    few, cut = ready.kept(alike.first), chunked.of[alike.first]
    replicas, ep = few.of("dp") * few.of("cp"), few.of("ep")
    own = updated(shared[:, cut], experts[:, cut], sharded[alike.first], replicas, ep)
    seconds = np.zeros(own.shape)
    ways = few.unique(names[3:])
    for number, member in enumerate(ways.first.tolist()):
        plan, _ = few.table.at(int(few.rows[member]))
        priced = shop.prices[int(few.price[member])]
        pricer = priced.pricer.beside(priced.graph, plan, 1)
        here = ways.of == number
        values, codes = np.unique(own[:, here], return_inverse=True)
        times = np.array([pricer.update(float(one)).seconds for one in values])
        seconds[:, here] = times[codes.reshape(len(own), -1)]
    return _Each(alike.of, seconds)


def _after(
    ready: Ready, chunked: Groups, own: list[Floats], tied: Floats
) -> tuple[_Each, npt.NDArray[np.bool_]]:
    """What is said behind all gradients, and whether some of it is a late sum."""
    shop, pp = ready.shop, int(ready.of("pp")[0])
    comes = (ready.of("zero") > 0) & (ready.of("zero") < 3)
    alike = ready.unique(
        ("sequence_parallel", "zero"), chunked.of, ready.place, comes.astype(np.intp)
    )
    seconds, late = (np.zeros((pp, len(alike.first))) for _ in range(2))
    done: dict[Any, tuple[float, float]] = {}
    for number, member in enumerate(alike.first.tolist()):
        priced = shop.prices[int(ready.price[member])]
        plan, _ = ready.table.at(int(ready.rows[member]))
        place, gathers = int(ready.place[member]), bool(comes[member])
        cut, pricer = int(chunked.of[member]), None
        for stage in range(pp):
            shared, experts, replicated = (float(one[stage, cut]) for one in own)
            end = float(tied[member]) if stage in (0, pp - 1) else 0.0
            key = (
                *(place, plan.sequence_parallel, plan.zero),
                *(shared if gathers else 0.0, experts if gathers else 0.0, replicated, end),
            )
            if key not in done:
                pricer = pricer or priced.pricer.beside(priced.graph, plan, 1)
                works = late_sums(pricer, replicated, end)
                behind = sum(work.seconds for _, work in works)
                among = shop.places[place].gradients
                gathered = (
                    shared_works(pricer, "all_gather", (shared, experts), among, low=True)
                    if gathers
                    else ()
                )
                done[key] = sum(work.seconds for _, work in gathered) + behind, behind
            seconds[stage, number], late[stage, number] = done[key]
    return _Each(alike.of, seconds), late.any(axis=0)


def _lasts(
    ready: Ready,
    behind: _Behind,
    members: Ints,
    some: Ints,
    stack: Stack,
    of_price: Ints,
    counts: Ints,
    of_cut: Ints,
    pp: int,
    virtual: int,
) -> list[Last]:
    """The last passes of every chunk of some plans."""
    shop, chunks = ready.shop, pp * virtual
    if not behind.summed[members[some]].any():
        return []
    names = [name for name in Tail._fields if name != "moving"]
    arrays = {
        name: np.zeros(
            (chunks, len(some)), dtype=np.intp if name in ("links", "crossed") else float
        )
        for name in names
    }
    for number in np.unique(behind.alike.of[members[some]]).tolist():
        table = behind.tables[number]
        if table is None:
            continue
        here = np.flatnonzero(behind.alike.of[members[some]] == number)
        kinds = groups(len(here), ready.cut[some[here]])
        places = np.array(
            [
                [table.place[content] for content in shop.cuts[cut].contents]
                for cut in ready.cut[some[here[kinds.first]]].tolist()
            ]
        )
        at = places[kinds.of].T
        point = behind.point[members[some[here]]]
        for name in names:
            arrays[name][:, here] = table.fields[name][at, point]
    said = _said(ready, some, behind.late[members[some]])
    lasts = []
    for chunk in range(chunks):
        tail = Tail(**{name: arrays[name][chunk] for name in names})
        spoken = [(seconds[chunk], kinds) for kinds, seconds in said]
        lasts.append(last_of(tail, spoken, pp, virtual))
    return lasts


def _said(ready: Ready, some: Ints, late: npt.NDArray[np.bool_]) -> list[tuple[int, Floats]]:
    """Seconds of exchanges in the last pass of each chunk, by their links."""
    shop = ready.shop
    alike = groups(len(some), ready.price[some], ready.cut[some], late.astype(np.intp))
    first = some[alike.first]
    found: dict[int, Floats] = {}
    chunks = len(shop.cuts[int(ready.cut[some[0]])].ranges) if len(some) else 0
    for number, member in enumerate(first.tolist()):
        kind = "W" if late[alike.first[number]] else "BW"
        said = shop.prices[int(ready.price[member])].said(kind)
        counts = shop.cuts[int(ready.cut[member])].counts
        for kinds, seconds in said.items():
            array = found.setdefault(kinds, np.zeros((chunks, len(first))))
            array[:, number] = counts @ seconds
    return [(kinds, seconds[:, alike.of]) for kinds, seconds in found.items()]
