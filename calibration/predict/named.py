"""Models that tables name -> what is trained: sizes, formats, and what a run takes for granted."""

from __future__ import annotations

import math
import re
from statistics import NormalDist

from calibration.measurement import Case
from calibration.predict.basis import device_of
from hwsim.graph.dtypes import Dtype
from workloads.bert import Bert
from workloads.resnet import ResNet

# Brown et al. 2020, table 2.1; Touvron et al. 2023 (Llama 2); Grattafiori et al. 2024 (Llama 3),
# table 3; the model card of Llama 3.2; BigScience 2022 (BLOOM), table 3. Columns of
# docs/measurements.md.
_LLAMA = {"gated_mlp": True, "vocab": 128_256, "seq": 8192, "kv_heads": 8}
_LLAMA2 = {**_LLAMA, "vocab": 32_000, "seq": 4096}
_8B = {**_LLAMA, "layers": 32, "hidden": 4096, "heads": 32, "ffn": 14_336}
_405B = {**_LLAMA, "layers": 126, "hidden": 16_384, "heads": 128, "ffn": 53_248}
DECODERS: dict[str, dict[str, int | bool]] = {
    "gpt3-175b": {
        **{"layers": 96, "hidden": 12_288, "heads": 96, "kv_heads": 96, "ffn": 49_152},
        **{"gated_mlp": False, "vocab": 51_200, "seq": 2048},
    },
    "bloom-176b": {
        **{"layers": 70, "hidden": 14_336, "heads": 112, "kv_heads": 112, "ffn": 57_344},
        **{"gated_mlp": False, "vocab": 250_880, "seq": 2048},
    },
    "llama-2-7b": {
        **{**_LLAMA2, "layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 32, "ffn": 11_008}
    },
    "llama-2-13b": {
        **{**_LLAMA2, "layers": 40, "hidden": 5120, "heads": 40, "kv_heads": 40, "ffn": 13_824}
    },
    "llama-2-70b": {**_LLAMA2, "layers": 80, "hidden": 8192, "heads": 64, "ffn": 28_672},
    "llama-3-8b": _8B,
    "llama-3-70b": {**_LLAMA, "layers": 80, "hidden": 8192, "heads": 64, "ffn": 28_672},
    "llama-3-405b": _405B,
    "llama-3.2-1b": {**_LLAMA, "layers": 16, "hidden": 2048, "heads": 32, "ffn": 8192},
    "llama-3.2-3b": {**_LLAMA, "layers": 28, "hidden": 3072, "heads": 24, "ffn": 8192},
}
# "llama3.1-8b" and "llama-3.1-70b" are of the sizes of Llama 3.
LLAMA3 = re.compile(r"llama-?3(\.1)?-(8b|70b|405b)")
LLAMA2 = re.compile(r"llama2-(7b|13b|70b)")
ADAPTED = "-lora"  # low-rank adapters alone are trained
ENCODERS = ("bert-large",)
IMAGES = {"resnet50": 50, "resnet101": 101, "resnet152": 152}
NARROW = ("Hopper", "Blackwell", "Ada")  # architectures whose tensor cores have fp8
# At a sequence length of 512 half of all positions of Wikipedia are padding (Krell et al. 2021,
# arXiv 2107.02027); lengths are taken to be uniform up to 512. 15 % of them are masked.
POSITIONS = 512
MASKED = 0.15
SPARE = 1 / math.sqrt(12)  # standard deviation of a uniform length, over the longest


def sizes_of(model: str) -> dict[str, int | bool] | None:
    """The columns of a decoder's sizes, None for a model that is none.

    >>> sizes_of("llama-3.1-405b") == sizes_of("llama3.1-405b")
    True
    """
    model = model.removesuffix(ADAPTED)
    found = LLAMA3.fullmatch(model)
    if LLAMA2.fullmatch(model):
        model = model.replace("llama2", "llama-2")
    return DECODERS.get(f"llama-3-{found[2]}" if found else model)


def decoder_format(case: Case, source: str, note: str) -> Dtype:
    """The format of a decoder's products: as the source's rules have it, else bf16."""
    if source == "mlperf" and device_of(case.device).architecture in NARROW:
        return "fp4" if "fp4 configuration" in note else "fp8"
    return "bf16"


def encoder(case: Case, share: int, padded: bool, assumed: list[str]) -> Bert:
    """BERT on `share` sequences of each device, without padding unless `padded`."""
    replicas = case.devices or 1
    narrow = device_of(case.device).architecture in NARROW and not padded
    length = POSITIONS if padded else busiest(share, replicas)
    if padded:
        assumed.append("padding is computed: the sequence length is stated")
    else:
        assumed.append(
            f"padding is left out: of 512 positions {length} on the device that has most"
            " (uniform lengths, drawn by chance)"
        )
    return Bert(
        batch=share * replicas,
        dtype="fp8" if narrow else "fp16",
        sequence=POSITIONS,
        length=length,
        predictions=round(MASKED * length),
    )


def busiest(share: int, replicas: int) -> int:
    """Mean positions of a sequence on the device of `replicas` whose `share` of them is longest.

        length = 512 (1 / 2 + z s / sqrt(share)), at most 512

    with s = 1 / sqrt(12) and z the median of the largest of n standard normal numbers,
    (n - 3/8) / (n + 1/4) of them being smaller (Blom 1958).

    >>> busiest(96, 8), busiest(4, 4096), busiest(10, 1)
    (278, 512, 256)
    """
    z = NormalDist().inv_cdf((replicas - 0.375) / (replicas + 0.25)) if replicas > 1 else 0.0
    return round(POSITIONS * min(0.5 + z * SPARE / math.sqrt(share), 1.0))


def images(case: Case, model: str, benchmark: str, share: int, tuned: bool) -> ResNet:
    """A residual network on `share` images of each device, in the format that the benchmark's name
    ends with, else in fp16."""
    ending = benchmark.rpartition("-")[2]
    dtype = ending if ending in ("fp32", "tf32", "bf16") else "fp16"
    batch = share * (case.devices or 1)
    return ResNet.model_validate(
        {"depth": IMAGES[model], "batch": batch, "dtype": dtype, "fused": tuned}
    )
