"""The null model: constants by hand, and what is left out is never trained on."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.measurement import Measurement, Provenance
from calibration.shapes import Gemm, ModelStep
from calibration.splits import GROUPS, SPLITS
from calibration.validation.null import Sample, null_seconds
from hwsim.errors import InputError


def sample(roofline, seconds, device="a", source="s", dtype="fp32", m=1):
    case = Measurement(
        shape=Gemm(m=m, n=1, k=1),
        device=device,
        dtype=dtype,
        seconds=seconds,
        provenance=Provenance(source=source),
    )
    return Sample(case, roofline)


def test_a_constant_is_the_geometric_mean_of_efficiencies():
    # Efficiencies 1/2 and 1/8: their geometric mean is 1/4.
    found = null_seconds([sample(1.0, 2.0), sample(1.0, 8.0)], "none")
    assert found == pytest.approx([4.0, 4.0])


def test_constants_are_per_device_dtype_and_source():
    samples = [
        sample(1.0, 2.0),
        sample(1.0, 3.0, device="b"),
        sample(1.0, 5.0, dtype="fp16"),
        sample(1.0, 7.0, source="t"),
    ]
    assert null_seconds(samples, "none") == pytest.approx([2.0, 3.0, 5.0, 7.0])


def test_an_unseen_device_gets_the_others_geometric_mean():
    samples = [
        sample(1.0, 2.0, "a"),
        sample(1.0, 8.0, "b"),
        sample(1.0, 8.0, "b"),
        sample(10.0, 1.0, "c"),
        sample(1.0, 1000.0, "d", dtype="fp16"),
    ]
    found = null_seconds(samples, "device")
    assert found[3] == pytest.approx(10.0 * 4.0)  # constants of a and b, not their cases
    assert found[0] == pytest.approx(math.sqrt(8.0 * 0.1))
    assert found[4] == pytest.approx((2.0 * 8.0 * 0.1) ** (1 / 3))  # no other of its dtype


def test_a_left_out_shape_is_predicted_by_the_other_shapes():
    samples = [sample(1.0, 2.0, m=1), sample(1.0, 8.0, m=2), sample(1.0, 50.0, "b", m=2)]
    found = null_seconds(samples, "shape")
    assert found[:2] == pytest.approx([8.0, 2.0])
    assert found[2] == pytest.approx(2.0)


def test_a_left_out_source_is_predicted_by_the_same_device_elsewhere():
    samples = [sample(1.0, 2.0, source="s"), sample(1.0, 8.0, source="t")]
    assert null_seconds(samples, "source") == pytest.approx([8.0, 2.0])


@pytest.mark.parametrize("split", GROUPS)
def test_one_group_alone_leaves_nothing_to_train_on(split):
    assert null_seconds([sample(1.0, 2.0)], split) == [None]


def test_a_named_model_is_its_own_group():
    case = Measurement(
        shape=ModelStep(model="resnet50", phase="training", batch_per_device=8, grad_accum=1),
        provenance=Provenance(source="s"),
    )
    assert GROUPS["model"](case) == "resnet50"


def test_an_unknown_split_is_refused():
    with pytest.raises(InputError) as error:
        null_seconds([], "devices")
    assert "'device'" in error.value.instead


cells = st.tuples(st.sampled_from("abc"), st.sampled_from("st"), st.integers(1, 3))


@given(
    st.lists(st.tuples(cells, st.floats(0.1, 10.0)), min_size=2, max_size=12),
    st.sampled_from(SPLITS[1:]),
    st.floats(0.01, 100.0),
)
@settings(deadline=None, max_examples=60)
def test_a_case_never_sees_its_own_group(rows, split, factor):
    def samples(changed):
        return [
            sample(1.0, seconds * (factor if number in changed else 1.0), device, source, m=m)
            for number, ((device, source, m), seconds) in enumerate(rows)
        ]

    plain = samples(())
    groups = [GROUPS[split](one.measurement) for one in plain]
    before = null_seconds(plain, split)
    mine = [number for number, group in enumerate(groups) if group == groups[0]]
    after = null_seconds(samples(mine), split)
    for number in mine:  # other results of the group, the same predictions for all of it
        assert after[number] == (
            None if before[number] is None else pytest.approx(before[number], rel=1e-9)
        )
