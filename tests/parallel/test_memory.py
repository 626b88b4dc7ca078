"""Bytes by part of every pipeline stage, by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.memory import FRAGMENTATION, LayerMemory, alive, footprint, fullest
from hwsim.parallel.plan import Plan
from hwsim.parallel.schedule import order

# Elements, then bytes; the message is small enough to leave out.
LAYER = LayerMemory(parameters=1000, saved=640, input=64, output=64, core=320)
GIB = 2**30


def one(plan, layers=(LAYER,), dtype="fp32", optimizer="adam"):
    (stage,) = footprint(layers, [(0, len(layers))], plan, dtype, optimizer)
    return stage


def test_one_device_by_hand():
    parts = one(Plan(), (LAYER, LAYER)).parts
    assert parts == {
        "parameters": 8000,
        "gradients": 8000,
        "optimizer": 16000,
        "activations": 1280,
        "communication": 0,
        "fragmentation": pytest.approx(FRAGMENTATION * 1280),
    }


def test_mixed_precision_is_sixteen_bytes_and_fp32_gradients():
    # Half-width parameters with an fp32 master copy, fp32 gradients and two fp32 moments.
    parts = one(Plan(), dtype="bf16").parts
    assert parts["parameters"] + parts["gradients"] + parts["optimizer"] == 1000 * (2 + 4 + 4 + 8)
    assert one(Plan(master_weights=False), dtype="bf16").parts["parameters"] == 2000


@pytest.mark.parametrize(("optimizer", "moments"), [("adam", 2), ("momentum", 1), ("sgd", 0)])
def test_moments_follow_the_optimizer(optimizer, moments):
    assert one(Plan(), optimizer=optimizer).parts["optimizer"] == 4000 * moments


@pytest.mark.parametrize(
    ("zero", "parameters", "gradients", "optimizer"),
    [
        (0, 6000, 4000, 8000),
        (1, 2000 + 4000 / 8, 4000, 1000),
        (2, 2000 + 4000 / 8, 500, 1000),
        (3, 6000 / 8, 500, 1000),
    ],
)
def test_zero_divides_states_then_gradients_then_parameters(zero, parameters, gradients, optimizer):
    # Rajbhandari et al. 2020, figure 1: 2, 2 and 12 bytes; here gradients are fp32.
    parts = one(Plan(dp=4, cp=2, zero=zero), dtype="bf16").parts
    found = (parts["parameters"], parts["gradients"], parts["optimizer"])
    assert found == (parameters, gradients, optimizer)


def test_experts_are_sharded_over_the_fewer_devices_that_hold_them():
    layer = LAYER._replace(experts=600)
    parts = one(Plan(dp=4, ep=2, zero=1), (layer,)).parts
    assert parts["optimizer"] == 8 * (400 / 4 + 600 / 2)


def test_every_gradient_is_held_in_a_bucket_where_gradients_travel():
    assert one(Plan(dp=2)).parts["communication"] == 4000
    assert one(Plan()).parts["communication"] == 0


def test_experts_that_no_other_device_holds_need_no_bucket():
    layer = LAYER._replace(experts=600)
    assert one(Plan(dp=4, ep=2), (layer,)).parts["communication"] == 4000
    assert one(Plan(dp=4, ep=4), (layer,)).parts["communication"] == 1600


def test_zero_holds_two_buckets_or_two_gathered_layers():
    assert one(Plan(dp=2, zero=2, bucket=100.0)).parts["communication"] == 200
    assert one(Plan(dp=2, zero=1)).parts["communication"] == 4000  # no more than there is
    layers = (LAYER, LAYER._replace(parameters=300))
    gathered = one(Plan(dp=2, zero=3), layers, dtype="bf16").parts["communication"]
    assert gathered == 2 * 1000 * 2 + 1000 * 4


def test_what_others_send_has_its_place():
    assert one(Plan(), (LAYER._replace(message=99),)).parts["communication"] == 99
    stages = footprint([LAYER] * 4, [(0, 2), (2, 4)], Plan(pp=2), "fp32", "sgd", 2)
    assert [stage.parts["communication"] for stage in stages] == [128, 128]


def test_recomputation_keeps_inputs_and_one_layer():
    layers = [LAYER] * 3
    held = {
        how: one(Plan(recompute=how), layers).parts["activations"]
        for how in ("none", "selective", "full")
    }
    assert held == {
        "none": 3 * 640,
        "selective": 3 * 320 + 320,  # the core of the layer that goes backward
        "full": 3 * 64 + 640 - 64,  # its input is there already
    }


def test_what_is_smaller_than_its_input_is_not_recomputed():
    tiny = LAYER._replace(saved=10, core=0)
    assert one(Plan(recompute="full"), (tiny,)).parts["activations"] == 10


def test_offloading_moves_bytes_to_the_host():
    stays, gone = one(Plan(), dtype="bf16"), one(Plan(offload="optimizer"), dtype="bf16")
    assert gone.host == 1000 * (4 + 8)
    assert stays.bytes - gone.bytes == pytest.approx(gone.host)
    layers = [LAYER] * 5
    stays, gone = one(Plan(), layers), one(Plan(offload="activations"), layers)
    assert (gone.host, gone.parts["activations"]) == (5 * 640, 2 * 640)
    assert gone.parts["optimizer"] == stays.parts["optimizer"]


def stages_of(plan, layers, micro_batches):
    chunks = plan.pp * plan.virtual
    size = len(layers) // chunks
    cuts = [(size * chunk, size * (chunk + 1)) for chunk in range(chunks)]
    return footprint(layers, cuts, plan, "fp32", "adam", micro_batches)


def test_a_stage_holds_as_many_micro_batches_as_lie_behind_it():
    found = stages_of(Plan(pp=4), [LAYER] * 8, 16)
    assert [stage.parts["activations"] for stage in found] == [n * 2 * 640 for n in (4, 3, 2, 1)]
    assert [stage.stage for stage in found] == [0, 1, 2, 3]
    few = stages_of(Plan(pp=4), [LAYER] * 8, 2)
    assert few[0].parts["activations"] == 2 * 2 * 640


def test_gpipe_holds_all_of_them():
    found = stages_of(Plan(pp=4, schedule="gpipe"), [LAYER] * 4, 16)
    assert {stage.parts["activations"] for stage in found} == {16 * 640}


@given(st.integers(2, 8), st.integers(2, 4), st.integers(2, 4))
@settings(deadline=None, max_examples=20)
def test_interleaving_holds_more_on_the_first_stage(stages, virtual, rounds):
    # Korthikanti et al. 2022 (arXiv 2205.05198), section 4.2.3: L (1 + (p - 1) / (p v)).
    plan = Plan(pp=stages, virtual=virtual, schedule="interleaved")
    layers = [LAYER] * (stages * virtual)
    first = stages_of(plan, layers, stages * rounds)[0]
    factor = 1 + (stages - 1) / (stages * virtual)
    assert first.parts["activations"] == pytest.approx(640 * len(layers) * factor)


@given(
    st.integers(1, 4),
    st.integers(1, 24),
    st.sampled_from(["gpipe", "1f1b", "interleaved", "zero-bubble"]),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
)
@settings(deadline=None, max_examples=40)
def test_what_is_alive_at_once_is_read_off_the_order(stages, micro, schedule, sizes):
    virtual = 3 if schedule == "interleaved" else 1
    micro *= stages if virtual > 1 else 1
    for stage in range(stages):
        held = most = 0
        for kind, chunk, _ in order(schedule, stages, stage, micro, virtual):
            gone = kind == ("W" if schedule == "zero-bubble" else "B")
            held += sizes[chunk] * ((kind == "F") - gone)
            most = max(most, held)
        counts = alive(schedule, stages, stage, micro, virtual, 1)
        assert (counts @ sizes[:virtual]).max() == most


def test_a_tied_output_is_a_copy_on_another_stage():
    output = LAYER._replace(parameters=0, tied=500)
    assert one(Plan(), (LAYER, output)).parts["parameters"] == 4000
    first, last = footprint((LAYER, output), [(0, 1), (1, 2)], Plan(pp=2), "fp32", "sgd")
    assert (first.parts["parameters"], last.parts["parameters"]) == (4000, 2000)


def test_the_fullest_stage_is_what_must_fit():
    found = stages_of(Plan(pp=4, offload="activations"), [LAYER] * 8, 16)
    most = fullest(found)
    assert most.bytes == max(stage.bytes for stage in found)
    assert most.host == found[0].host


@given(
    st.sampled_from(["none", "selective", "full"]),
    st.sampled_from([1, 2, 3]),
    st.booleans(),
    st.sampled_from(["fp32", "bf16"]),
)
@settings(deadline=None, max_examples=20)
def test_more_sharding_never_needs_more_state(recompute, zero, master, dtype):
    plan = Plan(dp=8, recompute=recompute, zero=zero, master_weights=master)
    less = one(plan.model_copy(update={"zero": zero - 1}), dtype=dtype).parts
    more = one(plan, dtype=dtype).parts
    for part in ("parameters", "gradients", "optimizer"):
        assert more[part] <= less[part]
    assert more["activations"] == less["activations"]
