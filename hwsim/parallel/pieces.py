"""A pass through a chunk of layers, cut where gradients are ready to be summed or parameters are
needed that other devices hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hwsim.cost.groups import Group
from hwsim.cost.offload import host_bandwidth
from hwsim.graph.dtypes import stored_bytes
from hwsim.parallel.placement import expert_gradient_group, gradient_group, group, hop
from hwsim.parallel.price import Pricer
from hwsim.parallel.priced import Pass, PricedLayer, PricedOp, Seconds, total
from hwsim.parallel.program import HERE, Link, Work
from hwsim.parallel.ranks import ENDS
from hwsim.parallel.staged import Staged

Passes = tuple[tuple[str, Pass], ...]
Shared = tuple[tuple[str, Work], ...]  # who shares a collective ("sum", "expert sum"), and it


class Piece(NamedTuple):
    """Passes of operators one after the other: `gathers` come in before, `sums` go out after.
    `copied` is a layer's activations on their way to the host after its forward pass, or back
    before its backward pass."""

    passes: Passes
    gathers: Shared = ()
    sums: Shared = ()
    copied: Work | None = None

    @property
    def seconds(self) -> Seconds:
        return total(one.seconds for _, one in self.passes)


Pieces = tuple[Piece, ...]


class Bucket(NamedTuple):
    """Parameters whose gradients are summed together, once there are `limit` of them: `filled` of
    all, `experts`' own."""

    limit: float
    filled: float = 0.0
    experts: float = 0.0

    @classmethod
    def empty(cls, bytes_: float, size: float) -> Bucket:
        """One for `bytes_` of gradients of `size` bytes each."""
        return cls(bytes_ / size)

    def with_(self, filled: float, experts: float) -> Bucket:
        return Bucket(self.limit, self.filled + filled, self.experts + experts)

    @property
    def full(self) -> bool:
        return self.filled + self.experts >= self.limit


@dataclass
class Cut:
    """The passes of each chunk of `staged` in pieces."""

    staged: Staged
    _through: dict[tuple[int, str], Passes] = field(default_factory=dict)

    @cached_property
    def _shared(self) -> Group:
        return gradient_group(self.staged.plan, self.staged.system)

    @cached_property
    def _experts(self) -> Group:
        return expert_gradient_group(self.staged.plan, self.staged.system)

    @property
    def sums(self) -> bool:
        """Whether gradients are summed over devices at all."""
        return self._shared.devices > 1

    @property
    def gathers_ahead(self) -> bool:
        """Whether sharded parameters come in while the first forward pass runs (ZeRO 1 and 2)."""
        plan = self.staged.plan
        return bool(gathers_ahead(plan.zero, plan.overlap, self.staged.pricer.hides, self.sums))

    def plain(self, chunk: Sequence[PricedLayer], kind: str) -> Pieces:
        """A pass as one piece, nothing shared; or layer by layer, where activations are copied."""
        if self.staged.plan.offload != "activations":
            return (Piece(self._passes(chunk, kind)),)
        return tuple(
            Piece(self._passes((layer,), kind), copied=self._copy(layer, kind))
            for layer in (chunk if kind == "F" else chunk[::-1])
        )

    def gathering(self, chunk: Sequence[PricedLayer], kind: str) -> Pieces:
        """A pass layer by layer, the parameters of each gathered before."""
        layers = chunk if kind == "F" else chunk[::-1]
        return tuple(
            Piece(
                self._passes((layer,), kind),
                gathers=self.gathers_of(layer),
                copied=self._copy(layer, kind),
            )
            for layer in layers
        )

    def summing(self, chunk: Sequence[PricedLayer], kind: str) -> Pieces:
        """A backward pass whose gradients are summed in buckets as they come.

        A device's own last bucket is what is left. With parameters sharded (ZeRO 3) every layer is
        a bucket, whose parameters are gathered before.
        """
        plan, found = self.staged.plan, []
        if plan.zero == 3:
            for layer in chunk[::-1]:
                gathers = self.gathers_of(layer) if kind != "W" else ()
                sums = self._sums(layer.gradients, layer.expert_gradients)
                copied = self._copy(layer, kind)
                found.append(Piece(self._passes((layer,), kind), gathers, sums, copied))
            return tuple(found)
        passes: list[tuple[str, Pass]] = []
        copied = None
        pricer = self.staged.pricer
        eager = plan.overlap and pricer.hides
        bucket = Bucket.empty(plan.first_bucket if eager else math.inf, pricer.gradient_bytes)
        for layer in chunk[::-1]:
            if plan.offload == "activations":
                if passes:
                    found.append(Piece(tuple(passes), copied=copied))
                    passes = []
                copied = self._copy(layer, kind)
            for op in layer.ops[::-1]:
                passes.extend(ways(layer, op, kind))
                bucket = bucket.with_(op.gradients, op.expert_gradients)
                if bucket.full:
                    sums = self._sums(bucket.filled, bucket.experts)
                    found.append(Piece(tuple(passes), sums=sums, copied=copied))
                    passes, copied = [], None
                    bucket = Bucket.empty(plan.bucket, pricer.gradient_bytes)
        if passes or not found:
            sums = self._sums(bucket.filled, bucket.experts)
            found.append(Piece(tuple(passes), sums=sums, copied=copied))
        return tuple(found)

    def gathers_of(self, layer: PricedLayer) -> Shared:
        """Parameters of a layer, of which every device holds a share."""
        plan = self.staged.plan
        # A matrix that the first layer owns is gathered again; another stage has a copy of its own.
        tied = layer.tied if plan.zero == 3 and plan.pp == 1 else 0.0
        return self._works("all_gather", layer.gradients + tied, layer.expert_gradients, low=True)

    def after_update(self, stage: int) -> Shared:
        """Updated parameters, where they don't come in with the next forward pass."""
        plan = self.staged.plan
        if plan.zero not in (1, 2) or self.gathers_ahead:
            return ()
        return self._works("all_gather", *self.staged.parameters(stage), low=True)

    def late(self, stage: int) -> Shared:
        """What is summed once, when all gradients are there: of parameters that every tensor
        neighbor has whole, and of a matrix that the first and the last stage share."""
        staged, plan = self.staged, self.staged.plan
        replicated = sum(layer.replicated for chunk in staged.on(stage) for layer in chunk)
        edge = stage in (0, plan.pp - 1)
        return late_sums(staged.pricer, replicated, staged.tied if edge else 0.0)

    def _passes(self, layers: Sequence[PricedLayer], kind: str) -> Passes:
        """Every operator's pass in the order in which it runs; F forward, B and W its halves of the
        backward pass, BW both. Equal layers are one object, whose passes are put down once."""
        found: list[tuple[str, Pass]] = []
        for layer in layers if kind == "F" else layers[::-1]:
            key = (id(layer), kind)
            if key not in self._through:
                self._through[key] = tuple(passes_of(layer, kind))
            found += self._through[key]
        return tuple(found)

    def _sums(self, shared: float, experts: float) -> Shared:
        collective = "reduce_scatter" if self.staged.plan.zero else "all_reduce"
        return self._works(collective, shared, experts, low=False)

    def _copy(self, layer: PricedLayer, kind: str) -> Work | None:
        """A layer's activations over the link to the host (in each direction its own), if they wait
        there."""
        if self.staged.plan.offload != "activations" or kind == "W":
            return None
        seconds = layer.saved / host_bandwidth(self.staged.system)
        way = Link(HERE, "host out" if kind == "F" else "host in")
        return Work(seconds, (("communication", seconds),), loads=((way, 1.0),))

    def _works(self, collective: str, shared: float, experts: float, *, low: bool) -> Shared:
        among = (self._shared, self._experts)
        return shared_works(self.staged.pricer, collective, (shared, experts), among, low=low)


def gathers_ahead(zero: Any, overlap: Any, hides: bool, sums: Any) -> Any:
    """Whether sharded parameters come in while the first forward pass runs: where transfers hide
    (`hides`) and there are gradients to be summed (`sums`). Values, or arrays of them.

    >>> gathers_ahead(1, True, True, True), gathers_ahead(3, True, True, True)
    (True, False)
    """
    return ((zero == 1) | (zero == 2)) & overlap & hides & sums


def shared_works(
    pricer: Pricer,
    collective: str,
    parameters: tuple[float, float],
    among: tuple[Group, Group],
    *,
    low: bool,
) -> Shared:
    """A collective on parameters of all, and on those of experts, each among its group: in the
    format of the tensors (`low`) or in that of gradients."""
    size = stored_bytes(pricer.graph.dtype) if low else pricer.gradient_bytes
    found = []
    for name, count, members in zip(("sum", "expert sum"), parameters, among, strict=True):
        if count and members.devices > 1:
            found.append((name, pricer.transfer(collective, count * size, members, "gradients")))
    return tuple(found)


def late_sums(pricer: Pricer, replicated: float, tied: float) -> Shared:
    """Sums of so many parameters that every tensor neighbor has whole, and of a `tied` matrix that
    the first and the last stage share."""
    plan, size, transfer = pricer.plan, pricer.gradient_bytes, pricer.transfer
    found: list[tuple[str, Work]] = []
    if plan.sequence_parallel and replicated and plan.tp > 1:
        among = group(plan, "tp", pricer.system)
        found.append(("tp", transfer("all_reduce", replicated * size, among, "gradients")))
    if tied and plan.pp > 1:
        among = hop(plan, plan.pp - 1, pricer.system)
        replicas = plan.dp * plan.cp if plan.zero >= 2 else 1
        found.append((ENDS, transfer("all_reduce", tied * size / replicas, among, "gradients")))
    return tuple(found)


def passes_of(layer: PricedLayer, kind: str) -> Iterator[tuple[str, Pass]]:
    if kind == "F":
        return ((op.name, op.forward) for op in layer.ops)
    return (way for op in layer.ops[::-1] for way in ways(layer, op, kind))


def ways(layer: PricedLayer, op: PricedOp, kind: str) -> Iterator[tuple[str, Pass]]:
    """The backward pass of one operator; what is recomputed comes before the layer's last one."""
    if "B" in kind:
        if op is layer.ops[-1]:
            yield from (
                (f"{one.name} again", one.again) for one in layer.ops if one.again is not None
            )
        yield op.name, op.inputs
    if "W" in kind and np.any(op.weights.seconds.total):
        yield op.name, op.weights
