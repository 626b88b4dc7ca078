"""How a slot of a schedule runs: in pieces, and in how many tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hwsim.parallel.pieces import Cut, Pieces
from hwsim.parallel.priced import PricedLayer, Said
from hwsim.parallel.program import Work


class Variant(NamedTuple):
    """How a slot runs: its pieces and the work of each; `fine` where operators are tasks of their
    own, `loaded` where other traffic goes on beside them. How many pieces gather, sum and copy, and
    how many exchanges are tasks."""

    pieces: Pieces
    works: tuple[Work, ...]
    fine: bool
    loaded: bool
    gathers: int
    sums: int
    copies: int
    says: int

    @property
    def tasks(self) -> int:
        """On the compute stream, but for what only waits."""
        return sum(len(piece.passes) for piece in self.pieces) if self.fine else len(self.pieces)


def variant(
    cut: Cut,
    layers: Sequence[PricedLayer],
    kind: str,
    *,
    beside: bool,
    edge: bool,
    detail: bool,
    apart: bool,
) -> Variant:
    """A pass through `layers` as `Cut` has it.

    `beside` gathers or sums that happen once a step, which are its own at the `edge`; operators are
    tasks for `detail`, and their exchanges if they have to stand `apart` from them.
    """
    zero = cut.staged.plan.zero
    own = beside and edge
    if cut.sums and "W" in kind and (own or zero >= 2):
        pieces = cut.summing(layers, kind)
    elif cut.sums and (zero == 3 or (kind == "F" and own)):
        pieces = cut.gathering(layers, kind)
    else:
        pieces = cut.plain(layers, kind)
    loaded = beside or (zero >= 2 and cut.sums)  # what was begun before may still go on
    says = sum(len(one.said) for piece in pieces for _, one in piece.passes)
    fine = detail or (says > 0 and (loaded or apart))
    return Variant(
        pieces,
        tuple(piece.seconds.work() for piece in pieces),
        fine,
        loaded,
        sum(bool(piece.gathers) for piece in pieces),
        sum(bool(piece.sums) for piece in pieces),
        sum(piece.copied is not None for piece in pieces),
        says if fine else 0,
    )


def said_in(found: Variant) -> Iterator[tuple[Said, bool]]:
    """Every exchange of a variant in order, and whether it is its operator's last."""
    for piece in found.pieces:
        for _, one in piece.passes:
            for number, said in enumerate(one.said, start=1):
                yield said, number == len(one.said)
