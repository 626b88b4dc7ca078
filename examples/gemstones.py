"""Which transformer reaches a loss with the fewest device seconds? Published steps, two clocks.

Steps: gemstones.csv, ten transformers of 475 million to 2.0 billion parameters and smaller ones,
2,048 sequences of 2,048 tokens a step (McLeish et al. 2025, Gemstones, arXiv 2502.06857; MIT). The
loss surface fitted to them also answers for losses that nobody read off, such as 2.9 and 2.7.

Seconds a step, once as published: those of the same runs on MI250X grow as N^0.76, here as a power
law that was fitted to them, so that only ratios count. And once simulated: one die of an MI250X,
micro-batches of four sequences. The blocks (grouped queries, gated feed-forward of 4 x width,
untied embeddings of 50,304) reproduce each model's parameter count; heads of 128 are assumed.

The cheapest size grows with the target; but a wide range of sizes costs hardly more. Where most
draws of the surface never reach the loss, a model needs infinitely many steps.
"""

from pathlib import Path

import hwsim
from calibration.converge.tables import laws, rows
from calibration.converge.tables.rows import Asked
from hwsim import Plan
from workloads.transformer import Transformer

TABLE = Path(__file__).with_name("gemstones.csv")
TARGETS = (3.1, 3.0, 2.9, 2.8, 2.7)
SMALLEST = 4e8  # parameters
EXPONENT = 0.76
FLAT = 1.1
SYSTEM = hwsim.load_system("mi250x-gcd")


def model(asked: Asked) -> Transformer:
    width, depth = (int(size) for size in asked.workload.removeprefix("lm-").split("x"))
    return Transformer(
        hidden=width,
        layers=depth,
        heads=width // 128,
        kv_heads=width // 256,
        gated=True,
        tied=False,
        positions="rotary",
        norm="rmsnorm",
        bias=False,
        vocabulary=50_304,
        sequence=2048,
        batch=asked.batch,
        dtype="bf16",
    )


def best(seconds: dict[str, float], sizes: dict[str, int]) -> str:
    """The cheapest model, and the sizes of all within 10 % of it."""
    least = min(seconds, key=lambda name: seconds[name])
    flat = sorted(sizes[name] for name, s in seconds.items() if s <= FLAT * seconds[least])
    shown = f"{sizes[least] / 1e6:,.0f}M {least.removeprefix('lm-')}"
    return f"{shown:16} {flat[0] / 1e6:,.0f}M to {flat[-1] / 1e6:,.0f}M ({len(flat)})"


def main() -> None:
    table = rows.parse(TABLE.read_text(), TABLE.name)
    surface = next(iter(laws.fit(table).surfaces.values()))
    models = {r.asked.workload: r.asked for r in table if (r.asked.params or 0) > SMALLEST}
    sizes = {name: asked.params or 0 for name, asked in models.items()}
    plan = Plan(micro_batch=4)
    simulated = {
        name: hwsim.estimate(SYSTEM, model(asked), plan, steps=1).step.seconds
        for name, asked in models.items()
    }
    print(f"{'model':8} {'parameters':>13} {'s/step, one die':>16}   relative to N^{EXPONENT}")
    first = min(sizes, key=lambda name: sizes[name])
    for name in sorted(sizes, key=lambda name: sizes[name]):
        ratio = simulated[name] / simulated[first] / (sizes[name] / sizes[first]) ** EXPONENT
        print(f"{name[3:]:8} {sizes[name]:>13,} {simulated[name]:>14.1f} s   {ratio:.2f}")
    print(f"\n{'loss':4}  {'steps of 2048x27 (80 %)':25}  {'seconds ~ N^0.76':37}  simulated")
    for target in TARGETS:
        found = {name: surface.predict(name, sizes[name], target) for name in models}
        by_law = {name: found[name].steps * (sizes[name] / 1e9) ** EXPONENT for name in models}
        by_clock = {name: found[name].steps * simulated[name] for name in models}
        one = found["lm-2048x27"]
        told = f"{one.steps:,.0f} ({one.low:,.0f} to {one.high:,.0f})"
        print(f"{target:4}  {told:25}  {best(by_law, sizes):37}  {best(by_clock, sizes)}")


if __name__ == "__main__":
    main()
