"""Which plans are looked at: degrees whose product is the devices, and values of other fields.

All combinations count. Of those that are provably the same step one stands for the others, and
those that `hwsim.parallel.check` refuses are put aside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.cost.offload import host_bandwidth
from hwsim.errors import InputError
from hwsim.parallel.check import MOST_PASSES
from hwsim.parallel.plan import Plan, available
from hwsim.study.subject import Subject

Codes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

# Fields that stages and prices of layers don't depend on.
LIGHT = (
    *("zero", "overlap", "offload", "bucket", "first_bucket", "prioritize"),
    *("master_weights", "loss_scaling"),
)


class Shape(NamedTuple):
    """Degrees, whose product is the number of devices (ep divides dp x cp)."""

    dp: int
    tp: int
    pp: int
    cp: int
    ep: int

    @property
    def devices(self) -> int:
        return self.dp * self.tp * self.pp * self.cp


class Rows(NamedTuple):
    """The configurations of one shape: which are possible, and which stand for themselves."""

    possible: Flags
    kept: Flags


@dataclass(frozen=True)
class Space:
    """Plans of one subject: every shape with every combination of `columns`' values.

    The column `order` has pairs (schedule, virtual).
    """

    subject: Subject
    shapes: tuple[Shape, ...]
    columns: Mapping[str, tuple[Any, ...]]
    layers: int
    cores: bool

    @property
    def rows(self) -> int:
        """Configurations of each shape."""
        return math.prod(map(len, self.columns.values()))

    @property
    def size(self) -> int:
        return len(self.shapes) * self.rows

    @cached_property
    def codes(self) -> dict[str, Codes]:
        """The number of each row's value in its column."""
        grid = np.indices(tuple(map(len, self.columns.values()))).reshape(len(self.columns), -1)
        return dict(zip(self.columns, grid, strict=True))

    @cached_property
    def micro(self) -> Codes:
        return self.values("micro_batch")

    @cached_property
    def virtual(self) -> Codes:
        return np.array([virtual for _, virtual in self.columns["order"]])[self.codes["order"]]

    def is_(self, name: str, value: Any) -> Flags:
        """Rows with a value; none where the column doesn't have it."""
        if (name, value) not in self._flags:
            column = "order" if name == "schedule" else name
            values = [one[0] if name == "schedule" else one for one in self.columns[column]]
            there = np.array([one == value for one in values])
            self._flags[name, value] = there[self.codes[column]]
        return self._flags[name, value]

    def values(self, name: str) -> npt.NDArray[Any]:
        """Each row's value of a column; of a field that is none, the plan's own."""
        if name not in self.columns:
            return np.full(self.rows, getattr(self.subject.plan, name))
        return np.array(self.columns[name])[self.codes[name]]

    @cached_property
    def _flags(self) -> dict[tuple[str, Any], Flags]:
        return {}

    def groups(self, rows: Codes, names: Sequence[str]) -> Iterator[Codes]:
        """Places in `rows` of those that have the same values in columns."""
        if not len(rows):
            return
        sizes = tuple(len(self.columns[name]) for name in names)
        keys = np.ravel_multi_index(tuple(self.codes[name][rows] for name in names), sizes)
        order = np.argsort(keys, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)

    def share(self, shape: Shape) -> int:
        """Samples of a replica; 0 where the batch can't be shared so."""
        batch = self.subject.workload.batch
        if self.subject.plan.scaling == "weak":
            return batch
        return batch // shape.dp if batch % shape.dp == 0 else 0

    def look(self, shape: Shape) -> Rows:
        """Which rows of a shape `check` lets through, and which of them are no others' equals."""
        share = self.share(shape)
        possible = np.zeros(self.rows, dtype=bool)
        there = available(self.subject.system)
        if not share or shape.pp > self.layers or (there is not None and shape.devices > there):
            return Rows(possible, possible)
        possible = share % self.micro == 0
        count = share // self.micro
        times = self.subject.plan.time_chunks
        interleaved = self.is_("schedule", "interleaved")
        possible &= shape.pp * self.virtual <= self.layers
        possible &= count * times * shape.pp * self.virtual <= MOST_PASSES
        possible &= ~interleaved | ((shape.pp > 1) & (count % shape.pp == 0))
        if not self._has_host:
            possible &= self.is_("offload", "none")
        if not possible.any():
            return Rows(possible, possible)
        own = np.arange(self.rows)
        return Rows(possible, possible & (self.stands_for(shape) == own))

    @cached_property
    def _has_host(self) -> bool:
        try:
            host_bandwidth(self.subject.system)
        except InputError:
            return False
        return True

    def stands_for(self, shape: Shape) -> Codes:
        """The row that stands for each row: the same step, with the first value of every column
        that it doesn't depend on."""
        codes = dict(self.codes)
        count = self.share(shape) // self.micro

        def first(name: str, where: Flags | bool) -> None:
            if name in codes:
                codes[name] = np.where(where, 0, codes[name])

        first("sequence_parallel", shape.tp == 1)
        first("tensor_overlap", shape.tp == shape.cp == shape.ep == 1)
        first("context", shape.cp == 1)
        first("dispatch", shape.ep == 1)
        first("convolutions", shape.tp == 1)
        first("balance", shape.pp * self.virtual == 1)
        alone = shape.dp * shape.cp == 1
        whole = self.is_("zero", 3)
        first("zero", alone)
        first("overlap", alone | whole)
        for name in ("bucket", "first_bucket"):
            first(name, alone | whole)
        first("first_bucket", self.is_("overlap", False))
        if not self.cores:
            _same(codes, self.columns, "recompute", "selective", "none", True)
        once = (count == 1) & (self.subject.plan.time_chunks == 1)
        _same(codes, self.columns, "order", ("gpipe", 1), ("1f1b", 1), once)
        sizes = tuple(map(len, self.columns.values()))
        return np.ravel_multi_index(tuple(codes.values()), sizes)

    def plan(self, shape: Shape, row: int) -> Plan:
        """The plan of a row."""
        found = {name: values[self.codes[name][row]] for name, values in self.columns.items()}
        schedule, virtual = found.pop("order")
        chosen = {"schedule": schedule, "virtual": virtual, **shape._asdict(), **found}
        told = {name: getattr(self.subject.plan, name) for name in Plan.model_fields} | chosen
        return Plan.model_construct(self.subject.plan.model_fields_set | set(chosen), **told)


def _same(
    codes: dict[str, Codes],
    columns: Mapping[str, Sequence[Any]],
    name: str,
    value: Any,
    other: Any,
    where: Flags | bool,
) -> None:
    """One value of a column counts as the other where both are there."""
    values = columns[name]
    if value in values and other in values:
        here = (codes[name] == values.index(value)) & where
        codes[name] = np.where(here, values.index(other), codes[name])
