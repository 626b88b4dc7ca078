"""A step of GPT-3 (175 billion parameters) on 1,024 A100, beside what Megatron-LM reports.

96 layers of width 12288 with 96 heads, sequence 2048, vocabulary 51200, dropout, attention that
keeps its scores, fp16, 1536 sequences a step, on 128 DGX A100 with eight HDR ports each: 8
tensor-parallel devices, 16 pipeline stages, 8 replicas, micro-batches of one sequence.

Published for this model, batch and machine: 140 TFLOP/s per device with full recomputation
(Narayanan et al. 2021, arXiv 2104.04473), counted as 96 B s l h^2 (1 + s / 6 h + V / 16 l h) FLOPs
a step; and "around" 32 s a step under this plan (Megatron-LM, README of 2021), of which it isn't
said whether the pipeline was interleaved. For selective recomputation with sequence parallelism
models of other sizes were measured (Korthikanti et al. 2022, arXiv 2205.05198, table 5): from full
recomputation, 22 billion went from 1.42 s to 1.10 s and a trillion from 94.42 s to 71.49 s.

TFLOP/s count what is computed again only in full; model FLOPs utilization (MFU) never. The formula
of the bubble, (p - 1) / (v m + p - 1), is for equal stages and sends that take no time.
"""

from typing import NamedTuple

import hwsim
from hwsim import Plan
from hwsim.cost.calibration import load_for
from hwsim.parallel.needs import needed
from hwsim.simulate.step import prepared, simulate
from hwsim.simulate.timeline import Timeline
from hwsim.units import bytes_text
from workloads.transformer import Transformer

SYSTEM = hwsim.load_system("dgx-a100-80gb")
CALIBRATION = load_for(SYSTEM.device)
PEAK = SYSTEM.device.matrix.fp16 or 0.0
MODEL = Transformer(
    layers=96,
    hidden=12_288,
    heads=96,
    vocabulary=51_200,
    sequence=2048,
    attention="eager",
    dropout=True,
    dtype="fp16",
    batch=1536,
)
FULL = Plan(tp=8, pp=16, dp=8, micro_batch=1, recompute="full")
ROWS = FULL.model_copy(update={"sequence_parallel": True, "recompute": "selective"})
INTERLEAVED = {"schedule": "interleaved", "virtual": 3}
PLANS = {
    "full": FULL,
    "full, interleaved": FULL.model_copy(update=INTERLEAVED),
    "selective": ROWS,
    "selective, interleaved": ROWS.model_copy(update=INTERLEAVED),
}
# What runs them: Megatron-LM of 2021, and of 2022 for selective recomputation.
SOFTWARE = {
    "full": hwsim.load_software("megatron-2021"),
    "selective": hwsim.load_software("megatron-2022"),
}
REPORTED = 32.0  # seconds
RATE = 140e12  # FLOP/s of each device


class Row(NamedTuple):
    """A plan's step, the bubble of equal stages, and bytes on the fullest stage."""

    line: Timeline
    formula: float
    memory: str


def flops(passes: int = 3) -> float:
    """Of a step: forward, and twice that backward; with 4 passes forward again."""
    m = MODEL
    more = m.sequence / (6 * m.hidden) + m.vocabulary / (16 * m.layers * m.hidden)
    return 24.0 * passes * m.batch * m.sequence * m.layers * m.hidden**2 * (1 + more)


def row(plan: Plan) -> Row:
    ahead = (plan.pp - 1) / plan.virtual
    software = SOFTWARE[plan.recompute]
    step = prepared(SYSTEM, MODEL, plan, CALIBRATION, software=software)
    used = needed(MODEL, step.plan, step.cuts)
    return Row(
        simulate(SYSTEM, MODEL, plan, CALIBRATION, software=software, trace=False),
        ahead / (MODEL.batch / plan.dp + ahead),
        f"{bytes_text(used.bytes)} (stage {used.stage})",
    )


def main() -> None:
    rows = {name: row(plan) for name, plan in PLANS.items()}
    devices = FULL.devices
    print(
        f"{'recomputation':23} {'step':>7} {'TFLOP/s':>8} {'MFU':>6} {'bubble':>7} {'formula':>8}"
    )
    for name, (line, formula, _) in rows.items():
        passes = 4 if PLANS[name].recompute == "full" else 3
        rate = flops(passes) / line.seconds / devices
        used = flops() / line.seconds / devices / PEAK
        print(
            f"{name:23} {line.seconds:>5.1f} s {rate / 1e12:>8.0f} {used:>6.1%}"
            f" {line.bubble:>7.1%} {formula:>8.1%}"
        )
    parts = ("compute", "memory", "launch", "communication", "bubble", "update")
    names = "".join(f" {part:>13}" for part in parts)
    print(f"\n{'seconds by part':23}{names}  memory")
    for name, (line, _, memory) in rows.items():
        told = "".join(f" {line.parts()[part]:>13.2f}" for part in parts)
        print(f"{name:23}{told}  {memory}")
    full, selective = rows["full"].line.seconds, rows["selective"].line.seconds
    interleaved = rows["full, interleaved"].line.seconds
    published = flops(4) / RATE / devices
    print(
        f"\npublished: {RATE / 1e12:.0f} TFLOP/s ({published:.1f} s), around {REPORTED:.0f} s;"
        f" hwsim is {full / published - 1:+.0%} and {full / REPORTED - 1:+.0%} off,"
        f"\n  interleaved {interleaved / published - 1:+.0%} and"
        f" {interleaved / REPORTED - 1:+.0%}"
        f"\nfull (2021) over selective (2022): {full / selective:.2f};"
        f" published {1.42 / 1.10:.2f} (22 billion), {94.42 / 71.49:.2f} (a trillion)"
    )


if __name__ == "__main__":
    main()
