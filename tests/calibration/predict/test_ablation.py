"""Predictions without a piece of the physics."""

import pytest

from calibration.measurement import Measurement, Provenance
from calibration.pieces import PIECES
from calibration.predict import Prediction, Predictor
from calibration.predict.ablation import CHANGES
from calibration.shapes import Collective, Gemm, TransformerStep
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
    "sharded": Measurement(
        shape=STEP.model_copy(
            update={"dp": 8, "tp": 1, "zero_stage": 1, "software": "megatron-core-2024"}
            | {"sequence_parallel": None, "hidden": 2048, "heads": 16, "kv_heads": 16}
        ),
        device="a100-sxm-80gb",
        dtype="bf16",
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
    ("contention", "sharded"),
}
SLOWER = {("overlap", "sharded"), ("fused", "sharded")}
HARMLESS = ("launch", "alignment", "contention")  # never slower without them


def seconds(predict, case):
    answer = predict(case)
    assert isinstance(answer, Prediction), answer
    return answer.seconds


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("piece", PIECES)
def test_what_costs_time_makes_faster_where_it_is_taken_away(piece, case):
    whole, less = (seconds(Predictor(without=names), CASES[case]) for names in ((), (piece,)))
    if (piece, case) in FASTER:
        assert less < whole
    elif (piece, case) in SLOWER:
        assert less > whole
    elif piece in HARMLESS:
        assert less <= whole * (1 + 1e-12)


def test_every_piece_that_is_told_of_is_there():
    assert list(PIECES) == list(CHANGES)


def test_a_kernel_starts_at_once_without_launches():
    tiny = CASES["product"].model_copy(update={"shape": Gemm(m=1, n=1, k=1)})
    assert seconds(Predictor(without=["launch"]), tiny) < seconds(Predictor(), tiny) / 10


def test_every_named_algorithm_is_a_ring_without_the_choice():
    shape = Collective(collective="all_reduce", bytes=2**30, algorithm="nvls")
    case = CASES["sum"].model_copy(update={"shape": shape, "device": "h100-sxm-80gb"})
    case = case.model_copy(update={"intra_link": "nvlink4-nvswitch"})
    ring = case.model_copy(update={"shape": shape.model_copy(update={"algorithm": "ring"})})
    assert seconds(Predictor(without=["algorithm"]), case) == seconds(Predictor(), ring)


def test_pieces_are_taken_away_together():
    case = CASES["step"]
    assert seconds(Predictor(without=["launch", "links"]), case) < seconds(
        Predictor(without=["launch"]), case
    )


def test_the_roofline_has_none_of_them():
    bare = {name: Predictor(without=[name])(CASES["step"]).roofline for name in PIECES}
    assert set(bare.values()) == {Predictor()(CASES["step"]).roofline}


def test_an_unknown_piece_is_refused():
    with pytest.raises(InputError, match="tile"):
        Predictor(without=["tile"])
