"""Power and energy of published trainings, beside what hwsim and a datasheet say of them.

The published figures are measured. Nothing was fitted to them, but they were in sight when products
of matrices were set to draw the limit, and the host's share is from the last row's machine. "limit"
is the device's power limit alone, which is what model cards multiply by hours. Watts are per
device: its own (OLMo), or with its share of host and network, and never of the facility. Joules are
those of devices alone, at hwsim's own time per token.

OLMo 3: the measured mean of a whole training, with interruptions, and its tokens per second (Ai2,
quoted by A. Bradbury, muxup.com, 2025-12-01). GPT-3: Patterson et al. 2021 (arXiv 2104.10350,
table 4). PaLM: Chowdhery et al. 2022 (arXiv 2204.02311, appendix B). LoRA: Sustainable Metal Cloud,
MLPerf Training v4.0, 8 H100s in oil: no fans, and no weight gradients, which are counted here. H100
nodes: Newkirk et al. 2025 (arXiv 2506.14551), 76 % of 10.2 kW. OLMo 2: OLMo Team 2025 (arXiv
2501.00656, table 19), all that the training took.
"""

from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple

import hwsim
from hwsim.hardware import catalog
from hwsim.study.subject import Subject
from workloads.transformer import Transformer

LLAMA = {"gated": True, "bias": False, "tied": False, "norm": "rmsnorm", "positions": "rotary"}
OLMO = {**LLAMA, "vocabulary": 100_278}
SMALL = {**OLMO, "layers": 32, "hidden": 4096, "heads": 32, "ffn": 11_008}


class Run(NamedTuple):
    """A training, and its published watts per device or joules per token of the devices."""

    name: str
    hw: str
    sizes: dict[str, object]
    plan: dict[str, int]
    watts: float = 0.0
    alone: bool = False  # the device's own watts
    joules: float = 0.0


SHARDED = {"zero": 3, "dp": 256}
RUNS = (
    Run(
        "OLMo 3 7B", "dgx-h100", {**SMALL, "sequence": 8192, "batch": 512}, SHARDED,
        watts=621.0, alone=True, joules=621.0 / 7700.0,
    ),
    Run(
        "OLMo 3 32B", "dgx-h100",
        {**OLMO, "layers": 64, "hidden": 5120, "heads": 40, "kv_heads": 8, "ffn": 27_648,
         "sequence": 8192, "batch": 1024},
        {"zero": 3, "dp": 1024}, watts=649.0, alone=True, joules=649.0 / 1900.0,
    ),
    Run(
        "GPT-3 175B", "dgx-1-v100-32gb",
        {"layers": 96, "hidden": 12_288, "heads": 96, "sequence": 2048, "batch": 1536,
         "dtype": "fp16"},
        {"tp": 8, "pp": 16, "dp": 8, "micro_batch": 1}, watts=330.0,
    ),
    Run(
        "PaLM 540B", "tpu-v4-pod",
        {"layers": 118, "hidden": 18_432, "heads": 48, "head_dim": 256, "kv_heads": 1,
         "ffn": 73_728, "gated": True, "vocabulary": 256_000, "sequence": 2048, "batch": 2048},
        {"tp": 12, "dp": 256}, watts=378.5,
    ),
    Run(
        "Llama 2 70B LoRA", "dgx-h100",
        {**LLAMA, "layers": 80, "hidden": 8192, "heads": 64, "kv_heads": 8, "ffn": 28_672,
         "vocabulary": 32_000, "sequence": 8192, "batch": 8},
        {"tp": 4, "dp": 2}, watts=12_127_904.0 / (29.10069 * 60.0) / 8,
    ),
    Run(
        "H100 nodes, Llama 2 13B", "dgx-h100",
        {**LLAMA, "layers": 40, "hidden": 5120, "heads": 40, "ffn": 13_824, "vocabulary": 32_000,
         "sequence": 4096, "batch": 64},
        {"dp": 8, "zero": 3}, watts=0.76 * 10_200.0 / 8,
    ),
    Run(
        "OLMo 2 7B", "dgx-h100", {**SMALL, "sequence": 4096, "batch": 1024}, SHARDED,
        joules=131e6 * 3600.0 / 4.05e12,
    ),
    Run(
        "OLMo 2 13B", "dgx-h100",
        {**OLMO, "layers": 40, "hidden": 5120, "heads": 40, "ffn": 13_824, "sequence": 4096,
         "batch": 2048},
        {"zero": 3, "dp": 512}, joules=257e6 * 3600.0 / 5.6e12,
    ),
)  # fmt: skip


class Cell(NamedTuple):
    """One published figure, hwsim's, and that of the limit."""

    name: str
    published: float
    found: float
    limit: float

    @property
    def error(self) -> float:
        return self.found / self.published - 1

    @property
    def limit_error(self) -> float:
        return self.limit / self.published - 1


def cells() -> tuple[list[Cell], list[Cell]]:
    """Watts per device, and joules per token of the devices alone."""
    watts, joules = [], []
    for run in RUNS:
        sizes = {"dtype": "bf16"} | run.sizes
        subject = Subject(catalog.load(run.hw), Transformer.model_validate(sizes))
        subject = subject.with_settings({f"plan.{n}": str(v) for n, v in run.plan.items()})
        limit = subject.system.device.power.limit
        found = hwsim.estimate(subject.system, subject.workload, subject.plan, steps=1)
        devices, energy = subject.plan.devices, found.energy
        if run.watts:
            own = energy.device_watts if run.alone else energy.watts / devices
            watts.append(Cell(run.name, run.watts, own, limit))
        if run.joules:
            tokens = found.workload.items_per_step / found.step.seconds / devices
            joules.append(Cell(run.name, run.joules, energy.device_watts / tokens, limit / tokens))
    return watts, joules


def mape(errors: Iterable[float]) -> float:
    return fmean(abs(error) for error in errors)


def main() -> None:
    for title, group, digits in zip(("W a device", "J a token"), cells(), (0, 4), strict=True):
        print(f"| {title} | published | hwsim | error | limit | error |")
        print("|---|---|---|---|---|---|")
        for cell in group:
            print(
                f"| {cell.name} | {cell.published:.{digits}f} | {cell.found:.{digits}f} "
                f"| {cell.error:+.0%} | {cell.limit:.{digits}f} | {cell.limit_error:+.0%} |"
            )
        found, limit = mape(c.error for c in group), mape(c.limit_error for c in group)
        print(f"| mean of absolute errors | | | {found:.0%} | | {limit:.0%} |\n")


if __name__ == "__main__":
    main()
