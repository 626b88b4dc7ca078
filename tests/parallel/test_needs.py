"""The memory of a plan of a workload."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.parallel.check import divisors, scaled
from hwsim.parallel.needs import needed
from hwsim.parallel.plan import Plan
from workloads.charlm import CharLM
from workloads.transformer import Transformer

GPT2 = Transformer()


def test_one_device_holds_the_graph():
    graph = GPT2.graph()
    parts = needed(GPT2, Plan()).parts
    assert parts["parameters"] == parts["gradients"] == 4 * graph.parameters
    assert parts["optimizer"] == 8 * graph.parameters
    assert parts["activations"] == graph.saved_bytes
    assert parts["communication"] == 0


@pytest.mark.parametrize("zero", [0, 3])
@pytest.mark.parametrize("dtype", ["fp8", "fp4"])
def test_below_16_bits_memory_is_that_of_16(dtype, zero):
    plan = Plan(dp=2, tp=2, pp=2, zero=zero, sequence_parallel=True)
    low, half = (needed(GPT2.model_copy(update={"dtype": d}), plan) for d in (dtype, "bf16"))
    assert low == half


@given(st.sampled_from([n for n in divisors(128) if n > 1]))
@settings(deadline=None, max_examples=8)
def test_more_devices_never_need_more_each(dp):
    assert needed(GPT2, Plan(dp=128)).bytes <= needed(GPT2, Plan(dp=dp)).bytes


@given(st.sampled_from([16, 64, 256, 1024]), st.sampled_from([1, 8, 128]))
@settings(deadline=None, max_examples=8)
def test_a_larger_model_needs_more(hidden, micro):
    small, large = (
        needed(CharLM(hidden=width), Plan(dp=1, micro_batch=micro)).parts
        for width in (hidden, 2 * hidden)
    )
    for part, size in small.items():
        assert large[part] >= size


@given(st.sampled_from([size for size in divisors(128) if size < 128]))
@settings(deadline=None, max_examples=8)
def test_micro_batches_that_follow_each_other_hold_no_more_than_one(size):
    alone = needed(GPT2.model_copy(update={"batch": size}), Plan())
    assert needed(GPT2, Plan(micro_batch=size)) == alone


def test_weak_scaling_gives_every_replica_the_batch():
    plans = [Plan(dp=8, scaling=how) for how in ("weak", "strong")]
    weak, strong = (needed(scaled(GPT2, plan), plan).parts for plan in plans)
    assert weak["activations"] == pytest.approx(8 * strong["activations"], rel=1e-3)


def test_a_pipeline_holds_what_its_fullest_stage_does():
    whole = needed(GPT2, Plan(micro_batch=1))
    stage = needed(GPT2, Plan(micro_batch=1, pp=4))
    assert stage.parts["gradients"] < whole.parts["gradients"]
    # The first one, with four micro-batches in flight; only a gradient comes to it.
    assert stage.stage == 0
    assert stage.parts["communication"] == 4 * GPT2.sequence * GPT2.hidden
    cuts = [(0, 12), (12, 14)]
    assert needed(GPT2, Plan(micro_batch=1, pp=2), cuts).stage == 0


def test_tensor_parallelism_divides_all_but_what_it_leaves_whole():
    whole, parts, rows = (
        needed(GPT2, plan).parts
        for plan in (Plan(), Plan(tp=4), Plan(tp=4, sequence_parallel=True))
    )
    assert whole["optimizer"] / 4 < parts["optimizer"] < 1.03 * whole["optimizer"] / 4
    assert whole["activations"] / 4 < parts["activations"] < whole["activations"]
    assert rows["activations"] == pytest.approx(whole["activations"] / 4, rel=1e-3)
    # All-reduces sum in place; the gathered rows of a block's input have a buffer of their own.
    assert parts["communication"] == 0
    assert rows["communication"] == 4 * 128 * GPT2.sequence * GPT2.hidden


def test_selective_recomputation_drops_the_scores_alone():
    eager = Transformer(attention="eager", batch=1)
    scores = 4.0 * eager.heads * eager.sequence**2
    all_, selective = (
        needed(eager, Plan(recompute=how)).parts["activations"] for how in ("none", "selective")
    )
    assert all_ - selective == (eager.layers - 1) * scores  # one layer's are there when it is run


def test_full_recomputation_keeps_the_inputs():
    found = needed(GPT2.model_copy(update={"batch": 1}), Plan(recompute="full")).parts
    graph = GPT2.graph(1)
    width = 4.0 * GPT2.sequence * GPT2.hidden
    embedding, _, output = graph.layers
    inputs = (GPT2.layers + 1) * width
    block = graph.layers[1].saved / GPT2.layers
    # The output layer is not computed again: it is kept; one block is there when it is.
    assert found["activations"] == inputs - width + 4 * output.saved + 4 * block - width
    assert 4 * embedding.saved < width


@pytest.mark.parametrize("schedule", ["1f1b", "gpipe"])
def test_time_chunks_hold_together_what_the_sequence_does(schedule):
    model = CharLM(hidden=64, batch=8)
    plan = Plan(pp=3, micro_batch=2, schedule=schedule)
    whole = needed(model, plan, [(0, 1), (1, 2), (2, 3)]).parts
    cut = needed(model, plan.model_copy(update={"time_chunks": 5}), [(0, 1), (1, 2), (2, 3)]).parts
    assert cut["activations"] == pytest.approx(whole["activations"])
    assert cut["parameters"] == whole["parameters"]
    assert cut["communication"] == pytest.approx(whole["communication"] / 5)


def test_experts_are_held_by_those_that_share_them():
    mixture = Transformer(experts=8, topk=2)
    alone, shared = (needed(mixture, Plan(dp=8, ep=ep)) for ep in (1, 8))
    spread = [layer for layer in mixture.graph(16).layers if layer.expert_parameters]
    experts = sum(layer.expert_parameters for layer in spread)
    assert experts > 0
    held = alone.parts["gradients"] - shared.parts["gradients"]
    assert held == 4.0 * experts * 7 / 8


def test_what_can_not_be_is_refused():
    with pytest.raises(InputError, match=r"plan\.micro_batch: .*write 2"):
        needed(GPT2, Plan(dp=2, micro_batch=3))
    with pytest.raises(InputError, match=r"plan\.pp: .*14 layers"):
        needed(GPT2, Plan(pp=15))
    with pytest.raises(InputError, match=r"plan\.tp: .*write 4 or 6"):
        needed(GPT2, Plan(tp=5))
