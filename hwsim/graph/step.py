"""One training step: layers of operators, forward, backward and update."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hwsim.graph.dtypes import Dtype, stored_bytes
from hwsim.graph.ops.kernel import Kernel, Op, matrix_flops

Optimizer = Literal["adam", "sgd", "momentum"]

# Running averages that the optimizer keeps per parameter.
MOMENTS: dict[Optimizer, int] = {"adam": 2, "momentum": 1, "sgd": 0}
# Adam: first moment (3), second moment (4), root, correction, epsilon, quotient, step (2).
UPDATE_FLOPS: dict[Optimizer, int] = {"adam": 13, "momentum": 4, "sgd": 2}
MASTER_BYTES = 4.0


@dataclass(frozen=True)
class Layer:
    """`repeat` equal layers of these operators, one after the other.

    ``output`` is the number of elements that the next layer reads from this one: what a
    pipeline cut behind it sends forward, and what comes back as gradient.
    """

    name: str
    ops: tuple[Op, ...]
    repeat: int = 1
    output: float = 0.0

    @property
    def parameters(self) -> int:
        """Of all repeats."""
        return self.repeat * sum(op.parameters for op in self.ops)

    @property
    def forward_flops(self) -> float:
        """Matrix FLOPs of all repeats, forward."""
        return self.repeat * sum(matrix_flops(op.forward()) for op in self.ops)

    @property
    def backward_flops(self) -> float:
        """Matrix FLOPs of all repeats, backward."""
        return self.repeat * sum(matrix_flops(op.backward()) for op in self.ops)

    @property
    def saved(self) -> float:
        """Elements kept for the backward pass by all repeats."""
        return self.repeat * sum(op.saved for op in self.ops)

    @property
    def masks(self) -> float:
        """Elements of one byte kept besides by all repeats."""
        return self.repeat * sum(op.masks for op in self.ops)

    @property
    def expert_parameters(self) -> int:
        """Those of the parameters that expert parallelism spreads, of all repeats."""
        return self.repeat * sum(op.expert_parameters for op in self.ops)

    def saved_bytes(self, dtype: Dtype) -> float:
        """Bytes kept for the backward pass by all repeats."""
        return self.saved * stored_bytes(dtype) + self.masks


@dataclass(frozen=True)
class StepGraph:
    """What one device's share of a step computes: `batch` samples that are `tokens` items, of a
    workload of some `family`. A `ring` is one time step whose state goes from the last layer back
    to the first for the next."""

    layers: tuple[Layer, ...]
    dtype: Dtype
    optimizer: Optimizer
    batch: int
    tokens: int
    family: str = ""
    ring: bool = False

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def forward_flops(self) -> float:
        """Matrix FLOPs of the forward pass."""
        return sum(layer.forward_flops for layer in self.layers)

    @property
    def backward_flops(self) -> float:
        """Matrix FLOPs of the backward pass."""
        return sum(layer.backward_flops for layer in self.layers)

    @property
    def matrix_flops(self) -> float:
        """Matrix FLOPs of forward and backward."""
        return self.forward_flops + self.backward_flops

    @property
    def saved_elements(self) -> float:
        """Elements alive between the forward and the backward pass, masks left aside."""
        return sum(layer.saved for layer in self.layers)

    @property
    def saved_bytes(self) -> float:
        return sum(layer.saved_bytes(self.dtype) for layer in self.layers)

    def forward(self) -> Iterator[Kernel]:
        """Every kernel of the forward pass in order, equal layers unrolled."""
        for layer in self.layers:
            for _ in range(layer.repeat):
                for op in layer.ops:
                    yield from op.forward()

    def backward(self) -> Iterator[Kernel]:
        """Every kernel of the backward pass in order: the last operator's first."""
        for layer in reversed(self.layers):
            for _ in range(layer.repeat):
                for op in reversed(layer.ops):
                    yield from op.backward()

    def update(self) -> tuple[Kernel, ...]:
        """The optimizer as one fused launch over all parameters."""
        return (update_kernel(self.optimizer, self.dtype, self.parameters),)


def update_kernel(
    optimizer: Optimizer, dtype: Dtype, parameters: float, *, master: bool = True
) -> Kernel:
    """The optimizer as one fused launch over `parameters`; `master`: with an fp32 copy of them."""
    return Kernel(
        f"{optimizer}.update",
        "vector",
        flops=UPDATE_FLOPS[optimizer] * parameters,
        elements=parameters,
        element_bytes=update_bytes(optimizer, dtype, master=master),
    )


def unscale_kernel(dtype: Dtype, parameters: float) -> Kernel:
    """Gradients divided by the loss's scale in place and searched for overflow, as one launch."""
    size = state_bytes(dtype)
    return Kernel("unscale", "vector", 2 * parameters, 2 * parameters, element_bytes=size)


def state_bytes(dtype: Dtype) -> float:
    """Bytes of a gradient and of each moment: fp32, or fp64 where that is trained in.

    >>> state_bytes("bf16"), state_bytes("fp64")
    (4.0, 8.0)
    """
    return max(stored_bytes(dtype), MASTER_BYTES)


def parameter_bytes(dtype: Dtype, *, master: bool = True) -> float:
    """Bytes of a parameter: below 32 bits an fp32 master copy besides the one in the low format.

    >>> parameter_bytes("fp32"), parameter_bytes("bf16"), parameter_bytes("bf16", master=False)
    (4.0, 6.0, 2.0)
    """
    size = stored_bytes(dtype)
    return size if size >= MASTER_BYTES or not master else size + MASTER_BYTES


def update_bytes(optimizer: Optimizer, dtype: Dtype, *, master: bool = True) -> float:
    """Bytes moved per parameter by the update.

    The parameter (its master copy) is read and written, the gradient read, each moment read and
    written; below 32 bits the copy in the low format is written besides. Without a `master` copy
    the parameter in the low format is read and written itself.

    >>> update_bytes("adam", "fp32"), update_bytes("momentum", "fp32"), update_bytes("sgd", "fp32")
    (28.0, 20.0, 12.0)
    >>> update_bytes("adam", "bf16")
    30.0
    """
    kept = (1 + 2 * MOMENTS[optimizer]) * state_bytes(dtype)
    if not master and stored_bytes(dtype) < MASTER_BYTES:
        return kept + 2 * stored_bytes(dtype)
    return kept + 2 * state_bytes(dtype) + parameter_bytes(dtype) - state_bytes(dtype)
