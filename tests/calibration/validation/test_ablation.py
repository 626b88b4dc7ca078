"""Predictions without a piece of the physics."""

import pytest

from calibration.measurement import Measurement, Provenance
from calibration.predict import Prediction, Predictor
from calibration.shapes import Collective, Gemm, TransformerStep
from calibration.validation.ablation import PIECES, scatter_of, without
from hwsim.errors import InputError

MADE = Provenance(source="made")
STEP = TransformerStep(
    **{"layers": 2, "hidden": 1024, "heads": 8, "kv_heads": 8, "ffn": 4096, "gated_mlp": 0},
    **{"vocab": 1000, "seq": 512, "global_batch": 8, "micro_batch": 1, "dp": 2, "tp": 4, "pp": 1},
    **{"cp": 1, "recompute": "none", "attention": "eager", "software": "megatron-2021"},
)
CASES = {
    "step": Measurement(
        shape=STEP,
        device="a100-sxm-80gb",
        dtype="fp16",
        devices=8,
        devices_per_node=8,
        intra_link="nvlink3-nvswitch",
        provenance=MADE,
    ),
    "product": Measurement(
        shape=Gemm(m=1000, n=72, k=900),
        device="titanx-pascal",
        dtype="fp32",
        engine="vector",
        timing="kernel",
        provenance=MADE,
    ),
    "sum": Measurement(
        shape=Collective(collective="all_reduce", bytes=2**30),
        device="a100-sxm-80gb",
        devices=8,
        devices_per_node=8,
        intra_link="nvlink3-nvswitch",
        provenance=MADE,
    ),
}
FASTER = {
    ("launch", "step"),
    ("launch", "product"),
    ("tiles", "product"),
    ("links", "step"),
    ("links", "sum"),
}


def seconds(predict, case):
    answer = predict(case)
    assert isinstance(answer, Prediction), answer
    return answer.seconds


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("piece", PIECES)
def test_what_costs_time_makes_faster_where_it_is_taken_away(piece, case):
    whole, less = seconds(Predictor(), CASES[case]), seconds(without([piece]), CASES[case])
    if (piece, case) in FASTER:
        assert less < whole
    elif piece in ("contention", "alignment", "launch"):
        assert less <= whole


def test_pieces_are_taken_away_together():
    case = CASES["step"]
    assert seconds(without(["launch", "links"]), case) < seconds(without(["launch"]), case)


def test_the_roofline_has_none_of_them():
    bare = {name: without([name])(CASES["step"]).roofline for name in PIECES}
    assert set(bare.values()) == {Predictor()(CASES["step"]).roofline}


def test_an_unknown_piece_is_refused():
    with pytest.raises(InputError, match="tile"):
        without(["tile"])


def test_one_factor_is_no_scatter():
    assert scatter_of([1.7, 1.7, 1.7]) == pytest.approx(0.0)
    assert scatter_of([1.0, 2.0, 4.0]) > 0
