"""The unit that costs are computed for: one kernel launch, or a number of equal ones.

A multiply-add is 2 FLOPs. A nonlinearity (exp, tanh, sqrt, ...) counts as one. Elements are
compulsory traffic: every operand read once, every result written once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Engine = Literal["matrix", "vector"]


class Window(NamedTuple):
    """The convolution behind a product: `images` of channels x height x width, `filters` of so
    many `taps`, output rows x columns; `stride` is that of both axes multiplied. `algorithm` is
    set where it is known which one ran.
    """

    way: Literal["forward", "dgrad", "wgrad"]
    images: int
    channels: int
    filters: int
    height: int
    width: int
    rows: int
    columns: int
    taps: int
    stride: int
    square: bool = True
    algorithm: str | None = None

    @property
    def winograd(self) -> bool:
        """Whether Winograd's algorithm for 3 x 3 filters applies."""
        return self.square and self.taps == 9 and self.stride == 1


@dataclass(frozen=True, slots=True)
class Kernel:
    """One launch of device work, or `repeat` equal ones.

    ``engine`` is "matrix" for a product that tensor cores can do (it falls back to the vector
    units), else "vector". ``flops`` and ``elements`` are those of one launch; elements include
    weights. ``sequential`` repeats each need the result of the one before. ``weights`` are those
    of the elements that come back in every repeat (a recurrent matrix); where several matrices
    take turns, ``matrices`` of them do, so that weights x matrices elements are live throughout.
    ``shape`` is (batch, m, n, k) of a matrix product, with flops = 2 batch m n k; ``transposed``
    where its second operand is stored (n, k), rows one after the other.
    ``window`` is set for a convolution's, ``reduction`` where rows are read to sum them up first
    (softmax, normalization). ``element_bytes`` is set where an element has not the workload's
    dtype. ``casts`` is set for a linear layer's product, which may run in a format below 16 bits:
    the elements of each operand that is cast in front of it, unless an earlier cast serves.
    ``core``: the whole core of attention in one launch. ``joined``: done in the launch of the
    kernel before.
    """

    name: str
    engine: Engine
    flops: float
    elements: float
    repeat: int = 1
    sequential: bool = False
    weights: float = 0.0
    matrices: int = 1
    shape: tuple[int, int, int, int] | None = None
    transposed: bool = False
    element_bytes: float | None = None
    window: Window | None = None
    reduction: bool = False
    casts: tuple[float, ...] | None = None
    core: bool = False
    joined: bool = False

    @property
    def launches(self) -> int:
        """How often the host issues it."""
        return 0 if self.joined else self.repeat

    @property
    def total_flops(self) -> float:
        """FLOPs of all repeats."""
        return self.flops * self.repeat


class Op(ABC):
    """An operator of the forward pass with what its backward pass does.

    By convention an operator's saved elements hold its inputs and what it computes on the way,
    not its output: that is the next operator's input, and is counted once, there.
    """

    __slots__ = ()
    name: str

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Trained parameters that this operator owns."""

    @property
    @abstractmethod
    def saved(self) -> float:
        """Elements kept from the forward pass for the backward pass."""

    @property
    def masks(self) -> float:
        """Elements of one byte kept besides: what dropout has left out."""
        return 0.0

    @property
    def expert_parameters(self) -> int:
        """Those of the parameters that expert parallelism spreads."""
        return 0

    @property
    def core(self) -> bool:
        """Whether selective recomputation runs it again in the backward pass."""
        return False

    @property
    def recomputable(self) -> float:
        """Elements of `saved` that selective recomputation does not keep, nor any of `masks`."""
        return 0.0

    @abstractmethod
    def forward(self) -> tuple[Kernel, ...]:
        """Kernels of the forward pass, in order."""

    @abstractmethod
    def backward(self) -> tuple[Kernel, ...]:
        """Kernels of the backward pass, in order."""


def gemm(
    name: str,
    m: int,
    n: int,
    k: int,
    *,
    batch: int = 1,
    repeat: int = 1,
    sequential: bool = False,
    weights: float = 0.0,
    matrices: int = 1,
    transposed: bool = False,
    casts: tuple[float, ...] | None = None,
) -> Kernel:
    """`batch` products (m, k) x (k, n): 2 batch m n k FLOPs, batch (mk + kn + mn) elements.

    >>> gemm("square", 4, 4, 4).flops, gemm("square", 4, 4, 4).elements
    (128, 48)
    """
    return Kernel(
        name,
        "matrix",
        flops=2 * batch * m * n * k,
        elements=batch * (m * k + k * n + m * n),
        repeat=repeat,
        sequential=sequential,
        weights=weights,
        matrices=matrices,
        shape=(batch, m, n, k),
        transposed=transposed,
        casts=casts,
    )


def bias_gradient(name: str, rows: int, width: int) -> Kernel:
    """The column sums of a (rows, width) gradient."""
    return Kernel(f"{name}.bgrad", "vector", rows * width, rows * width + width)


def matrix_flops(kernels: Iterable[Kernel]) -> float:
    """FLOPs of the matrix products alone: what torch's FlopCounterMode counts."""
    return sum(k.total_flops for k in kernels if k.engine == "matrix")


def vector_flops(kernels: Iterable[Kernel]) -> float:
    """FLOPs of everything else."""
    return sum(k.total_flops for k in kernels if k.engine == "vector")
