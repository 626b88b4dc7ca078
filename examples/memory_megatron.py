"""Memory per device of models of 22 billion to a trillion parameters, against published figures.

Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models" (arXiv
2205.05198): sequence 2048, vocabulary 51200, fp16, dropout, attention that keeps its scores. Their
figures are of the first pipeline stage and of the transformer layers alone, as is the column
"hwsim"; "whole stage" adds embeddings (and the output, where there is one stage). Recomputation
is above the published figures, because hwsim counts the one layer too that is computed again.
"""

from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple

from hwsim.parallel.memory import StageMemory, footprint
from hwsim.parallel.needs import layer_memories
from hwsim.parallel.plan import Plan
from hwsim.parallel.split import split
from workloads.transformer import Transformer

GIB = 2**30


class Model(NamedTuple):
    """Sizes and plan (table 3), then GiB read off figure 1 and percentages off figure 7."""

    name: str
    layers: int
    hidden: int
    heads: int
    pp: int
    virtual: int
    batch: int
    micro_batch: int
    state: float  # parameters and optimizer
    baseline: float  # activations, tensor parallelism alone
    both: float  # activations, with sequence parallelism and selective recomputation
    shares: tuple[float, float, float, float]  # activations in % of the baseline, see PLANS


MODELS = (
    Model("22B", 48, 6144, 64, 1, 1, 4, 4, 45.5625, 59.25, 9.5625, (66.84, 49.42, 16.18, 7.64)),
    Model(
        "175B", 96, 12288, 96, 8, 3, 64, 1, 45.5625, 66.84375, 12.3515625,
        (62.04, 56.53, 18.49, 8.71),
    ),
    Model(
        "530B", 105, 20480, 128, 35, 3, 280, 1, 31.640625, 114.0234375, 23.076171875,
        (58.31, 62.04, 20.27, 9.42),
    ),
    Model(
        "1T", 128, 25600, 160, 64, 1, 512, 1, 32.958984375, 131.25, 26.5625,
        (58.31, 62.04, 20.27, 9.42),
    ),
)  # fmt: skip
BOTH = {"sequence_parallel": True, "recompute": "selective"}
PLANS = {
    "sequence parallel": {"sequence_parallel": True},
    "selective": {"recompute": "selective"},
    "both": BOTH,
    "full": {"recompute": "full"},
}


def first_stage(model: Model, blocks_alone: bool = True, **change: object) -> StageMemory:
    """Memory of the first stage, as many blocks on each."""
    workload = Transformer(
        layers=model.layers,
        hidden=model.hidden,
        heads=model.heads,
        vocabulary=51_200,
        sequence=2048,
        dtype="fp16",
        attention="eager",
        dropout=True,
        batch=model.batch,
    )
    schedule = "interleaved" if model.virtual > 1 else "1f1b"
    sizes = {"tp": 8, "pp": model.pp, "virtual": model.virtual, "schedule": schedule}
    plan = Plan.model_validate(sizes | {"micro_batch": model.micro_batch} | change)
    graph = workload.graph(model.micro_batch)
    layers = layer_memories([split(layer, plan, "plan") for layer in graph.layers], graph.dtype)
    embedding, blocks, output = layers[:1], layers[1:-1], layers[-1:]
    chunks = plan.pp * plan.virtual
    size = len(blocks) // chunks
    cuts = [(size * chunk, size * (chunk + 1)) for chunk in range(chunks)]
    if not blocks_alone:  # the embedding joins the first chunk, the output the last
        blocks = (*embedding, *blocks, *output)
        cuts = [(first + 1 if first else 0, end + 1) for first, end in cuts]
        cuts[-1] = (cuts[-1][0], len(blocks))
    stages = footprint(
        blocks, cuts, plan, graph.dtype, graph.optimizer, model.batch // model.micro_batch
    )
    return stages[0]


def state(memory: StageMemory) -> float:
    return sum(memory.parts[part] for part in ("parameters", "gradients", "optimizer")) / GIB


def activations(memory: StageMemory) -> float:
    return memory.parts["activations"] / GIB


class Cell(NamedTuple):
    """One published figure, what hwsim says of the blocks, and of the whole stage."""

    model: str
    what: str
    published: float
    found: float
    whole: float

    @property
    def error(self) -> float:
        return self.found / self.published - 1

    @property
    def whole_error(self) -> float:
        return self.whole / self.published - 1


def figure_1_state() -> list[Cell]:
    """GiB of parameters, gradients and optimizer."""
    return [
        Cell(
            m.name,
            "parameters and optimizer",
            m.state,
            state(first_stage(m)),
            state(first_stage(m, blocks_alone=False)),
        )
        for m in MODELS
    ]


def figure_1_activations() -> list[Cell]:
    """GiB of activations: tensor parallelism alone, and with both of the paper's methods."""
    return [
        Cell(
            m.name,
            what,
            published,
            activations(first_stage(m, **change)),
            activations(first_stage(m, blocks_alone=False, **change)),
        )
        for m in MODELS
        for what, published, change in (
            ("activations, baseline", m.baseline, {}),
            ("activations, both", m.both, BOTH),
        )
    ]


def figure_7() -> list[Cell]:
    """Activations in percent of those of tensor parallelism alone."""
    return [
        Cell(m.name, what, published, *(_share(m, alone, change) for alone in (True, False)))
        for m in MODELS
        for (what, change), published in zip(PLANS.items(), m.shares, strict=True)
    ]


def _share(model: Model, alone: bool, change: dict[str, object]) -> float:
    part = activations(first_stage(model, alone, **change))
    return 100 * part / activations(first_stage(model, alone))


GROUPS = {
    "Figure 1, GiB": figure_1_state,
    "Figure 1, GiB of activations": figure_1_activations,
    "Figure 7, % of the baseline's activations": figure_7,
}


def mape(errors: Iterable[float]) -> float:
    return fmean(abs(error) for error in errors)


def main() -> None:
    for title, group in GROUPS.items():
        cells = group()
        print(f"| {title} | published | hwsim | error | whole stage | error |")
        print("|---|---|---|---|---|---|")
        for cell in cells:
            print(
                f"| {cell.model}: {cell.what} | {cell.published:.2f} | {cell.found:.2f} "
                f"| {cell.error:+.1%} | {cell.whole:.2f} | {cell.whole_error:+.1%} |"
            )
        alone, whole = (mape(c.error for c in cells), mape(c.whole_error for c in cells))
        print(f"| mean of absolute errors | | | {alone:.1%} | | {whole:.1%} |\n")


if __name__ == "__main__":
    main()
