"""Seconds of operators on one device of a plan."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load_for
from hwsim.cost.offload import host_bandwidth
from hwsim.cost.quantized import AHEAD, CURRENT
from hwsim.cost.roofline import kernel_cost
from hwsim.graph.step import StepGraph, update_bytes
from hwsim.hardware import catalog
from hwsim.hardware.spec import Launch
from hwsim.parallel.plan import Plan
from hwsim.parallel.price import Pricer, overlapped
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

VOLTA = catalog.load("volta")
CALIBRATION = load_for(VOLTA.device).model_copy(update={"software": {}})  # kernels alone
MODEL = Transformer(layers=3, sequence=64, batch=8, attention="eager")


def pricer(plan, model=MODEL):
    return Pricer(model.graph(), VOLTA, plan, CALIBRATION)


def layers(plan, model=MODEL):
    return list(pricer(plan, model).layers())


def said(layer):
    return [
        one for op in layer.ops for way in (op.forward, op.inputs, op.weights) for one in way.said
    ]


def test_equal_layers_are_priced_once():
    _, first, *others, _ = layers(Plan())
    assert all(one is first for one in others)


def test_halves_of_the_backward_pass_are_all_of_it():
    graph = MODEL.graph()
    names = [kernel.name for kernel in graph.backward()]
    own = {name.rpartition(".")[2] for name in names}
    assert own >= {"dgrad", "wgrad", "bgrad"}
    for layer in layers(Plan()):
        assert layer.seconds == pytest.approx(
            layer.forward.total + layer.inputs.total + layer.weights.total
        )
        assert layer.inputs.total > 0
        assert layer.weights.total > 0


def test_recomputation_goes_before_the_gradients_of_all_layers_but_the_last():
    none, full, part = (layers(Plan(recompute=how)) for how in ("none", "full", "selective"))
    for one, again in zip(none[:-1], full[:-1], strict=True):
        assert again.inputs.total == pytest.approx(one.inputs.total + one.forward.total)
    assert full[-1].inputs == part[-1].inputs == none[-1].inputs
    core = sum(op.forward.seconds.total for op in none[1].ops if op.name == "attention")
    assert part[1].inputs.total == pytest.approx(none[1].inputs.total + core)


def test_recomputation_keeps_inputs_or_drops_scores():
    none, full, part = (layers(Plan(recompute=how)) for how in ("none", "full", "selective"))
    width = 4.0 * MODEL.batch * MODEL.sequence * MODEL.hidden
    scores = 4.0 * MODEL.batch * MODEL.heads * MODEL.sequence**2
    assert [layer.saved for layer in full] == [0.0, width, width, width, none[-1].saved]
    assert none[1].saved - part[1].saved == scores


@given(st.floats(0, 10), st.floats(0, 10), st.integers(1, 64))
@settings(deadline=None, max_examples=50)
def test_an_overlap_hides_no_more_than_there_is(product, exchange, chunks):
    seen = overlapped(product, exchange, chunks)
    assert max(0.0, exchange - product) - 1e-12 <= seen <= exchange + 1e-12
    assert overlapped(product, exchange, 1) == pytest.approx(exchange, abs=1e-12)


@pytest.mark.parametrize(
    "degrees", [{"tp": 4}, {"tp": 4, "sequence_parallel": True}, {"cp": 4}, {"tp": 2, "cp": 2}]
)
def test_overlapped_exchanges_share_the_product_that_hides_them(degrees):
    alone, beside = (
        layers(Plan(**degrees, tensor_overlap=overlap))[1] for overlap in (False, True)
    )
    hidden = 0.0
    for one, other in zip(said(alone), said(beside), strict=True):
        assert other.seen.total <= one.seen.total * (1 + 1e-12)
        assert other.work == one.work
        hidden += one.seen.total - other.seen.total
    computed = sum(
        way.computed.total for op in alone.ops for way in (op.forward, op.inputs, op.weights)
    )
    assert 0 < hidden < computed


@pytest.mark.parametrize("cp", [2, 4])
def test_keys_overlap_attention_in_as_many_chunks_as_a_context_has_parts(cp):
    fused = MODEL.model_copy(update={"attention": "fused"})
    block = layers(Plan(cp=cp, tensor_overlap=True), fused)[1]
    op = next(op for op in block.ops if op.forward.said)
    (keys,) = op.forward.said
    product = op.forward.computed.total
    assert keys.seen.total == pytest.approx(overlapped(product, keys.work.seconds, cp))
    assert keys.seen.total < keys.work.seconds


def test_weights_gradients_that_are_put_off_hide_nothing():
    now, late = (
        layers(Plan(tp=2, pp=2, tensor_overlap=True, schedule=schedule))[1]
        for schedule in ("1f1b", "zero-bubble")
    )
    sums = {
        name: [one for one in said(layer) if str(one.exchange.beside).endswith("wgrad")]
        for name, layer in (("now", now), ("late", late))
    }
    assert all(one.seen.total < one.work.seconds for one in sums["now"])
    assert all(one.seen.total == one.work.seconds for one in sums["late"])
    assert len(sums["now"]) == len(sums["late"]) > 0


@pytest.mark.parametrize(("pp", "copies"), [(1, 0), (2, 1)])
def test_a_tied_matrix_has_a_copy_where_there_are_stages(pp, copies):
    model = WordLM(hidden=64, vocabulary=500, batch=4)
    *_, last = layers(Plan(pp=pp), model)
    assert last.tied == 500 * 64
    assert last.gradients == 500 + copies * 500 * 64  # and the bias


def test_the_update_takes_longer_with_what_a_plan_adds():
    half = MODEL.model_copy(update={"dtype": "fp16"})
    plain = pricer(Plan(), half).update(1e8)
    scaled = pricer(Plan(loss_scaling=True), half).update(1e8)
    bare = pricer(Plan(master_weights=False), half).update(1e8)
    assert bare.seconds < plain.seconds < scaled.seconds
    assert plain.parts == (("update", plain.seconds),)
    assert update_bytes("adam", "fp16") > update_bytes("adam", "fp16", master=False)


@pytest.mark.parametrize(
    ("dtype", "master", "size"), [("fp32", True, 8), ("fp16", True, 12), ("fp16", False, 8)]
)
def test_an_offloaded_optimizer_moves_its_moments_and_master_copy(dtype, master, size):
    model = MODEL.model_copy(update={"dtype": dtype})
    found = pricer(Plan(offload="optimizer", master_weights=master), model).update(1e9)
    assert found.seconds == pytest.approx(size * 1e9 / host_bandwidth(VOLTA))


BLACKWELL = catalog.load("dgx-b200")
PLANS = [
    Plan(),
    Plan(tp=2, sequence_parallel=True, tensor_overlap=True),
    Plan(cp=2, recompute="full"),
    Plan(ep=2, dp=2),
]


def priced(dtype, plan, calibration, recipe=None, sequence=64):
    model = Transformer(layers=2, sequence=sequence, batch=8, dtype=dtype, experts=4)
    graph = model.graph(model.batch // plan.dp)
    return Pricer(graph, BLACKWELL, plan, calibration, recipe=recipe)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("dtype", ["fp8", "fp4"])
def test_below_16_bits_devices_say_keep_and_update_what_they_do_in_16(dtype, plan):
    calibration = load_for(BLACKWELL.device).model_copy(update={"software": {}})
    low, half = (priced(name, plan, calibration) for name in (dtype, "bf16"))
    assert low.update(1e9) == half.update(1e9)
    for one, other in zip(low.layers(), half.layers(), strict=True):
        assert (one.sent, one.saved) == (other.sent, other.saved)
        exchanges = zip(said(one), said(other), strict=True)
        assert all(here.work == there.work for here, there in exchanges)


@pytest.mark.parametrize("dtype", ["fp8", "fp4"])
def test_casts_that_cost_less_make_a_step_faster(dtype):
    calibration = load_for(BLACKWELL.device).model_copy(update={"software": {}})
    recipes = (CURRENT, AHEAD, AHEAD._replace(read=0.0))
    pricers = [priced(dtype, Plan(), calibration, recipe, sequence=8192) for recipe in recipes]
    seconds = [sum(layer.seconds for layer in pricer.layers()) for pricer in pricers]
    assert seconds[0] > seconds[1] > seconds[2]


@pytest.mark.parametrize(("dtype", "ratio"), [("fp8", 2.0), ("fp4", 4.0)])
def test_with_work_alone_linear_layers_are_faster_by_their_rate_and_no_others(dtype, ratio):
    bare = BLACKWELL.device.model_copy(update={"launch": Launch(kernel=0.0, dispatch=0.0)})
    memory = bare.memory.model_copy(update={"bandwidth": 1e30})
    system = BLACKWELL.model_copy(update={"device": bare.model_copy(update={"memory": memory})})
    none = {"products": {}, "recurrences": {}, "convolutions": {}, "eager": {}, "streams": None}
    calibration = CALIBRATION.model_copy(update=none)
    model = Transformer(layers=2, sequence=64, batch=8)

    def halves(name):
        graph = model.model_copy(update={"dtype": name}).graph()
        reached = Pricer(graph, system, Plan(), calibration).rates
        found = {True: 0.0, False: 0.0}
        for kernel in (*graph.forward(), *graph.backward()):
            *_, last = reached.launches(kernel)
            found[kernel.casts is not None] += kernel_cost(*last).seconds
        return found

    low, half = halves(dtype), halves("bf16")
    assert half[True] == pytest.approx(ratio * low[True])
    assert half[False] == pytest.approx(low[False])


def test_a_graph_without_layers_has_none():
    graph = StepGraph((), "fp32", "adam", 1, 1)
    assert list(Pricer(graph, VOLTA, Plan(), CALIBRATION).layers()) == []
