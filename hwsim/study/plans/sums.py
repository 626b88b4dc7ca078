"""The last passes of all chunks with the sums of their gradients, as arrays that plans index."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.parallel.formula import Last, last_of
from hwsim.parallel.tails import Tail
from hwsim.study.plans.behind import Content, Summed, tails
from hwsim.study.plans.layers import Floats
from hwsim.study.plans.prepare import Ready
from hwsim.study.plans.rows import Ints, groups

FIELDS = tuple(name for name in Tail._fields if name != "moving")
SETS = ("links", "crossed")


class _Table(NamedTuple):
    """Passes by the content of their chunk and by point."""

    place: dict[Content, int]
    fields: dict[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, made: dict[Content, Tail], points: int) -> _Table:
        fields = {
            name: np.stack(
                [np.broadcast_to(getattr(one, name), (points,)) for one in made.values()]
            )
            for name in FIELDS
        }
        return cls({content: place for place, content in enumerate(made)}, fields)


class Sums:
    """Of each plan the table of those that fill buckets alike, and its point there."""

    def __init__(self, ready: Ready) -> None:
        self.ready = ready
        numbers: dict[Any, int] = {}
        profiles = [
            numbers.setdefault(one.profile, len(numbers)) for one in ready.shop.prices.things
        ]
        eager = ready.of("overlap") & ready.shop.prices[0].pricer.hides
        self._sizes = [
            np.where(eager, ready.of(name), math.inf).astype(float)
            for name in ("first_bucket", "bucket")
        ]
        self.late = (ready.of("schedule") == "zero-bubble").astype(np.intp)
        self.summed = ready.of("dp") * ready.of("cp") > 1
        alike = groups(
            len(ready.rows),
            np.array(profiles)[ready.price],
            self.late,
            self.summed.astype(np.intp),
            *(np.unique(size, return_inverse=True)[1] for size in self._sizes),
        )
        self.table, self.point = alike.of, np.zeros(len(ready.rows), dtype=np.intp)
        self.tables = [
            self._filled(np.flatnonzero(alike.of == number)) if self.summed[member] else None
            for number, member in enumerate(alike.first.tolist())
        ]

    def _filled(self, here: Ints) -> _Table:
        """The table of some plans; says which points they are."""
        ready, shop = self.ready, self.ready.shop
        sharded = ready.of("zero")[here] > 0
        points = groups(len(here), ready.price[here], ready.place[here], sharded.astype(np.intp))
        self.point[here] = points.of
        first = here[points.first]
        ways = np.where(sharded[points.first], "reduce_scatter", "all_reduce")
        every = Summed(
            [shop.prices[one] for one in ready.price[first].tolist()],
            [shop.places[one].gradients for one in ready.place[first].tolist()],
            ways.tolist(),
        )
        cuts = np.unique(ready.cut[here]).tolist()
        contents = {content for cut in cuts for content in shop.cuts[cut].contents}
        sizes = (float(size[first[0]]) for size in self._sizes)
        kind = "W" if self.late[first[0]] else "BW"
        return _Table.of(tails(every, kind, contents, *sizes), len(first))

    def lasts(self, some: Ints, stages: int, virtual: int) -> list[Last]:
        """The last pass of every chunk of some plans; none where nothing is summed."""
        if not self.summed[some].any():
            return []
        ready, chunks = self.ready, stages * virtual
        arrays = {
            name: np.zeros((chunks, len(some)), dtype=np.intp if name in SETS else float)
            for name in FIELDS
        }
        for number in np.unique(self.table[some]).tolist():
            table = self.tables[number]
            if table is None:
                continue
            here = np.flatnonzero(self.table[some] == number)
            cuts = groups(len(here), ready.cut[some[here]])
            contents = [
                [table.place[content] for content in ready.shop.cuts[cut].contents]
                for cut in ready.cut[some[here[cuts.first]]].tolist()
            ]
            at = np.array(contents)[cuts.of].T
            for name in FIELDS:
                arrays[name][:, here] = table.fields[name][at, self.point[some[here]]]
        said = self._said(some, chunks)
        return [
            last_of(
                Tail(**{name: arrays[name][chunk] for name in FIELDS}),
                [(seconds[chunk], kinds) for kinds, seconds in said.items()],
                stages,
                virtual,
            )
            for chunk in range(chunks)
        ]

    def _said(self, some: Ints, chunks: int) -> dict[int, Floats]:
        """Seconds of exchanges in the last pass of each chunk, by their links."""
        ready, shop = self.ready, self.ready.shop
        alike = groups(len(some), ready.price[some], ready.cut[some], self.late[some])
        found: dict[int, Floats] = {}
        for number, member in enumerate(some[alike.first].tolist()):
            said = shop.prices[int(ready.price[member])].said("W" if self.late[member] else "BW")
            counts = shop.cuts[int(ready.cut[member])].counts
            for kinds, seconds in said.items():
                array = found.setdefault(kinds, np.zeros((chunks, len(alike.first))))
                array[:, number] = counts @ seconds
        return {kinds: seconds[:, alike.of] for kinds, seconds in found.items()}
