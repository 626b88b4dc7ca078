"""A row of a dense transformer -> workload, plan, software, and in words what it doesn't say.

Source and note of a row are read as its sizes are; results are not.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from calibration.measurement import Case, Measurement
from calibration.predict.basis import device_of, dtype_of
from calibration.predict.houses import UNKNOWN, House, house_of, software_of
from calibration.shapes import TransformerStep
from hwsim.errors import InputError
from hwsim.parallel.fits import capacity
from hwsim.parallel.needs import needed
from hwsim.parallel.plan import Plan
from workloads.transformer import Transformer

FSDP = re.compile(r"\bfsdp (\d+)\b")
SCALED = re.compile(r"float8 (tensorwise|rowwise)")
LEAST = 2  # layers of a chunk, where it is not stated how many there are
INTERLEAVED = ("mlperf",)  # sources whose pipelines interleave without saying so
SHARDED = ("bigscience",)  # those of ZeRO stage 1 where their software has 0
# Rates of a port where a network between nodes isn't named: one port a device, as in the vendor's
# reference systems of the link's generation (DGX A100, DGX H100, DGX B200).
PORTS = {"nvlink3": "ib-hdr", "nvlink4": "ib-ndr", "nvlink5": "ib-ndr"}
UNDROPPED = ("mlperf",)  # those whose GPT has no dropout where their software's has

# What was chosen, where the row leaves recomputation open -> the sentence.
RECOMPUTED = {
    "none": "nothing is recomputed: all activations fit by hwsim's count",
    "selective": "attention's core is recomputed: else activations do not fit by hwsim's count",
    "full": "all layers are recomputed: else activations do not fit by hwsim's count",
}
SHARDS = {
    0: "nothing is sharded over replicas (ZeRO 0)",
    1: "optimizer state is sharded over replicas (a distributed optimizer, ZeRO 1)",
    3: "parameters are sharded over replicas (FSDP, ZeRO 3)",
}


class Row(NamedTuple):
    """What a row describes. `software` is a profile's name, None where none is known; `scaling`
    how fp8 operands are scaled, where that is told ("tensorwise", "rowwise"); `inter_link` the
    network that is taken where none is named."""

    workload: Transformer
    plan: Plan
    software: str | None
    assumed: tuple[str, ...]
    scaling: str | None = None
    inter_link: str | None = None


def row_of(measurement: Measurement) -> Row | None:
    """What a measurement's row describes, if it is a dense transformer's step."""
    shape, told = measurement.shape, measurement.provenance
    if not isinstance(shape, TransformerStep):
        return None
    return read_dense(measurement.case, shape, told.source, told.note)


def read_dense(case: Case, shape: TransformerStep, source: str, note: str | None) -> Row:
    """The workload, the plan and the software of a row. Raises InputError for what can't be."""
    if (shape.experts or 1) > 1:
        raise InputError("", "mixtures of experts are not predicted yet")
    note = (note or "").lower()
    software = software_of(source, note, shape.software)
    house = house_of(software)
    assumed = [] if software else [UNKNOWN]
    workload = _workload(case, shape, source, note, house, assumed)
    plan, batch = _plan(shape, source, note, house, assumed)
    workload = workload.model_copy(update={"batch": batch})
    if shape.recompute == "unknown":
        plan = _storing(case, workload, plan, assumed)
    found = SCALED.search(note)
    scaling = found[1] if found else None
    if "packed sequences" in note:
        assumed.append("attention spans the whole sequence, though several are packed into it")
    network = _network(case, assumed)
    return Row(workload, plan, software, tuple(assumed), scaling, network)


def _network(case: Case, assumed: list[str]) -> str | None:
    """What is taken for an unnamed network between nodes; None where it is named or not needed."""
    here, devices = case.devices_per_node, case.devices or 1
    rate = PORTS.get((case.intra_link or "").partition("-")[0])
    if here is None or devices <= here or case.inter_link not in (None, "unknown") or not rate:
        return None
    assumed.append("the network has the ports of the vendor's reference system, one a device")
    return f"{here}x{rate}"


def _workload(
    case: Case, shape: TransformerStep, source: str, note: str, house: House, assumed: list[str]
) -> Transformer:
    """With a gated network LLaMA's shape; MPT's; else GPT-2's."""
    llama, mpt = shape.gated_mlp, note.startswith("mpt") or source == "llm-foundry"
    dropout = house.dropout and not llama and not mpt and source not in UNDROPPED
    if llama:
        assumed.append("LLaMA's shape: rotary positions, RMS norms, no biases, not tied")
    elif mpt:
        assumed.append("MPT's shape: ALiBi, no biases, tied")
    else:
        dropped = "dropout" if dropout else "no dropout"
        assumed.append(f"GPT's shape: learned positions, biases, tied, {dropped}")
    attention = {"flash": "fused", "eager": "eager"}.get(shape.attention, house.attention)
    if shape.attention == "unknown":
        assumed.append(f"{attention} attention")
    return Transformer.model_validate(
        {
            "batch": shape.global_batch,
            "dtype": dtype_of(case),
            "layers": shape.layers,
            "hidden": shape.hidden,
            "heads": shape.heads,
            "kv_heads": shape.kv_heads,
            "ffn": shape.ffn,
            "gated": llama,
            "vocabulary": shape.vocab,
            "sequence": shape.seq,
            "tied": not llama,
            "positions": "rotary" if llama else "none" if mpt else "learned",
            "norm": "rmsnorm" if llama else "layernorm",
            "bias": not llama and not mpt,
            "attention": attention,
            "dropout": dropout,
        }
    )


def _plan(
    shape: TransformerStep, source: str, note: str, house: House, assumed: list[str]
) -> tuple[Plan, int]:
    """The plan, and the global batch that it divides."""
    micro = shape.micro_batch or _micro_batch(shape, note, assumed)
    count = max(1, int(shape.global_batch / (micro * shape.dp) + 0.5))
    batch = count * micro * shape.dp
    if batch != shape.global_batch:
        assumed.append("the batch is the nearest whole number of micro-batches a replica")
    fields: dict[str, object] = {
        **{"dp": shape.dp, "tp": shape.tp, "pp": shape.pp, "cp": shape.cp},
        "micro_batch": micro,
        **_chunks(shape, source, count, assumed),
        "zero": _zero(shape, source, note, house, assumed),
        "sequence_parallel": _rows(shape, house, assumed),
        "recompute": "none" if shape.recompute == "unknown" else shape.recompute,
    }
    if "async tp" in note:
        fields["tensor_overlap"] = True
    if shape.cp > 1 and "cp all-to-all" in note:
        fields["context"] = "all-to-all"
    return Plan.model_validate(fields), batch


def _micro_batch(shape: TransformerStep, note: str, assumed: list[str]) -> int:
    """torchtitan does a replica's batch at once, or in a pipeline sequence by sequence."""
    if "per data-parallel rank" in note and shape.pp == 1:
        assumed.append("a replica's batch is one micro-batch")
        return max(1, shape.global_batch // shape.dp)
    assumed.append("micro-batches are of one sequence")
    return 1


def _chunks(
    shape: TransformerStep, source: str, count: int, assumed: list[str]
) -> dict[str, object]:
    """Schedule, chunks and how layers are dealt out to them."""
    stages, virtual = shape.pp, shape.virtual_pp or 1
    if stages > 1 and shape.virtual_pp is None:
        if source in INTERLEAVED:
            virtual = interleaving(shape.layers, stages)
        some = f"stages of {virtual} chunks, interleaved" if virtual > 1 else "one chunk a stage"
        assumed.append(some)
    most = shape.layers + 2  # with embedding and head
    if virtual > 1 and stages > 1 and (count % stages or stages * virtual > most):
        assumed.append("one chunk a stage: those stated need whole rounds of micro-batches")
        virtual = 1
    if stages == 1:
        virtual = 1
    if stages > 1 and shape.layers % (stages * virtual):
        even = most % (stages * virtual) == 0
        how = "embedding and head count as a layer each" if even else "some have one more"
        assumed.append(f"layers that stages do not divide: {how}")
    schedule = "interleaved" if virtual > 1 else "1f1b"
    return {"schedule": schedule, "virtual": virtual, "balance": "layers"}


def interleaving(layers: int, stages: int) -> int:
    """Chunks of a stage where a pipeline interleaves and doesn't say how finely: as many as there
    can be, of two layers or more, as NVIDIA's configurations of GPT-3 175B and Llama 3.1 405B have
    it; embedding and head count as a layer each where layers alone don't divide.

    >>> interleaving(96, 8), interleaving(126, 8), interleaving(7, 4)
    (6, 8, 1)
    """
    for whole in (layers, layers + 2):
        if whole % stages == 0:
            each = whole // stages
            return next(n for n in range(max(1, each // LEAST), 0, -1) if each % n == 0)
    return 1


def _zero(shape: TransformerStep, source: str, note: str, house: House, assumed: list[str]) -> int:
    sharded = FSDP.search(note)
    if shape.zero_stage is not None:
        zero = shape.zero_stage
    else:
        zero = 3 if sharded else max(house.zero, int(source in SHARDED))
        if shape.dp * shape.cp > 1:
            assumed.append(SHARDS[zero])
    if sharded and int(sharded[1]) != shape.dp * shape.cp:
        assumed.append("parameters are sharded over all replicas, not over as many as are stated")
    return zero


def _rows(shape: TransformerStep, house: House, assumed: list[str]) -> bool:
    """Sequence parallelism."""
    if shape.sequence_parallel is not None or shape.tp == 1:
        return bool(shape.sequence_parallel)
    rows = house.rows and shape.seq % (shape.tp * shape.cp) == 0
    how = "sequence" if rows else "no sequence"
    assumed.append(f"{how} parallelism beside tensor parallelism")
    return rows


def _storing(case: Case, workload: Transformer, plan: Plan, assumed: list[str]) -> Plan:
    """The plan with the least recomputation that fits the device; full where nothing fits."""
    room = capacity(device_of(case.device))
    for how in ("none", "selective", "full"):
        tried = plan.model_copy(update={"recompute": how})
        if how == "full" or needed(workload, tried).bytes <= room:
            break
    assumed.append(RECOMPUTED[how])
    return tried
