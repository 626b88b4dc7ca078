"""Every kind of operator on four devices: what they exchange, and how much faster they are.

A step (forward, backward, update) of one layer in fp32 on a DGX-1 with V100: on one device, and
divided among four, joined all to all. The last column says by how much the step differs when every
device is simulated by itself, in place of one that stands for its equals.

A layer begins and ends with activations that all devices have (or with rows of them), so that
single operators pay for exchanges that a whole layer leaves out; gradients of weights that the four
hold alike (cp, dp) are summed besides. More than four times as fast is what a narrower share suits
better: V100 was measured to be slower on very wide products. Memory isn't asked about here.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple

import hwsim
from hwsim.cost.calibration import load_for
from hwsim.graph.dtypes import stored_bytes
from hwsim.graph.ops import (
    Attention,
    Convolution2d,
    CrossEntropy,
    Embedding,
    Experts,
    Linear,
    Normalization,
    Op,
    Pointwise,
)
from hwsim.graph.recurrent import LSTM, RHN
from hwsim.graph.step import Layer
from hwsim.graph.workload import Workload
from hwsim.parallel.check import samples
from hwsim.parallel.exchange import Exchange
from hwsim.parallel.plan import Plan
from hwsim.parallel.split import split
from hwsim.parallel.staged import staged
from hwsim.simulate.step import simulate
from hwsim.units import bytes_text, seconds_text

SYSTEM = hwsim.load_system("volta")
CALIBRATION = load_for(SYSTEM.device)
HIDDEN, SEQUENCE, STEPS = 2048, 1024, 80


def image(name: str, batch: int) -> Convolution2d:
    return Convolution2d(name, batch, 128, 56, 56, 128, (3, 3), padding=(1, 1))


def heads(batch: int) -> tuple[Op, ...]:
    rows = batch * SEQUENCE
    return (
        Linear("qkv", rows, HIDDEN, 3 * HIDDEN),
        Attention("attention", batch, 16, 16, SEQUENCE, HIDDEN // 16),
        Linear("projection", rows, HIDDEN, HIDDEN),
    )


OPERATORS: dict[str, Callable[[int], tuple[Op, ...]]] = {
    "product": lambda n: (Linear("product", n * SEQUENCE, HIDDEN, HIDDEN),),
    "two products": lambda n: (
        Linear("up", n * SEQUENCE, HIDDEN, 4 * HIDDEN),
        Linear("down", n * SEQUENCE, 4 * HIDDEN, HIDDEN),
    ),
    "embedding": lambda n: (Embedding("table", n * SEQUENCE, 50_000, HIDDEN),),
    "softmax": lambda n: (
        Linear("head", n * SEQUENCE, HIDDEN, 50_000),
        CrossEntropy("loss", n * SEQUENCE, 50_000),
    ),
    "attention": heads,
    "normalization": lambda n: (Normalization("norm", n * SEQUENCE, HIDDEN),),
    "elementwise": lambda n: (Pointwise("gelu", n * SEQUENCE * HIDDEN, flops=8),),
    "lstm": lambda n: (LSTM("lstm", n, STEPS, HIDDEN, HIDDEN),),
    "rhn": lambda n: (RHN("rhn", n, STEPS, HIDDEN, HIDDEN, 10),),
    "convolutions": lambda n: (image("first", n), image("second", n)),
    "experts": lambda n: (Experts("experts", n * SEQUENCE, HIDDEN, 4 * HIDDEN, 8, 2),),
}


class OneLayer(Workload):
    """A layer of one kind of operator."""

    name: ClassVar[str] = "layer"
    unit: ClassVar[str] = "rows"

    kind: str
    dataset: int = 1
    corpus: str = "none"

    @property
    def items_per_sample(self) -> int:
        return SEQUENCE

    def build(self, batch: int) -> tuple[Layer, ...]:
        return (Layer(self.kind, OPERATORS[self.kind](batch)),)


class Row(NamedTuple):
    """An operator, how it is divided, and the plan that does it."""

    kind: str
    divided: str
    plan: Plan
    batch: int = 8


TENSOR, ROWS = Plan(tp=4), Plan(tp=4, sequence_parallel=True)
ROWS_OF_OPERATORS = (
    Row("product", "columns", TENSOR),
    Row("two products", "columns, rows", TENSOR),
    Row("embedding", "vocabulary", TENSOR),
    Row("softmax", "vocabulary", TENSOR),
    Row("attention", "heads", TENSOR),
    Row("attention", "sequence (cp)", Plan(cp=4)),
    Row("normalization", "sequence", ROWS),
    Row("elementwise", "sequence", ROWS),
    Row("lstm", "units", TENSOR, 128),
    Row("rhn", "units", TENSOR, 128),
    Row("convolutions", "channels", TENSOR, 32),
    Row("convolutions", "height", Plan(tp=4, convolutions="space"), 32),
    Row("experts", "experts (dp 4)", Plan(dp=4, ep=4)),
)


class Pipeline(NamedTuple):
    """A model in four stages."""

    name: str
    divided: str
    workload: Workload
    plan: Plan


def pipelines() -> tuple[Pipeline, ...]:
    blocks = hwsim.load_workload("transformer").model_copy(update={"batch": 64})
    lstms = hwsim.load_workload("wordlm").model_copy(update={"layers": 8, "hidden": HIDDEN})
    rhn = hwsim.load_workload("charlm")
    speech = hwsim.load_workload("speech")
    wave = Plan(pp=4, schedule="gpipe", time_chunks=10)
    return (
        Pipeline("transformer", "16 micro-batches", blocks, Plan(pp=4, micro_batch=4)),
        Pipeline("8 lstms", "16 micro-batches", lstms, Plan(pp=4, micro_batch=8)),
        Pipeline("8 lstms", "wave of 10 chunks", lstms, wave),
        Pipeline("rhn", "150 time steps", rhn, Plan(pp=4, micro_batch=32, time_chunks=150)),
        Pipeline("speech", "8 micro-batches", speech, Plan(pp=4, micro_batch=16)),
    )


def said(exchanges: Iterable[Exchange], element: float) -> str:
    """Exchanges in short: equal ones counted."""
    counts = Counter[str]()
    for one in exchanges:
        size = bytes_text(one.elements * (one.element_bytes or element))
        counts[f"{one.collective} {size}"] += one.repeat
    return ", ".join(f"{n} x {what}" if n > 1 else what for what, n in counts.items()) or "nothing"


def times(workload: Workload, plan: Plan) -> str:
    """Seconds alone and shared, the ratio, the share of communication, all devices simulated."""
    alone, shared, everyone = (
        simulate(SYSTEM, workload, plan, CALIBRATION, everyone=all_of_them, trace=False)
        for plan, all_of_them in ((Plan(), False), (plan, False), (plan, True))
    )
    exchanges = shared.parts()["communication"] / shared.seconds
    return (
        f"{seconds_text(alone.seconds):>9} {seconds_text(shared.seconds):>9}"
        f" {alone.seconds / shared.seconds:>7.2f} x {exchanges:>10.1%}"
        f" {shared.bubble:>7.1%} {abs(everyone.seconds / shared.seconds - 1):>9.1%}"
    )


def main() -> None:
    print(
        f"{'operator':13} {'divided by':18} {'1 device':>9} {'4':>9} {'faster':>9}"
        f" {'exchanges':>10} {'bubble':>7} {'all four':>9}"
    )
    for row in ROWS_OF_OPERATORS:
        workload = OneLayer(kind=row.kind, batch=row.batch)
        graph = workload.graph(samples(row.plan, workload))
        shards = [shard for layer in graph.layers for shard in split(layer, row.plan).shards]
        element = stored_bytes(graph.dtype)
        print(f"{row.kind:13} {row.divided:18} {times(workload, row.plan)}")
        print(f"    forward: {said((e for shard in shards for e in shard.forward), element)}")
        print(f"    backward: {said((e for shard in shards for e in shard.backward), element)}")
    for row in pipelines():
        step = staged(row.workload, SYSTEM, row.plan, CALIBRATION)
        sent = bytes_text(step.chunks[0][-1].sent)
        layers = ", ".join(str(len(chunk)) for chunk in step.chunks)
        print(f"{row.name:13} {row.divided:18} {times(row.workload, row.plan)}")
        print(f"    stages of {layers} layers; the first sends {step.slots * step.rounds} x {sent}")


if __name__ == "__main__":
    main()
