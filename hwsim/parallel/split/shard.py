"""One device's share of a layer."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.graph.dtypes import Dtype, stored_bytes
from hwsim.graph.ops import Op
from hwsim.graph.step import Layer
from hwsim.parallel.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Shard:
    """What one device computes of an operator, and what it exchanges each way.

    ``replicated`` are those of its parameters that every tensor-parallel device holds.
    """

    op: Op
    forward: tuple[Exchange, ...] = ()
    backward: tuple[Exchange, ...] = ()
    replicated: int = 0


@dataclass(frozen=True)
class SplitLayer:
    """One device's share of `repeat` equal layers; sums are over all repeats.

    ``output`` elements go from one device to the next pipeline stage.
    """

    name: str
    shards: tuple[Shard, ...]
    repeat: int = 1
    output: float = 0.0

    @property
    def layer(self) -> Layer:
        """The operators alone, as a layer of one device."""
        return Layer(self.name, tuple(s.op for s in self.shards), self.repeat, self.output)

    @property
    def parameters(self) -> int:
        return self.layer.parameters

    @property
    def expert_parameters(self) -> int:
        """Of the parameters: those whose gradients are summed over dp cp / ep devices only."""
        return self.layer.expert_parameters

    @property
    def replicated_parameters(self) -> int:
        """Of the parameters: those that every tensor-parallel device holds.

        Under sequence parallelism each device has only its rows' share of their gradients, which
        are summed over tp once a step; else all compute the same.
        """
        return self.repeat * sum(shard.replicated for shard in self.shards)

    @property
    def saved(self) -> float:
        """Elements kept for the backward pass."""
        return self.layer.saved

    @property
    def masks(self) -> float:
        """Elements of one byte kept besides."""
        return self.layer.masks

    def saved_bytes(self, dtype: Dtype) -> float:
        """Bytes kept for the backward pass.

        >>> SplitLayer("none", ()).saved_bytes("fp16")
        0.0
        """
        return self.saved * stored_bytes(dtype) + self.masks
