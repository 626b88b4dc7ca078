"""A mixture of experts: a router sends every token to a few of many feed-forward networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from hwsim.graph.ops.attention import SOFTMAX_FLOPS
from hwsim.graph.ops.kernel import Kernel, Op, bias_gradient, gemm
from hwsim.graph.ops.linear import Linear
from hwsim.graph.ops.pointwise import GELU_FLOPS, SWIGLU_FLOPS, Pointwise


@dataclass(frozen=True, slots=True)
class Experts(Op):
    """`tokens` of width `hidden`, each through `topk` of `experts` networks of width `ffn`.

    Router (a product with a softmax), tokens permuted so that those of an expert follow each other,
    the experts' products, activation times the router's weight, the `topk` results of a
    token summed (Shazeer et al. 2017; dropless, as MegaBlocks, Gale et al. 2022). ``shared`` is the
    width of a network that every token passes besides. An expert has

        rows = ceil(imbalance ep tokens topk / experts)

    where ``imbalance`` is its load over the mean one: 1 is balanced routing. Matrix FLOPs forward:
    2 tokens hidden experts for the router, 2 rows hidden ffn for each expert and matrix (three if
    ``gated``, else two).

    The experts' products are one launch, in whose waves the tiles of all experts are, if they are
    ``grouped``, else one launch for each expert.

    Of ``ep`` devices with as many tokens each has its part of the experts, and what comes from the
    others is put in the order of the experts once more, unless it is ``sorted`` on its way. Outside
    the experts each of ``spread`` devices has its part of the tokens.

    >>> one = Experts("experts", tokens=6, hidden=4, ffn=8, experts=3, topk=2, bias=False)
    >>> one.parameters, one.expert_parameters, [k.shape for k in one.forward() if k.shape]
    (204, 192, [(1, 6, 3, 4), (3, 4, 8, 4), (3, 4, 4, 8)])
    """

    name: str
    tokens: int
    hidden: int
    ffn: int
    experts: int
    topk: int
    gated: bool = False
    bias: bool = True
    shared: int = 0
    imbalance: float = 1.0
    ep: int = 1
    spread: int = 1
    sorted: bool = False
    grouped: bool = True

    @property
    def parameters(self) -> int:
        others = (self._router, *self._beside)
        return self.expert_parameters + sum(op.parameters for op in others)

    @property
    def expert_parameters(self) -> int:
        width = self._up(self.ffn)
        biases = width + self.hidden if self.bias else 0
        return self.local * (self.hidden * (width + self.ffn) + biases)

    @property
    def saved(self) -> float:
        """The input, what the router chose from and chose, the experts' rows, and inside of both.

        A network's inside is the activation's input and output.
        """
        routed = self._outside * (self.hidden + self.experts + 2 * self.topk)
        inside, beside = (self._up(width) + width for width in (self.ffn, self.shared))
        return routed + self.routed * (self.hidden + inside) + self.tokens * beside

    @property
    def local(self) -> int:
        """Experts of one device."""
        return self.experts // self.ep

    @property
    def rows(self) -> int:
        """Tokens of one expert, those of other devices among them."""
        return ceil(self.imbalance * self.ep * self.tokens * self.topk / self.experts)

    @property
    def routed(self) -> int:
        """Tokens of all experts of one device."""
        return self.local * self.rows

    def forward(self) -> tuple[Kernel, ...]:
        return (
            *self._router.forward(),
            self._gate("forward", SOFTMAX_FLOPS + self.topk),
            self._copies("permute.forward", 0, 2 * self.topk),
            *self._sort("sort.forward"),
            self._ahead("up.forward", self._up(self.ffn), self.hidden),
            *self._activation(self.name, self.routed, self.ffn).forward(),
            self._ahead("down.forward", self.hidden, self.ffn),
            *self._sort("unsort.forward"),
            self._copies("combine.forward", self.topk, self.topk + 1),
            *(kernel for op in self._beside for kernel in op.forward()),
        )

    def backward(self) -> tuple[Kernel, ...]:
        return (
            *(kernel for op in reversed(self._beside) for kernel in op.backward()),
            self._copies("combine.backward", 0, self.topk + 1),
            *self._sort("unsort.backward"),
            *self._gradients("down", self.hidden, self.ffn),
            *self._activation(self.name, self.routed, self.ffn).backward(),
            *self._gradients("up", self._up(self.ffn), self.hidden),
            *self._sort("sort.backward"),
            self._copies("permute.backward", self.topk, self.topk + 1),
            self._gate("backward", SOFTMAX_FLOPS),
            *self._router.backward(),
        )

    @property
    def _outside(self) -> int:
        return self.tokens // self.spread

    @property
    def _router(self) -> Linear:
        name, sizes = f"{self.name}.router", (self._outside, self.hidden, self.experts)
        return Linear(name, *sizes, bias=False, quantized=False)

    @property
    def _beside(self) -> tuple[Op, ...]:
        """The shared network, and the sum of its output and the experts'."""
        if not self.shared:
            return ()
        name = f"{self.name}.shared"
        return (
            Linear(f"{name}.up", self.tokens, self.hidden, self._up(self.shared), self.bias),
            self._activation(name, self.tokens, self.shared),
            Linear(f"{name}.down", self.tokens, self.shared, self.hidden, self.bias),
            Pointwise(f"{name}.add", self._outside * self.hidden, inputs=2, kept=0),
        )

    def _up(self, width: int) -> int:
        """Outputs of the first matrices of a network of some width."""
        return 2 * width if self.gated else width

    def _activation(self, name: str, rows: int, width: int) -> Pointwise:
        """With the router's weight, one more product."""
        inputs, flops = (2, SWIGLU_FLOPS) if self.gated else (1, GELU_FLOPS)
        return Pointwise(f"{name}.activation", rows * width, inputs, flops=flops + 1)

    def _ahead(self, part: str, n: int, k: int) -> Kernel:
        casts = (self.routed * k, self.local * k * n)
        return self._product(part, self.rows, n, k, casts, transposed=True)

    def _gradients(self, part: str, outputs: int, inputs: int) -> Iterator[Kernel]:
        casts = (self.routed * outputs,)
        yield self._product(f"{part}.dgrad", self.rows, inputs, outputs, casts)
        yield self._product(f"{part}.wgrad", outputs, inputs, self.rows, ())
        if self.bias:
            yield bias_gradient(f"{self.name}.{part}", self.routed, outputs)

    def _product(
        self,
        part: str,
        m: int,
        n: int,
        k: int,
        casts: tuple[float, ...],
        *,
        transposed: bool = False,
    ) -> Kernel:
        """Of all experts of a device."""
        batch, repeat = (self.local, 1) if self.grouped else (1, self.local)
        name = f"{self.name}.{part}"
        return gemm(name, m, n, k, batch=batch, repeat=repeat, transposed=transposed, casts=casts)

    def _gate(self, way: str, flops: int) -> Kernel:
        scores, chosen = self._outside * self.experts, self._outside * self.topk
        name, elements = f"{self.name}.gate.{way}", scores + 2 * chosen
        return Kernel(name, "vector", flops * scores, elements, reduction=True)

    def _copies(self, part: str, flops: int, passes: int) -> Kernel:
        """Every token copied to its experts' rows, or those summed."""
        size = self._outside * self.hidden
        return Kernel(f"{self.name}.{part}", "vector", flops * size, passes * size)

    def _sort(self, part: str) -> Iterator[Kernel]:
        """Rows of the experts' order and the devices' order, the one copied to the other."""
        if self.ep > 1 and self.local > 1 and not self.sorted:
            elements = 2 * self.routed * self.hidden
            yield Kernel(f"{self.name}.{part}", "vector", 0, elements)
