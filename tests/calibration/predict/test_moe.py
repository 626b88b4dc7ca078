"""Rows of mixtures of experts as workloads and plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.measurement import Case
from calibration.predict.basis import Basis
from calibration.predict.moe import read_moe
from calibration.predict.systems import system_of
from calibration.shapes import MoeStep
from calibration.sources.tables import read
from hwsim.cost.calibration import load_for
from hwsim.errors import InputError
from hwsim.simulate.step import simulate

TABLE = Path(__file__).resolve().parents[3] / ".." / "shared" / "data/transformer_steps_moe.csv"
NOTE = "deepseekv3; multi-head latent attention, first 3 layers dense"
DEEPSEEK = MoeStep(
    layers=61,
    hidden=7168,
    heads=128,
    kv_heads=128,
    ffn=18432,
    gated_mlp=True,
    experts=256,
    topk=8,
    moe_ffn=2048,
    shared_experts=1,
    vocab=129_280,
    seq=4096,
    global_batch=4096,
    micro_batch=1,
    dp=128,
    tp=1,
    pp=2,
    virtual_pp=8,
    cp=1,
    ep=32,
    recompute="unknown",
    attention="flash",
)
LINKS = {"devices_per_node": 72, "intra_link": "nvlink5-nvswitch", "inter_link": "72xib-ndr"}


def case_of(**changes):
    shape = MoeStep.model_validate({**DEEPSEEK.model_dump(), **changes})
    return Case(shape=shape, device="gb200", dtype="mxfp8", devices=shape.devices, **LINKS), shape


def test_a_published_row():
    case, shape = case_of()
    workload, plan, assumed = read_moe(case, shape, NOTE)
    assert workload.graph(1).parameters == pytest.approx(671e9, rel=1e-3)
    assert (workload.dense_layers, workload.rotary_dim, workload.dtype) == (3, 64, "fp8")
    assert (plan.ep, plan.zero, plan.virtual, plan.schedule) == (32, 1, 8, "interleaved")
    assert (plan.balance, plan.recompute, plan.dispatch) == ("layers", "none", "nodes")
    words = "; ".join(assumed)
    for part in (
        "DeepSeek-V3",
        "balanced by force",
        "optimizer state",
        "nothing recomputed",
        "each expert",
    ):
        assert part in words


def test_what_is_stated_is_not_assumed():
    case, shape = case_of(recompute="full", zero_stage=3, tp=2, dp=64, sequence_parallel=False)
    _, plan, assumed = read_moe(case, shape, NOTE + "; tokendrop")
    assert (plan.recompute, plan.zero, plan.sequence_parallel) == ("full", 3, False)
    words = "; ".join(assumed)
    assert "capacity factor of 1" in words
    for part in ("recomputed", "optimizer state", "sequence parallelism", "by force"):
        assert part not in words


def test_sixty_one_layers_on_sixteen_chunks_are_dealt_out():
    case, shape = case_of(global_batch=256)
    workload, plan, _ = read_moe(case, shape, NOTE)
    system = system_of(case, Basis(load_for))
    step = simulate(system, workload, plan, load_for(system.device), trace=False)
    assert step.seconds > 0


def test_experts_over_more_devices_than_replicas_are_divided_in_width():
    case, shape = case_of(dp=32, tp=2, pp=4, ep=64)
    _, plan, assumed = read_moe(case, shape, NOTE)
    assert (plan.ep, plan.tp) == (32, 2)
    assert "experts over 32 devices, divided in width over 2" in assumed


@pytest.mark.parametrize(
    ("changes", "note", "message"),
    [
        ({"micro_batch": None}, NOTE, "the micro-batch is not stated"),
        ({"global_batch": 100}, NOTE, "does not divide"),
        ({"ffn": None}, NOTE, "found nothing for 3 dense layers"),
        ({"hidden": 5120}, NOTE, "latent attention at hidden 5120 with 128 heads"),
    ],
)
def test_rows_that_do_not_say_enough(changes, note, message):
    case, shape = case_of(**changes)
    with pytest.raises(InputError, match=message):
        read_moe(case, shape, note)


def test_devices_of_a_job_come_evenly_from_its_nodes():
    case, _ = case_of()
    system = system_of(case, Basis(load_for))
    assert (system.node.devices, system.nodes, system.network[0].ports) == (64, 4, 64)


def test_every_published_row_is_read():
    if not TABLE.is_file():
        pytest.skip("the table is not here")
    rows = read(str(TABLE))
    for row in rows:
        workload, plan, assumed = read_moe(row.case, row.case.shape, row.provenance.note or "")
        assert plan.devices == row.case.devices
        assert workload.experts
        assert assumed
