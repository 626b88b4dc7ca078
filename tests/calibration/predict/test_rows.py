"""Rows of dense transformers as workloads, plans and software."""

from pathlib import Path

import pytest

from calibration.measurement import Measurement, Provenance
from calibration.predict.rows import row_of
from calibration.shapes import Gemm, TransformerStep
from calibration.sources.tables import read
from hwsim.errors import InputError

TABLE = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "transformer_steps.csv"
SIZES = {"layers": 24, "hidden": 1024, "heads": 16, "kv_heads": 16, "ffn": 4096, "vocab": 51200}


def row(source="lab", note=None, device="a100-sxm-80gb", dtype="bf16", on=None, **changed):
    shape = TransformerStep(
        **SIZES,
        **{"gated_mlp": 0, "seq": 2048, "global_batch": 64, "micro_batch": 2, "dp": 8, "tp": 1},
        **{"pp": 1, "cp": 1, "recompute": "none", "attention": "unknown"},
    ).model_copy(update=changed)
    return row_of(
        Measurement(
            shape=shape,
            device=device,
            dtype=dtype,
            devices=shape.devices,
            provenance=Provenance(source=source, note=note),
            **(on or {}),
        )
    )


def test_only_dense_transformers_have_rows():
    gemm = Measurement(shape=Gemm(m=1, n=1, k=1), provenance=Provenance(source="lab"))
    assert row_of(gemm) is None
    with pytest.raises(InputError, match="experts: found 8"):
        row(experts=8, topk=2)


def test_a_gated_model_has_llamas_shape():
    model = row("nemo-24.07", gated_mlp=True).workload
    assert (model.tied, model.positions, model.norm, model.bias) == (
        False,
        "rotary",
        "rmsnorm",
        False,
    )
    assert not model.dropout


def test_mpt_has_neither_biases_nor_positions():
    model = row("llm-foundry", "mpt-1b").workload
    assert (model.tied, model.positions, model.norm, model.bias) == (
        True,
        "none",
        "layernorm",
        False,
    )
    assert not model.dropout


@pytest.mark.parametrize(
    ("source", "dropout", "attention"),
    [
        ("narayanan2021", True, "eager"),
        ("vtrain", True, "eager"),
        ("bigscience", True, "eager"),
        ("korthikanti2022", True, "eager"),
        ("nemo-24.07", True, "fused"),
        ("mlperf", False, "fused"),
        ("lab", False, "eager"),
    ],
)
def test_a_gpt_is_as_its_software_has_it(source, dropout, attention):
    model = row(source).workload
    assert (model.dropout, model.attention, model.positions) == (dropout, attention, "learned")


def test_stated_software_wins_over_the_source():
    found = row("narayanan2021", software="fsdp2-2024")
    assert found.software == "fsdp2-2024"
    assert found.plan.zero == 3
    assert found.workload.attention == "fused"


def test_unknown_software_is_told():
    found = row()
    assert found.software is None
    assert any("software" in sentence for sentence in found.assumed)


def test_scaling_is_read_off_the_note():
    assert row("torchtitan", "torch.compile; float8 rowwise").scaling == "rowwise"
    assert row("torchtitan", "torch.compile").scaling is None


def test_unknown_recomputation_is_the_least_that_fits():
    chosen = [
        row("nemo-24.07", attention="eager", recompute="unknown", micro_batch=n, global_batch=512)
        for n in (1, 16, 64)
    ]
    assert [one.plan.recompute for one in chosen] == ["none", "selective", "full"]
    assert any("recomputed" in sentence for sentence in chosen[0].assumed)


@pytest.mark.parametrize(
    ("link", "network", "taken"),
    [
        ("nvlink4-nvswitch", "unknown", "8xib-ndr"),
        ("nvlink3-nvswitch", None, "8xib-hdr"),
        ("nvlink3-nvswitch", "4xib-hdr", None),
        ("pcie4", "unknown", "8xib-hdr"),
    ],
)
def test_an_unnamed_network_has_the_reference_systems_ports(link, network, taken):
    on = {"devices_per_node": 8, "intra_link": link, "inter_link": network}
    device = "a100-pcie-80gb" if link == "pcie4" else "a100-sxm-80gb"
    device = "h100-sxm-80gb" if link == "nvlink4-nvswitch" else device

    def told(dp):
        return [one for one in row(dp=dp, on=on, device=device).assumed if "network" in one]

    assert told(8) == []
    assert len(told(32)) == (taken is not None)
    assert all(taken in sentence for sentence in told(32))


@pytest.mark.skipif(not TABLE.exists(), reason="the tables are not there")
def test_every_public_row_is_read_and_results_change_nothing():
    for measurement in read(str(TABLE)):
        found = row_of(measurement)
        assert found is not None
        assert found.software
        assert found == row_of(measurement.blank())
        assert found.workload.batch % (found.plan.micro_batch * found.plan.dp) == 0
