"""Which whole steps are measured: sizes and batches of every workload.

Each family varies width, batch, length and vocabulary, so that a model of its steps that is fitted
to some can be tested on others. On the CPU a step lasts 3 ms to 1.5 s.
"""

from __future__ import annotations

from typing import Any

from calibration.shapes import WorkloadStep
from hwsim.graph.workload import find

Sizes = dict[str, tuple[tuple[Any, ...], ...]]

FIELDS = {
    "charlm-small": ("hidden", "batch"),
    "charlm": ("hidden", "depth", "sequence", "batch"),
    "wordlm": ("hidden", "layers", "sequence", "vocabulary", "batch"),
    "speech": ("hidden", "layers", "frames", "labels", "batch"),
    "transformer": (
        *("layers", "hidden", "heads", "sequence", "vocabulary", "batch"),
        *("attention", "gated", "positions", "norm", "bias", "tied"),
    ),
}
GPT = (False, "learned", "layernorm", True, True)
LLAMA = (True, "rotary", "rmsnorm", False, False)
CPU: Sizes = {
    "charlm-small": (
        *((64, 32), (16, 32), (256, 32), (32, 32), (128, 32), (512, 32), (64, 8), (64, 128)),
        *((256, 8), (256, 128), (96, 64), (384, 16), (16, 256), (512, 4)),
    ),
    "charlm": (
        *((64, 3, 50, 32), (256, 3, 50, 32), (128, 3, 50, 32), (32, 5, 50, 16), (128, 5, 30, 64)),
        *(
            (64, 10, 150, 16),
            (256, 10, 20, 16),
            (512, 3, 20, 16),
            (16, 10, 40, 128),
            (200, 4, 25, 4),
        ),
    ),
    "wordlm": (
        *((64, 2, 20, 2000, 4), (128, 2, 40, 1000, 16), (64, 2, 80, 10_000, 8)),
        *((256, 2, 20, 1000, 32), (128, 2, 80, 10_000, 4), (256, 2, 40, 10_000, 4)),
        *((512, 2, 20, 2000, 8), (512, 2, 40, 10_000, 2), (256, 1, 80, 2000, 8)),
        *((64, 3, 20, 1000, 64), (384, 2, 10, 5000, 16), (96, 2, 30, 1500, 10)),
    ),
    "speech": (
        *((64, 4, 100, 10, 1), (128, 4, 100, 10, 2), (64, 4, 200, 20, 4), (256, 4, 100, 10, 2)),
        *((256, 2, 100, 10, 4), (64, 2, 200, 20, 1), (192, 3, 60, 8, 4), (128, 4, 200, 20, 2)),
        *((96, 1, 40, 5, 8), (64, 4, 300, 30, 2)),
    ),
    "transformer": (
        (2, 64, 2, 64, 1000, 8, "fused", *GPT),
        (2, 128, 4, 128, 1000, 4, "eager", *GPT),
        (2, 128, 4, 128, 1000, 4, "fused", *GPT),
        (4, 128, 4, 64, 1000, 8, "fused", *GPT),
        (4, 256, 4, 128, 1000, 4, "fused", *GPT),
        (4, 256, 4, 128, 1000, 4, "eager", *GPT),
        (2, 256, 8, 256, 1000, 2, "eager", *GPT),
        (2, 128, 4, 512, 500, 2, "fused", *GPT),
        (2, 384, 6, 128, 5000, 4, "fused", *GPT),
        (6, 384, 6, 128, 1000, 2, "eager", *GPT),
        (2, 512, 8, 128, 10_000, 2, "fused", *GPT),
        (4, 256, 4, 128, 1000, 4, "fused", *LLAMA),
        (2, 128, 4, 256, 2000, 2, "eager", *LLAMA),
        (8, 96, 3, 48, 300, 16, "fused", *LLAMA),
    ),
}
# Beside those: what keeps an accelerator busy.
LARGE: Sizes = {
    "charlm-small": ((1024, 128), (2048, 128), (1024, 512)),
    "charlm": ((512, 10, 50, 128), (1024, 5, 50, 128), (2004, 3, 50, 128)),
    "wordlm": (
        *((512, 2, 80, 10_000, 128), (1024, 2, 80, 10_000, 128), (2004, 2, 80, 10_000, 128)),
        *((1024, 2, 40, 10_000, 32), (2004, 2, 20, 10_000, 64)),
    ),
    "speech": ((800, 4, 500, 50, 32), (400, 4, 500, 50, 16), (800, 4, 200, 20, 64)),
    "transformer": (
        (12, 768, 12, 1024, 50_257, 8, "fused", *GPT),
        (12, 768, 12, 1024, 50_257, 4, "eager", *GPT),
        (6, 1024, 16, 512, 32_000, 16, "fused", *GPT),
        (4, 2048, 16, 1024, 32_000, 4, "fused", *LLAMA),
        (8, 1024, 16, 2048, 32_000, 2, "fused", *LLAMA),
        (2, 4096, 32, 1024, 32_000, 2, "fused", *LLAMA),
    ),
}
# On several devices; the batch is that of all.
SPREAD: Sizes = {
    "charlm-small": ((64, 64), (256, 64), (128, 16)),
    "charlm": ((128, 3, 30, 32),),
    "wordlm": ((64, 2, 20, 1000, 64), (256, 2, 20, 2000, 8), (128, 2, 40, 10_000, 8)),
    "speech": ((64, 4, 100, 10, 4), (128, 2, 100, 10, 2)),
    "transformer": (
        (2, 128, 4, 128, 1000, 8, "fused", *GPT),
        (4, 256, 4, 64, 1000, 8, "fused", *GPT),
        (2, 256, 4, 128, 5000, 4, "eager", *LLAMA),
    ),
}


def steps(sizes: Sizes, factor: int = 1) -> list[list[WorkloadStep]]:
    """A group for each workload, with batches `factor` times as large."""
    return [
        [WorkloadStep(workload=name, settings=_settings(name, one, factor)) for one in sizes[name]]
        for name in sizes
    ]


def _settings(name: str, values: tuple[Any, ...], factor: int) -> Any:
    """The batch, and what else differs from the workload's defaults."""
    fields = find(name).model_fields
    given = dict(zip(FIELDS[name], values, strict=True))
    settings = {field: value for field, value in given.items() if value != fields[field].default}
    return settings | {"batch": given["batch"] * factor}
