"""What is gathered and summed in a step, and when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load
from hwsim.hardware import catalog
from hwsim.parallel.lower import lower
from hwsim.parallel.pieces import Cut
from hwsim.parallel.plan import Plan
from hwsim.parallel.program import Stream
from hwsim.parallel.staged import staged
from workloads.transformer import Transformer

SWITCH = catalog.load("dgx-a100-80gb")
LINK = SWITCH.node.link.model_copy(update={"latency": 0.0})
PROMPT = SWITCH.model_copy(update={"node": SWITCH.node.model_copy(update={"link": LINK})})
BARE = load().model_copy(update={"software": {}})
IDEAL = BARE.model_copy(update={"links": BARE.links.ideal()})
MODEL = Transformer(layers=3, hidden=64, heads=4, sequence=16, vocabulary=96, batch=16)
MIXTURE = MODEL.model_copy(update={"experts": 4, "moe_ffn": 32, "tied": False})
DP = 4


def moved(model, plan, kind):
    """Bytes that a device sends in a step: where nothing else counts, seconds times the rate."""
    made = lower(staged(model, PROMPT, plan, IDEAL)).streams.get(Stream(0, kind))
    return sum(task.work.seconds for task in made()) * LINK.bandwidth if made else 0.0


def share(size):
    return size * (DP - 1) / DP


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("overlap", [True, False])
def test_sharded_states_move_a_reduce_scatter_and_an_all_gather(dtype, overlap):
    model = MODEL.model_copy(update={"dtype": dtype})
    size, low = model.graph().parameters, 4.0 if dtype == "fp32" else 2.0
    whole = moved(model, Plan(dp=DP, overlap=overlap), "sum")
    assert whole == pytest.approx(2 * share(4.0 * size))
    for zero in (1, 2):
        plan = Plan(dp=DP, zero=zero, overlap=overlap)
        assert moved(model, plan, "sum") == pytest.approx(share(4.0 * size))
        assert moved(model, plan, "gather") == pytest.approx(share(low * size))


@pytest.mark.parametrize("count", [1, 4])
def test_sharded_parameters_move_half_as_much_again_for_every_micro_batch(count):
    model = MODEL.model_copy(update={"tied": False})
    size = 4.0 * model.graph().parameters
    plan = Plan(dp=DP, zero=3, micro_batch=4 // count)
    assert moved(model, plan, "gather") == pytest.approx(count * 2 * share(size))
    assert moved(model, plan, "sum") == pytest.approx(count * share(size))


def test_a_sharded_matrix_that_is_tied_is_gathered_at_both_of_its_ends():
    plan = Plan(dp=DP, zero=3)
    tied, own = (
        moved(MODEL.model_copy(update={"tied": tied}), plan, "gather") for tied in (True, False)
    )
    assert tied == pytest.approx(own)


@pytest.mark.parametrize(("zero", "times"), [(0, 1), (1, 1), (2, 4)])
def test_gradients_are_summed_once_a_step_unless_they_are_sharded(zero, times):
    once, four = (moved(MODEL, Plan(dp=DP, zero=zero, micro_batch=size), "sum") for size in (4, 1))
    assert four == pytest.approx(times * once)


@pytest.mark.parametrize("zero", [0, 3])
def test_experts_are_summed_among_those_that_hold_them(zero):
    layers = MIXTURE.graph().layers
    experts = 4.0 * sum(layer.expert_parameters for layer in layers)
    others = 4.0 * MIXTURE.graph().parameters - experts
    ways = 2 if zero == 0 else 1
    spread = moved(MIXTURE, Plan(dp=DP, ep=2, zero=zero), "sum")
    assert spread == pytest.approx(ways * (share(others) + experts / 2 / 2))
    alone = moved(MIXTURE, Plan(dp=DP, ep=4, zero=zero), "sum")
    assert alone == pytest.approx(ways * share(others))


def test_a_context_is_summed_with_the_replicas():
    plans = (Plan(dp=4), Plan(dp=2, cp=2), Plan(cp=4))
    sizes = [moved(MODEL, plan, "sum") for plan in plans]
    assert sizes == pytest.approx([sizes[0]] * 3)


def test_a_tied_matrix_is_summed_on_both_ends_of_a_pipeline():
    untied = MODEL.model_copy(update={"tied": False})
    plan = Plan(pp=2, dp=2, tp=1)
    late = 4.0 * MODEL.vocabulary * MODEL.hidden
    ends = [
        moved(model, plan, "sum") for model in (MODEL, untied)
    ]  # of the first stage, which also speaks to the last
    assert ends[0] - ends[1] == pytest.approx(late)
    updates = [
        [staged(model, PROMPT, plan, IDEAL).parameters(stage)[0] for stage in (0, 1)]
        for model in (MODEL, untied)
    ]
    assert updates[0] == updates[1]


@given(
    st.sampled_from(["F", "B", "W", "BW"]),
    st.sampled_from([0, 1, 3]),
    st.sampled_from(["none", "activations"]),
    st.sampled_from([1e2, 1e4, 1e9]),
)
@settings(deadline=None, max_examples=30)
def test_pieces_are_the_pass_and_share_every_gradient(kind, zero, offload, bucket):
    plan = Plan(dp=DP, zero=zero, offload=offload, bucket=bucket, first_bucket=bucket)
    step = staged(MODEL, PROMPT, plan, IDEAL)
    cut, layers = Cut(step), step.chunks[0]
    ways = [cut.plain(layers, kind)]
    ways += [cut.gathering(layers, kind)] if kind == "F" else [cut.summing(layers, kind)]
    (whole,) = Cut(staged(MODEL, PROMPT, Plan(), IDEAL)).plain(layers, kind)
    for pieces in ways:
        assert [one for piece in pieces for one in piece.passes] == list(whole.passes)
    copies = sum(piece.copied is not None for piece in ways[-1])
    assert copies == (len(layers) if offload == "activations" and kind != "W" else 0)
    if kind != "F":
        seconds = sum(work.seconds for piece in ways[-1] for _, work in piece.sums)
        size = 4.0 * MODEL.graph().parameters * (1 if zero else 2)
        assert seconds * LINK.bandwidth == pytest.approx(share(size))
