"""Recurrences: one large product over all steps, then a chain of small ones.

What depends on the input alone is one product over all steps; what depends on the state is a
sequential kernel with a repeat count. The backward pass mirrors it, and the weights' gradients
are again one product over all steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.graph.ops.kernel import Kernel, Op, bias_gradient, gemm

GATES = 4
# Per unit: sums of both products and both biases (12), five nonlinearities,
# c' = f c + i g and h = o tanh(c') (4).
LSTM_FLOPS = 21
# Per unit: through h = o tanh(c') (7), through the cell (4), through the gates (12).
LSTM_BACKWARD_FLOPS = 23
# Per unit: bias and sum (4), tanh and sigmoid, s + t (h - s) (3).
RHN_FLOPS = 9
# Per unit: t (1 - h^2) and (h - s) t (1 - t) (7), both times ds (2), ds (1 - t) (2), the sum.
RHN_BACKWARD_FLOPS = 12


@dataclass(frozen=True, slots=True)
class LSTM(Op):
    """One layer over x (steps, batch, inputs), `hidden` units per direction, two bias vectors.

    Matrix FLOPs forward: 2 steps batch 4 hidden (inputs + hidden) per direction. The backward
    chain is one product shorter: no gradient is wanted for the constant first state, unless it
    is `carried` from steps before. The directions of a bidirectional layer run one after the other.
    Where so many ``ways`` share a layer, each device has that part of the units with all that leads
    to them, and the whole state.

    >>> one = LSTM("lstm", batch=2, steps=3, inputs=5, hidden=7)
    >>> one.parameters, [k.repeat for k in one.forward()], one.backward()[1].repeat
    (392, [1, 3, 3], 2)
    """

    name: str
    batch: int
    steps: int
    inputs: int
    hidden: int
    bidirectional: bool = False
    input_gradient: bool = True
    ways: int = 1
    carried: bool = False

    @property
    def parameters(self) -> int:
        width = GATES * self._units
        return len(self._directions) * width * (self.inputs + self.hidden + 2)

    @property
    def saved(self) -> float:
        """The input, and per unit and step the four gates and the cell."""
        kept = len(self._directions) * (GATES + 1) * self._units
        return self.steps * self.batch * (self.inputs + kept)

    def forward(self) -> tuple[Kernel, ...]:
        return tuple(k for name in self._directions for k in self._forward(name))

    def backward(self) -> tuple[Kernel, ...]:
        return tuple(k for name in self._directions for k in self._backward(name))

    @property
    def _units(self) -> int:
        return self.hidden // self.ways

    @property
    def _directions(self) -> tuple[str, ...]:
        return (self.name, f"{self.name}.reverse") if self.bidirectional else (self.name,)

    def _forward(self, name: str) -> list[Kernel]:
        rows, width = self.steps * self.batch, GATES * self._units
        units = self.batch * self._units
        return [
            gemm(f"{name}.input.forward", rows, width, self.inputs, transposed=True),
            self._chain(f"{name}.step.forward", width, self.hidden, self.steps),
            # Both products and the cell in; state, cell and (for the backward pass) gates out.
            Kernel(
                f"{name}.cell.forward",
                "vector",
                LSTM_FLOPS * units,
                (3 * GATES + 3) * units,
                repeat=self.steps,
                sequential=True,
            ),
        ]

    def _backward(self, name: str) -> list[Kernel]:
        rows, width = self.steps * self.batch, GATES * self._units
        units = self.batch * self._units
        kernels = [
            # Gates, both cells, both gradients of the state, the cell's in; gates', cell's out.
            Kernel(
                f"{name}.cell.backward",
                "vector",
                LSTM_BACKWARD_FLOPS * units,
                (2 * GATES + 6) * units,
                repeat=self.steps,
                sequential=True,
            )
        ]
        chain = self.steps if self.carried else self.steps - 1
        if chain:
            kernels.append(self._chain(f"{name}.step.dgrad", self.hidden, width, chain))
        if self.input_gradient:
            kernels.append(gemm(f"{name}.input.dgrad", rows, self.inputs, width))
        kernels.append(gemm(f"{name}.wgrad", width, self.inputs + self.hidden, rows))
        kernels.append(bias_gradient(name, rows, width))
        return kernels

    def _chain(self, name: str, n: int, k: int, repeat: int) -> Kernel:
        return gemm(name, self.batch, n, k, repeat=repeat, sequential=True, weights=n * k)


@dataclass(frozen=True, slots=True)
class RHN(Op):
    """Recurrent Highway Network layer (Zilly et al. 2017), coupled gates, x (steps, batch, inputs).

    At every step the state s passes through `depth` micro-layers, s <- h t + s (1 - t) with
    h = tanh(W_h x [first] + R_h s + b_h) and t = sigmoid(W_t x [first] + R_t s + b_t),
    both gates stacked: matrices of (2 hidden, hidden) that take turns, and one bias vector each.
    Matrix FLOPs forward: 2 steps batch 2 hidden (inputs + depth hidden); backward twice that
    (the gradient of the first state is computed too, as the chain runs to its end). With no
    inputs these are later micro-layers alone: nothing but the state comes in. ``ways`` is as in
    `LSTM`.

    >>> one = RHN("rhn", batch=2, steps=3, inputs=5, hidden=7, depth=4)
    >>> one.parameters, [k.repeat for k in one.forward()]
    (518, [1, 12, 12])
    """

    name: str
    batch: int
    steps: int
    inputs: int
    hidden: int
    depth: int
    input_gradient: bool = True
    ways: int = 1

    @property
    def parameters(self) -> int:
        return 2 * self._units * (self.inputs + self.depth * (self.hidden + 1))

    @property
    def saved(self) -> float:
        """The input, and per unit and micro-layer both gates and the state."""
        return self.steps * self.batch * (self.inputs + 3 * self.depth * self._units)

    def forward(self) -> tuple[Kernel, ...]:
        rows, width = self.steps * self.batch, 2 * self._units
        chain = (
            self._chain("step.forward", width, self.hidden),
            # Product and state in, state and gates out; the input's product at the first only.
            self._pointwise("cell.forward", RHN_FLOPS, 6 + (2 / self.depth if self.inputs else 0)),
        )
        if not self.inputs:
            return chain
        name = f"{self.name}.input.forward"
        return (gemm(name, rows, width, self.inputs, transposed=True), *chain)

    def backward(self) -> tuple[Kernel, ...]:
        rows, width = self.steps * self.batch, 2 * self._units
        kernels = [
            # Gates, state and its gradient in, both factors and the carried gradient out;
            # the gradient from above at the last micro-layer only.
            self._pointwise("cell.backward", RHN_BACKWARD_FLOPS, 7 + 1 / self.depth),
            self._chain("step.dgrad", self.hidden, width),
        ]
        if self.inputs and self.input_gradient:
            kernels.append(gemm(f"{self.name}.input.dgrad", rows, self.inputs, width))
        if self.inputs:
            kernels.append(gemm(f"{self.name}.input.wgrad", width, self.inputs, rows))
        return (
            *kernels,
            gemm(f"{self.name}.wgrad", width, self.hidden, rows, batch=self.depth),
            bias_gradient(self.name, rows, self.depth * width),
        )

    @property
    def _units(self) -> int:
        return self.hidden // self.ways

    def _chain(self, part: str, n: int, k: int) -> Kernel:
        return gemm(
            f"{self.name}.{part}",
            self.batch,
            n,
            k,
            repeat=self.steps * self.depth,
            sequential=True,
            weights=n * k,
            matrices=self.depth,
        )

    def _pointwise(self, part: str, flops: float, operands: float) -> Kernel:
        units = self.batch * self._units
        name, repeat = f"{self.name}.{part}", self.steps * self.depth
        return Kernel(
            name, "vector", flops * units, operands * units, repeat=repeat, sequential=True
        )
