"""Fine-tuning by low-rank adapters (Hu et al. 2021, arXiv 2106.09685) as a decoder whose matrices
are held, not trained."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from hwsim.graph.dtypes import BYTES
from hwsim.graph.ops import Embedding, Kernel, Linear, Op, Pointwise
from hwsim.graph.step import Layer
from hwsim.parallel.plan import Plan
from workloads.transformer import Transformer

BESIDE = ("qkv", "projection")  # products that have an adapter (MLPerf Training, llama2_70b_lora)


@dataclass(frozen=True, slots=True)
class HeldLinear(Linear):
    """A product whose matrix has no gradient: it keeps no input."""

    @property
    def parameters(self) -> int:
        return 0

    @property
    def saved(self) -> float:
        return 0

    def backward(self) -> tuple[Kernel, ...]:
        return tuple(one for one in super(HeldLinear, self).backward() if "dgrad" in one.name)


@dataclass(frozen=True, slots=True)
class HeldEmbedding(Embedding):
    """A table that has no gradient."""

    @property
    def parameters(self) -> int:
        return 0

    def backward(self) -> tuple[Kernel, ...]:
        return ()


class Adapted(Transformer):
    """A decoder of which adapters alone are trained.

    They are a thousandth of all FLOPs: of each there is the sum of its branch and the product that
    it stands beside.

    >>> Adapted().graph(1).backward_flops < Transformer().graph(1).backward_flops
    True
    """

    def build(self, batch: int) -> tuple[Layer, ...]:
        return tuple(
            replace(layer, ops=tuple(one for op in layer.ops for one in _held(op)))
            for layer in super().build(batch)
        )

    def held_bytes(self, plan: Plan) -> float:
        """Bytes of a device's share of the matrices, in the format of products."""
        whole = Transformer.model_validate(self.model_dump(exclude_unset=True)).graph(1)
        return whole.parameters * BYTES[self.dtype] / (plan.tp * plan.pp)


def _held(op: Op) -> tuple[Op, ...]:
    if isinstance(op, Linear):
        own = HeldLinear(**{field.name: getattr(op, field.name) for field in fields(op)})
        if op.name not in BESIDE:
            return (own,)
        summed = Pointwise(f"{op.name}.adapter", op.rows * op.outputs, inputs=2, kept=0)
        return (own, summed)
    if isinstance(op, Embedding):
        return (HeldEmbedding(**{field.name: getattr(op, field.name) for field in fields(op)}),)
    return (op,)
