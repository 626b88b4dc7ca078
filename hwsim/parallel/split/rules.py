"""How one operator is divided: a rule for each kind, looked up by the operator's class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Literal, NamedTuple

from hwsim.errors import InputError
from hwsim.graph.ops import Op
from hwsim.parallel.check import nearest_divisors
from hwsim.parallel.exchange import Collective, Exchange
from hwsim.parallel.plan import Plan
from hwsim.parallel.split.shard import Shard

Layout = Literal["whole", "parts", "rows", "space"]


class Held(NamedTuple):
    """The activation between two operators: how it lies, and its elements in all.

    "whole": every device has all of it; "parts": its features are divided among the tensor-parallel
    devices; "rows": its rows are; "space": the height of its images is.
    """

    layout: Layout = "whole"
    elements: float = 0.0


@dataclass(frozen=True)
class Around:
    """What a rule sees besides its operator: the plan, what is held, and which ops follow."""

    plan: Plan
    where: str
    held: Held
    ahead: tuple[Op, ...] = ()

    @property
    def ways(self) -> int:
        return self.plan.tp

    @property
    def home(self) -> Layout:
        """How a layer's input and output lie."""
        return home(self.plan)

    def part(self, size: int, what: str) -> int:
        """`size` / tp; raises InputError where it is not a whole number."""
        return exactly(size, self.ways, f"{self.where}.tp", what)


class Divided(NamedTuple):
    """An operator's share, and what is held after it."""

    shard: Shard
    held: Held


def home(plan: Plan) -> Layout:
    return "rows" if plan.sequence_parallel and plan.tp > 1 else "whole"


@singledispatch
def divide(op: Op, around: Around) -> Divided:
    """One tensor- and expert-parallel device's share of `op`.

    `op` has the rows of one context-parallel device already. Raises InputError for a kind without
    a rule, and for sizes that the plan does not divide.
    """
    raise InputError(
        f"{around.where}.tp",
        f"found {around.ways} for {op.name!r}, and no rule that splits a {type(op).__name__}",
        "write 1, or register a rule with hwsim.parallel.split.divide",
    )


@singledispatch
def fewer_rows(op: Op, ways: int, where: str) -> Op:
    """`op` on one of `ways` equal parts of its rows (tokens), all features of each.

    Raises InputError for a kind whose rows need each other.
    """
    raise InputError(
        where,
        f"found {ways}, but {op.name!r} ({type(op).__name__}) needs the whole sequence",
        "write 1",
    )


def exactly(size: int, ways: int, where: str, what: str) -> int:
    """`size` / `ways`; raises InputError with the nearest divisors where that leaves a rest.

    >>> exactly(12, 4, "plan.tp", "heads")
    3
    """
    if size % ways == 0:
        return size // ways
    what = f"found {ways}, which does not divide {size} {what}"
    raise InputError(where, what, nearest(nearest_divisors(size, ways), ways))


def nearest(fitting: Sequence[int], ways: int) -> str:
    """The correction of a degree: the next that fits on either side, of 1 and others.

    >>> nearest([1, 2, 4, 12], 6)
    'write 4 or 12'
    """
    below = max(d for d in fitting if d < ways)
    above = [d for d in fitting if d > ways][:1]
    return "write " + " or ".join(str(d) for d in (below, *above))


def padded(size: int, ways: int) -> int:
    """`size` / `ways`, rounded up: the largest share.

    >>> padded(50257, 8)
    6283
    """
    return -(-size // ways)


def gather(name: str, elements: float, beside: str | None = None) -> Exchange:
    """`elements` that the tensor-parallel devices hold in parts come to all of them."""
    return Exchange(name, "all_gather", "tp", elements, beside=beside)


def total(name: str, elements: float, layout: Layout, beside: str | None = None) -> Exchange:
    """Partial sums of `elements` are added up, for all devices or in the parts of `layout`."""
    collective: Collective = "all_reduce" if layout == "whole" else "reduce_scatter"
    return Exchange(name, collective, "tp", elements, beside=beside)


def fetched(op: Op, held: Held, elements: float, beside: str | None = None) -> tuple[Exchange, ...]:
    """What makes an operator's divided input whole; nothing where it is."""
    return () if held.layout == "whole" else (gather(f"{op.name}.input", elements, beside),)


def needs_all(op: Op, around: Around) -> None:
    """Raises InputError under sequence parallelism, for an operator that can't work on rows."""
    if around.home == "rows":
        raise InputError(
            f"{around.where}.sequence_parallel",
            f"found true, but {op.name!r} ({type(op).__name__}) needs the whole sequence",
            "write false",
        )


def of_degree(exchanges: Sequence[Exchange], plan: Plan) -> tuple[Exchange, ...]:
    """Those that have more than one device to run on."""
    return tuple(e for e in exchanges if getattr(plan, e.axis) > 1)
