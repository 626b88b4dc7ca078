"""A row of a mixture of experts -> the workload and the plan that it describes."""

from __future__ import annotations

import re

from calibration.measurement import Case
from calibration.predict.basis import dtype_of
from calibration.shapes import MoeStep
from hwsim.errors import InputError
from hwsim.parallel.plan import Plan
from workloads.transformer import Transformer

Assumed = tuple[str, ...]

LATENT = "multi-head latent attention"
DENSE = re.compile(r"first (\d+) layers dense")
DROPPED = "tokendrop"
# Widths of latent attention in DeepSeek-V3 (arXiv 2412.19437, section 4.2), by (hidden, heads).
LATENTS = {
    (7168, 128): {"query_rank": 1536, "kv_rank": 512, "head_dim": 128, "rotary_dim": 64},
}


def read_moe(case: Case, shape: MoeStep, note: str) -> tuple[Transformer, Plan, Assumed]:
    """The workload, the plan, and in words what the row does not say.

    Raises InputError where the plan is not stated or latent attention has unknown widths.
    """
    workload, of_model = _workload(case, shape, note)
    plan, of_plan = _plan(shape)
    return workload, plan, (*of_model, *of_plan)


def _workload(case: Case, shape: MoeStep, note: str) -> tuple[Transformer, Assumed]:
    found = DENSE.search(note)
    dense = int(found[1]) if found else 0
    if dense and shape.ffn is None:
        raise InputError("ffn", f"found nothing for {dense} dense layers", "write their width")
    assumed = ["rotary positions, RMS norms, no biases, an output matrix of its own"]
    attention: dict[str, int | None] = {"head_dim": shape.head_dim, "kv_heads": shape.kv_heads}
    if LATENT in note:
        widths = LATENTS.get((shape.hidden, shape.heads))
        if widths is None:
            what = f"latent attention at hidden {shape.hidden} with {shape.heads} heads"
            raise InputError("note", what, "give a model whose latent widths are published")
        attention = {**widths}
        assumed.append("the latent widths of DeepSeek-V3, no prediction of a second token")
    assumed.append(
        "a capacity factor of 1: tokens beyond an expert's even share are dropped"
        if DROPPED in note
        else "routing balanced by force: every expert has the same number of tokens"
    )
    # Transformer Engine's grouped linear layer loops over cuBLAS calls.
    assumed.append("one product for each expert")
    workload = Transformer.model_validate(
        {
            "batch": shape.global_batch,
            "dtype": dtype_of(case),
            "layers": shape.layers,
            "hidden": shape.hidden,
            "heads": shape.heads,
            **attention,
            "ffn": shape.ffn,
            "gated": shape.gated_mlp,
            "vocabulary": shape.vocab,
            "sequence": shape.seq,
            "tied": False,
            "positions": "rotary",
            "norm": "rmsnorm",
            "bias": False,
            "attention": "eager" if shape.attention == "eager" else "fused",
            "experts": shape.experts,
            "topk": shape.topk,
            "moe_ffn": shape.moe_ffn,
            "shared_experts": shape.shared_experts,
            "dense_layers": dense,
            "grouped": False,
        }
    )
    if shape.attention == "unknown":
        assumed.append("fused attention")
    return workload, tuple(assumed)


def _plan(shape: MoeStep) -> tuple[Plan, Assumed]:
    if shape.micro_batch is None:
        raise InputError("micro_batch", "the micro-batch is not stated", "write it")
    if shape.global_batch % (shape.micro_batch * shape.dp):
        raise InputError("global_batch", "micro_batch x dp does not divide it", "correct one")
    count = shape.global_batch // (shape.micro_batch * shape.dp)
    virtual, assumed = shape.virtual_pp or 1, []
    interleaved = virtual > 1 and shape.pp > 1 and count % shape.pp == 0
    if shape.pp > 1:
        assumed.append(
            "layers dealt out evenly over the chunks of the pipeline, the last one short"
        )
    if virtual > 1 and not interleaved:
        assumed.append("one chunk a stage: the chunks stated need whole rounds of micro-batches")
    if shape.zero_stage is None:
        assumed.append("optimizer state sharded (a distributed optimizer)")
    if shape.ep > 1:
        assumed.append("tokens go to each node once and are passed on there (DeepEP, HybridEP)")
    if shape.recompute == "unknown":
        assumed.append("nothing recomputed")
    if shape.tp > 1 and shape.sequence_parallel is None:
        assumed.append("sequence parallelism beside tensor parallelism")
    replicas = shape.dp * shape.cp
    if shape.ep > replicas and shape.ep <= replicas * shape.tp:
        assumed.append(f"experts over {replicas} devices, divided in width over {shape.tp}")
    plan = Plan(
        dp=shape.dp,
        tp=shape.tp,
        pp=shape.pp,
        cp=shape.cp,
        ep=min(shape.ep, replicas) if shape.ep <= replicas * shape.tp else shape.ep,
        micro_batch=shape.micro_batch,
        schedule="interleaved" if interleaved else "1f1b",
        virtual=virtual if interleaved else 1,
        balance="layers",
        zero=1 if shape.zero_stage is None else shape.zero_stage,
        dispatch="nodes",
        sequence_parallel=shape.tp > 1 and shape.sequence_parallel is not False,
        recompute="none" if shape.recompute == "unknown" else shape.recompute,
    )
    return plan, tuple(assumed)
