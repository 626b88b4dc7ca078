"""Layers priced once for all plans that price them alike, as arrays over such prices."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from hwsim.cost.groups import Group
from hwsim.errors import InputError
from hwsim.graph.step import StepGraph
from hwsim.hardware.spec import System
from hwsim.parallel.pieces import passes_of, ways
from hwsim.parallel.placement import expert_gradient_group, gradient_group, group, hop
from hwsim.parallel.plan import Plan
from hwsim.parallel.price import Pricer
from hwsim.parallel.priced import PricedLayer, Seconds, total
from hwsim.parallel.tails import links

Floats = npt.NDArray[np.float64]
T = TypeVar("T")
# What the price of a layer depends on, besides its groups and the size of a micro-batch.
PRICED = (
    "recompute",
    *("tp", "cp", "ep", "dispatch", "context", "convolutions", "sequence_parallel"),
    *("time_chunks", "tensor_overlap"),
)
PLACED = ("dp", "tp", "pp", "cp", "ep", "placement")


class Numbered(Generic[T]):
    """Things by number, each made once."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self.things: list[T] = []

    def number(self, key: Hashable, make: Callable[[], T]) -> int:
        if key not in self._numbers:
            made = make()
            self._numbers[key] = len(self.things)
            self.things.append(made)
        return self._numbers[key]

    def __getitem__(self, number: int) -> T:
        return self.things[number]


class Places:
    """The groups of a plan's axes on a system, found when they are asked for."""

    def __init__(self, plan: Plan, system: System) -> None:
        self.plan, self.system = plan, system
        self._gradients: tuple[Group, Group] | None = None
        self._hops: tuple[Group, ...] | None = None
        self.spoken = tuple(self._spoken(axis) for axis in ("tp", "cp", "ep"))

    def _spoken(self, axis: Any) -> Hashable:
        try:
            return group(self.plan, axis, self.system)
        except InputError:  # of which pricing speaks, if anything is said there
            return id(self)

    @property
    def gradients(self) -> tuple[Group, Group]:
        """Who shares gradients, and who those of experts. Raises InputError without a link."""
        if self._gradients is None:
            plan, system = self.plan, self.system
            self._gradients = gradient_group(plan, system), expert_gradient_group(plan, system)
        return self._gradients

    @property
    def hops(self) -> tuple[Group, ...]:
        """Each stage and the next. Raises InputError without a link."""
        if self._hops is None:
            stages = range(self.plan.pp)
            self._hops = tuple(hop(self.plan, stage, self.system) for stage in stages)
        return self._hops


@dataclass(frozen=True)
class Priced:
    """The different layers of a graph, with their repeats, under one way to price them."""

    pricer: Pricer
    layers: tuple[PricedLayer, ...]
    repeats: tuple[int, ...]
    _behind: dict[str, list[list[float]]] = field(default_factory=dict)
    _said: dict[str, dict[int, Floats]] = field(default_factory=dict)

    @classmethod
    def of(cls, pricer: Pricer) -> Priced:
        layers, repeats = zip(*pricer.different(), strict=True)
        return cls(pricer, layers, repeats)

    @property
    def graph(self) -> StepGraph:
        return self.pricer.graph

    @property
    def costs(self) -> list[float]:
        """Seconds of every layer, equal ones unrolled."""
        seconds = [layer.seconds for layer in self.layers]
        return [one for one, times in zip(seconds, self.repeats, strict=True) for _ in range(times)]

    @cached_property
    def profile(self) -> Hashable:
        """What of the layers decides how their gradients fill buckets."""
        return self.repeats, tuple(
            tuple((op.gradients, op.expert_gradients) for op in layer.ops[::-1])
            for layer in self.layers
        )

    def behind(self, kind: str) -> list[list[float]]:
        """Seconds of each operator's part of a layer's last pass, in its order."""
        if kind not in self._behind:
            self._behind[kind] = [
                [
                    total(one.seconds for _, one in ways(layer, op, kind)).total
                    for op in layer.ops[::-1]
                ]
                for layer in self.layers
            ]
        return self._behind[kind]

    def said(self, kind: str) -> dict[int, Floats]:
        """Seconds of the exchanges of each layer's pass by the links that they use."""
        if kind not in self._said:
            found = self._said[kind] = {}
            for number, layer in enumerate(self.layers):
                for _, one in passes_of(layer, kind):
                    for said in one.said:
                        kinds = links(said.work)
                        row = found.setdefault(kinds, np.zeros(len(self.layers)))
                        row[number] += said.work.seconds
        return self._said[kind]


class Stack(NamedTuple):
    """Prices of graphs with the same layers, as arrays (prices, layers)."""

    forward: Floats
    inputs: Floats
    weights: Floats
    sent: Floats
    gradients: Floats
    experts: Floats
    replicated: Floats
    tied: Floats
    busy: Floats  # a micro-batch through all layers: (fields of Seconds, prices)

    @classmethod
    def of(cls, prices: Sequence[Priced]) -> Stack:
        names = (
            *("forward.total", "inputs.total", "weights.total"),
            *("sent", "gradients", "expert_gradients", "replicated", "tied"),
        )

        def column(read: Callable[[PricedLayer], float]) -> Floats:
            return np.array([[read(layer) for layer in one.layers] for one in prices], dtype=float)

        columns = [column(attrgetter(name)) for name in names]
        return cls._make([*columns, np.array([total(_all(one)) for one in prices]).T])


def _all(priced: Priced) -> Iterator[Seconds]:
    for layer, times in zip(priced.layers, priced.repeats, strict=True):
        for way in (layer.forward, layer.inputs, layer.weights):
            yield Seconds(*(times * part for part in way))
