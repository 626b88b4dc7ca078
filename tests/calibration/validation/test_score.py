"""Errors, skill and coverage: by hand, and what clusters change."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.measurement import Measurement, Provenance
from calibration.predict import Prediction
from calibration.shapes import Collective, Convolution, Gemm, Pointwise, Recurrent
from calibration.validation.score import (
    Scored,
    by,
    cluster,
    clustered,
    compared,
    errors,
    log_error,
    stratum,
)


def case(shape, device="p4", **about):
    return Measurement(shape=shape, device=device, provenance=Provenance(source="lab"), **about)


def product(m, device="p4", **flags):
    return case(Gemm(m=m, n=64, k=64, **flags), device)


def scored(measurement, truth, null=None):
    """Says 2 s, within 1.5 .. 2.5 (80 %) and 1 .. 4 (95 %); the roofline is 1 s."""
    return Scored(measurement, Prediction(2.0, 1.5, 2.5, 1.0, 1.0, 4.0), truth, null)


def test_statistics_of_four_rows_by_hand():
    found = errors([(2.0, 1.0), (2.0, 2.0), (2.0, 4.0), (2.0, 8.0)])
    # Signed: 1, 0, -0.5, -0.75.
    assert found == pytest.approx(
        {"mape": 0.5625, "median": 0.625, "p90": 0.925, "max": 1.0, "bias": -0.0625}
    )


def test_nothing_scored_has_no_statistics():
    assert errors([]) is None
    assert log_error([]) is None
    found = compared([])
    assert (found["cases"], found["skill"], found["coverage80"]) == (0, None, None)
    assert clustered([], "none") is None


def test_skill_is_the_log_error_over_that_of_the_null_model():
    found = compared([scored(product(8), 1.0, null=8.0), scored(product(9), 4.0, null=0.5)])
    assert found["log_error"] == pytest.approx(
        {"hwsim": math.log(2), "roofline": math.log(2), "null": math.log(8)}
        | {"roofline": (0 + math.log(4)) / 2}
    )
    assert found["skill"] == pytest.approx(1 / 3)
    assert (found["coverage80"], found["coverage95"]) == (0.0, 1.0)


def test_a_null_model_without_error_leaves_no_skill_to_state():
    assert compared([scored(product(8), 1.0, null=1.0)])["skill"] is None


@given(st.floats(0.1, 10.0), st.floats(1.1, 100.0))
@settings(deadline=None, max_examples=20)
def test_too_long_and_too_short_by_a_factor_err_alike(measured, factor):
    long, short = (
        log_error([(measured * factor, measured)]),
        log_error([(measured, measured * factor)]),
    )
    assert long == pytest.approx(short)


def test_many_rows_of_one_shape_are_one_cluster():
    same = [scored(product(8), 2.0) for _ in range(99)]
    found = clustered([*same, scored(product(9), 9.0)], "none")
    assert found["clusters"] == 2
    assert found["coverage80"]["value"] == 0.5
    assert (found["coverage80"]["low"], found["coverage80"]["high"]) == (0.0, 1.0)
    assert compared([*same, scored(product(9), 9.0)])["coverage80"] == 0.99


def test_one_cluster_has_no_interval():
    found = clustered([scored(product(8), 2.0), scored(product(8), 9.0)], "none")
    assert found["coverage95"] == {"value": 0.5, "low": None, "high": None}


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0.1, 10.0)), min_size=1, max_size=20))
@settings(deadline=None, max_examples=20)
def test_the_interval_holds_the_value_and_comes_out_the_same_again(rows):
    ones = [scored(product(m), truth) for m, truth in rows]
    found = clustered(ones, "shape")
    assert found == clustered(ones, "shape")
    for name in ("coverage80", "coverage95"):
        one = found[name]
        ends = one["low"], one["high"]
        if found["clusters"] == 1:
            assert ends == (None, None)
        else:
            assert 0.0 <= ends[0] <= one["value"] + 1e-9
            assert one["value"] <= ends[1] + 1e-9
    assert found["coverage80"]["value"] <= found["coverage95"]["value"]


LAYER = {"cell": "lstm", "hidden": 512, "way": "forward", "batch": 8, "timesteps": 25}
WINDOW = {
    "way": "forward",
    **{"n": 1, "c": 3, "h": 9, "w": 9, "k": 4, "r": 3, "s": 3},
    **dict.fromkeys(("pad_h", "pad_w", "stride_h", "stride_w"), 1),
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (product(8), product(8, "titanv", transpose_a=1, batch=4)),
        (
            case(Recurrent(**LAYER)),
            case(Recurrent(**LAYER | {"way": "backward", "batch": 16, "timesteps": 50})),
        ),
        (
            case(Convolution(**WINDOW)),
            case(Convolution(**WINDOW | {"way": "backward_data", "n": 8, "algorithm": "fft"})),
        ),
        (
            case(Pointwise(op="add", rows=2, cols=3, bytes_moved=72)),
            case(Pointwise(op="tanh", rows=2, cols=3, bytes_moved=48)),
        ),
        (
            case(Collective(collective="all_reduce", bytes=8), devices=4, intra_link="pcie4"),
            case(Collective(collective="all_gather", bytes=99), devices=4, intra_link="pcie4"),
        ),
    ],
)
def test_details_do_not_part_a_cluster(one, other):
    assert cluster(one, "none") == cluster(other, "shape")


def test_other_sizes_and_other_machines_are_other_clusters():
    assert cluster(product(8), "none") != cluster(product(9), "none")
    assert cluster(product(8), "device") == cluster(product(9), "device")
    assert cluster(product(8), "device") != cluster(product(8, "titanv"), "device")


def test_strata_tell_sizes_algorithms_and_transposes():
    small, large = (case(Collective(collective="all_reduce", bytes=n)) for n in (2**20 - 1, 2**20))
    assert (stratum(small), stratum(large)) == ("< 1 MiB", ">= 1 MiB")
    named = [
        stratum(case(Convolution(**WINDOW, algorithm=name)))
        for name in ("implicit_gemm", "winograd", None)
    ]
    assert named == ["direct algorithms", "other algorithms", "algorithm not stated"]
    assert stratum(product(8, transpose_b=1)) == "A B'"
    assert stratum(case(Recurrent(**LAYER))) is None


def test_groups_come_sorted_and_leave_out_what_has_no_key():
    ones = [scored(product(8), 1.0), scored(product(9), 2.0), scored(product(7), 4.0)]
    found = by("name", ones, lambda c: {8: "b", 9: "a"}.get(c.shape.m))
    assert [(one["name"], one["cases"]) for one in found] == [("a", 1), ("b", 1)]
