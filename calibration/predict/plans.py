"""The plan of a row, and in words what is taken where the row doesn't say."""

from __future__ import annotations

import re

from calibration.predict.houses import House
from calibration.shapes import TransformerStep
from hwsim.errors import InputError
from hwsim.parallel.plan import Plan

FSDP = re.compile(r"\bfsdp (\d+)\b")
LEAST = 2  # layers of a chunk, where it is not stated how many there are
INTERLEAVED = ("mlperf",)  # sources whose pipelines interleave without saying so
HIDDEN = ("megatron-core",)  # those that state --tp-comm-overlap (Megatron-LM README, release 0.8)
# Those that state that nothing overlaps (SimuMax 1.2, results on B200).
UNHIDDEN = ("simumax",)
SHARDS = {
    0: "nothing is sharded over replicas (ZeRO 0)",
    1: "optimizer state is sharded over replicas (a distributed optimizer, ZeRO 1)",
    3: "parameters are sharded over replicas (FSDP, ZeRO 3)",
}


def plan_of(
    shape: TransformerStep, source: str, note: str, house: House, assumed: list[str]
) -> tuple[Plan, int]:
    """The plan, and the global batch that it divides.

    Raises InputError for a batch of less than half a micro-batch a replica.
    """
    micro = shape.micro_batch or _micro_batch(shape, note, assumed)
    count = int(shape.global_batch / (micro * shape.dp) + 0.5)
    if not count:
        what = f"found {shape.global_batch}, but micro_batch x dp is {micro * shape.dp}"
        raise InputError("global_batch", what, "correct one of them")
    batch = count * micro * shape.dp
    if batch != shape.global_batch:
        assumed.append("the batch is the nearest whole number of micro-batches a replica")
    fields: dict[str, object] = {
        **{"dp": shape.dp, "tp": shape.tp, "pp": shape.pp, "cp": shape.cp},
        "micro_batch": micro,
        **_chunks(shape, source, count, assumed),
        "zero": _zero(shape, note, house, assumed),
        "sequence_parallel": _rows(shape, house, assumed),
        "recompute": "none" if shape.recompute == "unknown" else shape.recompute,
    }
    if "async tp" in note or (fields["sequence_parallel"] and _hidden(source, house)):
        fields["tensor_overlap"] = True
        if "async tp" not in note:
            assumed.append("exchanges of tensor parallelism overlap products")
    if source.startswith(UNHIDDEN):
        fields["overlap"] = False
    if shape.cp > 1 and "cp all-to-all" in note and shape.heads % (shape.tp * shape.cp) == 0:
        fields["context"] = "all-to-all"
    return Plan.model_validate(fields), batch


def _micro_batch(shape: TransformerStep, note: str, assumed: list[str]) -> int:
    """torchtitan does a replica's batch at once, or in a pipeline sequence by sequence."""
    if "per data-parallel rank" in note and shape.pp == 1:
        assumed.append("a replica's batch is one micro-batch")
        return max(1, shape.global_batch // shape.dp)
    assumed.append("micro-batches are of one sequence")
    return 1


def _hidden(source: str, house: House) -> bool:
    """Whether exchanges of rows overlap products."""
    return (house.hidden or source.startswith(HIDDEN)) and not source.startswith(UNHIDDEN)


def _chunks(
    shape: TransformerStep, source: str, count: int, assumed: list[str]
) -> dict[str, object]:
    """Schedule, chunks and how layers are dealt out to them."""
    stages, virtual = shape.pp, shape.virtual_pp or 1
    if stages == 1:
        return {"balance": "layers"}
    if shape.virtual_pp is None and source in INTERLEAVED:
        virtual = interleaving(shape.layers, stages)
    every = shape.layers + 2  # with embedding and head
    if virtual > 1 and (count % stages or stages * virtual > every):
        assumed.append("one chunk a stage: there are too few layers or no whole rounds for more")
        virtual = 1
    elif shape.virtual_pp is None:
        several = virtual > 1
        assumed.append(f"{virtual} chunks a stage, interleaved" if several else "one chunk a stage")
    if shape.layers % (stages * virtual):
        even = every % (stages * virtual) == 0
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


def _zero(shape: TransformerStep, note: str, house: House, assumed: list[str]) -> int:
    sharded = FSDP.search(note)
    if shape.zero_stage is not None:
        zero = shape.zero_stage
    else:
        zero = 3 if sharded else house.zero
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
