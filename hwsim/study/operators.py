"""The operators of a step, each with its arithmetic, its memory traffic and its time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from hwsim.cost.rates import peaks
from hwsim.cost.roofline import BOUNDS, kernel_cost
from hwsim.graph.dtypes import BYTES, stored
from hwsim.graph.ops import Kernel
from hwsim.graph.step import Layer
from hwsim.parallel.launched import launched
from hwsim.parallel.split import split
from hwsim.parallel.staged import Staged


@dataclass(frozen=True)
class Operator:
    """One way of an operator on one device of a stage, over the layers that are equal: FLOPs,
    compulsory bytes and seconds of its kernels in one micro-batch, and what bounds most of them."""

    name: str
    flops: float
    bytes: float
    seconds: float
    bound: str

    @property
    def intensity(self) -> float:
        """FLOP per byte."""
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def rate(self) -> float:
        """FLOP/s that it reaches."""
        return self.flops / self.seconds if self.seconds else 0.0


def operators(step: Staged) -> list[Operator]:
    """Every operator forward and backward, in the order of the graph; no exchange, no update."""
    return [
        _operator(f"{layer.name}.{name}" if layer.name else name, kernels, layer.repeat, step)
        for layer in step.graph.layers
        for name, kernels in _ways(layer, step)
        if kernels
    ]


def roofs(step: Staged) -> tuple[dict[str, float], float]:
    """The datasheet's peaks for products and for other work (FLOP/s), and its bandwidth (B/s)."""
    dtype, device = step.graph.dtype, step.system.device
    product, _ = peaks(device, dtype)
    _, vector = peaks(device, stored(dtype))
    named = {f"products in {dtype}": product}
    return named | ({} if vector == product else {"other": vector}), device.memory.bandwidth


def _ways(layer: Layer, step: Staged) -> Iterator[tuple[str, tuple[Kernel, ...]]]:
    """The kernels of each operator of a layer, one way and the other."""
    shards = split(layer, step.plan).shards
    ops = [shard.op for shard in shards]
    for op, (forward, backward) in zip(ops, launched(ops, step.pricer.software), strict=True):
        yield f"{op.name} forward", forward
        yield f"{op.name} backward", backward


def _operator(name: str, kernels: tuple[Kernel, ...], repeat: int, step: Staged) -> Operator:
    flops = moved = 0.0
    bounds: dict[str, float] = defaultdict(float)
    for kernel in kernels:
        for launch in step.pricer.rates.launches(kernel):
            own, cost = launch.kernel, kernel_cost(*launch)
            size = BYTES[launch.dtype] if own.element_bytes is None else own.element_bytes
            flops += repeat * own.repeat * own.flops
            moved += repeat * own.repeat * own.elements * size
            bounds[BOUNDS[cost.bound]] += repeat * cost.seconds
    bound = max(bounds, key=lambda part: bounds[part])
    return Operator(name, flops, moved, sum(bounds.values()), bound)
