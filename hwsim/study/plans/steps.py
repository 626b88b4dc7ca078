"""Seconds of the steps of plans: those of equally many stages, chunks and layers together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.parallel import closed
from hwsim.parallel.closed import Passes
from hwsim.parallel.formula import DOUBTFUL, UNEVEN, Completed, beyond, completed
from hwsim.parallel.priced import Seconds
from hwsim.study.answers import NO_FORM
from hwsim.study.plans.ahead import delays
from hwsim.study.plans.found import Found
from hwsim.study.plans.layers import Floats, Stack
from hwsim.study.plans.levels import Hops, Level, after, ends, hops, updates
from hwsim.study.plans.prepare import Ready
from hwsim.study.plans.rows import Ints, groups
from hwsim.study.plans.sums import Sums

BLOCK = 4096  # plans that are completed together
FORM = ("zero", "overlap", "offload", "pp", "schedule", "time_chunks", "virtual")


def steps(ready: Ready, found: Found) -> None:
    """Puts the steps of all plans that have a closed form into `found`."""
    ready = _with_form(ready, found)
    if not len(ready.rows):
        return
    sums = Sums(ready)
    for members in pipelines(ready):
        pipeline = Pipeline(ready.kept(members))
        pipeline.complete(sums, members, found)


def pipelines(ready: Ready) -> list[Ints]:
    """Plans by the shape of their pipelines: as many stages of as many chunks of equal graphs."""
    numbers: dict[Any, int] = {}
    shape = [numbers.setdefault(one.repeats, len(numbers)) for one in ready.shop.prices.things]
    alike = ready.unique(("pp", "virtual"), np.array(shape, dtype=np.intp)[ready.price])
    return [np.flatnonzero(alike.of == number) for number in range(len(alike.first))]


def linked(ready: Ready, found: Found) -> Ready:
    """The plans whose groups are joined by links; the others are refused."""
    open_ = np.ones(len(ready.rows), dtype=bool)
    for number in np.unique(ready.place).tolist():
        place = ready.shop.places[number]
        try:
            _ = place.gradients, place.hops
        except InputError as error:
            here = ready.place == number
            open_ &= ~here
            found.refuse(ready.rows[here], str(error))
    return ready.kept(open_)


def least(ready: Ready, found: Found) -> None:
    """Puts what no step of the plans is shorter than into `found`."""
    ready = linked(ready, found)
    for members in pipelines(ready):
        few = ready.kept(members)
        plain = (few.of("schedule") == "gpipe") | (few.of("pp") == 1)
        plain |= few.of("time_chunks") == 1
        for which, whole in ((plain, True), (~plain, False)):
            if which.any():
                some = few.kept(which)
                found.seconds[some.rows] = Pipeline(some).least(whole=whole)


def _with_form(ready: Ready, found: Found) -> Ready:
    """The plans with a closed form; the others are refused."""
    ready = linked(ready, found)
    summed = ready.of("dp") * ready.of("cp") > 1
    open_ = np.ones(len(ready.rows), dtype=bool)
    alike = ready.unique(FORM, summed.astype(np.intp))
    for number, member in enumerate(alike.first.tolist()):
        plan, _ = ready.table.at(int(ready.rows[member]))
        hides = ready.shop.prices[0].pricer.hides
        reason = beyond(plan, sums=bool(summed[member]), hides=hides)
        if reason:
            here = alike.of == number
            open_[here] = False
            found.refuse(ready.rows[here], NO_FORM + reason)
    return ready.kept(open_)


class Pipeline:
    """Plans of as many stages, each of as many chunks, of graphs with the same layers.

    `chunked` are their different chunks; `passes` (chunks, different chunks) the seconds of each.
    """

    def __init__(self, ready: Ready) -> None:
        self.ready, shop = ready, ready.shop
        self.pp, self.virtual = int(ready.of("pp")[0]), int(ready.of("virtual")[0])
        self.slots = ready.micro_batches * ready.of("time_chunks")
        self.prices = groups(len(ready.rows), ready.price)
        self.stack = Stack.of([shop.prices[one] for one in ready.price[self.prices.first].tolist()])
        self.chunked = groups(len(ready.rows), self.prices.of, ready.cut)
        self.cuts = [shop.cuts[one] for one in ready.cut[self.chunked.first].tolist()]
        self._counts = np.array([one.counts for one in self.cuts])
        self._price = self.prices.of[self.chunked.first]
        stack = self.stack
        self.passes = Passes(*map(self.over, (stack.forward, stack.inputs, stack.weights)))

    def over(self, values: Floats) -> Floats:
        """Sums of what the layers have (prices, layers) over each chunk."""
        found: Floats = np.einsum("kct,kt->ck", self._counts, values[self._price])
        return found

    def on_stages(self, values: Floats) -> Floats:
        """Sums of what the layers have over each stage."""
        by_chunk = self.over(values).reshape(self.virtual, self.pp, -1)
        found: Floats = by_chunk.sum(axis=0)
        return found

    def sent(self) -> Floats:
        """Bytes that each chunk but the last sends."""
        last = np.array([one.last for one in self.cuts])
        found: Floats = np.take_along_axis(self.stack.sent[self._price], last[:, :-1], axis=1).T
        return found

    def busy(self, some: Ints) -> Seconds:
        """A micro-batch through all chunks."""
        return Seconds(*self.stack.busy[:, self.prices.of[some]])

    def hops(self) -> Hops:
        return hops(self.ready, self.chunked.of, self.sent())

    def ends(self, hop: Hops) -> Level:
        """When chunks have their gradients."""
        return ends(self.ready, self.chunked.of, hop, self.passes, self.slots)

    def behind(self) -> tuple[Level, Level, npt.NDArray[np.bool_]]:
        """Updates, and what is said behind all gradients with whether it is a late sum."""
        ready, stack, chunked = self.ready, self.stack, self.chunked.of
        own = [self.on_stages(one) for one in (stack.gradients, stack.experts, stack.replicated)]
        update = updates(ready, chunked, own[0], own[1])
        return update, *after(ready, chunked, own, stack.tied.max(axis=1)[self.prices.of])

    def least(self, *, whole: bool) -> Floats:
        """Seconds that no step is shorter than: passes and updates without the traffic beside them.

        Without the `whole` order of the passes, a stage waits for the first one before it alone.
        """
        hop = self.hops()
        update, said, _ = self.behind()
        behind = _of(update, ...) + _of(said, ...)
        if whole:
            end = _of(self.ends(hop), ...)
            done = closed.finished(end, np.zeros_like(end), self.pp, update=behind)
            return np.asarray(done.seconds)
        chunk = self.chunked.of
        ways = self.passes.forward[: self.pp, chunk] + hop.stage[:, hop.of]
        begin = np.cumsum(ways, axis=0) - ways
        work = np.sum(self.passes, axis=0).reshape(self.virtual, self.pp, -1).sum(axis=0)[:, chunk]
        return np.asarray((begin + self.slots * work + behind).max(axis=0))

    def complete(self, sums: Sums, members: Ints, found: Found) -> None:
        """Puts the steps of the plans, which are `members` of those in `sums`, into `found`."""
        ready = self.ready
        hop = self.hops()
        end = self.ends(hop)
        update, said, late = self.behind()
        ahead = delays(ready, self.chunked.of, hop)
        back, apart = (
            self.passes.backward + self.passes.weights,
            ready.of("schedule") == "zero-bubble",
        )
        even = ~hop.uneven[hop.of]
        found.refuse(ready.rows[~even], NO_FORM + UNEVEN)
        for begin in range(0, len(ready.rows), BLOCK):
            some = np.arange(begin, min(begin + BLOCK, len(ready.rows)))
            some = some[even[some]]
            lasts = sums.lasts(members[some], self.pp, self.virtual)
            pairs = zip(hop.seconds, hop.links, strict=True)
            made = completed(
                self.pp,
                self.slots[some],
                _of(end, some),
                self.busy(some),
                lasts,
                _of(update, some),
                _of(said, some),
                late=late[said.of[some]],
                back=np.where(apart[some], -np.inf, back[:, self.chunked.of[some]]),
                hops=[(one[hop.of[some]], kinds[hop.of[some]]) for one, kinds in pairs],
                ahead=(ahead.delay[some], ahead.doubt[some]),
            )
            _put(made, ready.rows[some], found)


def _of(level: Level, some: Any) -> Floats:
    return level.seconds[:, level.of[some]]


def _put(made: Completed, rows: Ints, found: Found) -> None:
    doubtful = np.broadcast_to(made.doubtful, rows.shape)
    found.refuse(rows[doubtful], NO_FORM + DOUBTFUL)
    good = rows[~doubtful]
    found.seconds[good], found.spread[good] = made.seconds[~doubtful], made.spread[~doubtful]
    for name, seconds in made.parts.items():
        found.parts[name][good] = np.broadcast_to(seconds, rows.shape)[~doubtful]
