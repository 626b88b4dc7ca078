"""Predictions: the estimate's cost functions by hand, no result read, and why a case is skipped."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.measurement import Measurement, Provenance
from calibration.predict import REACH80, Prediction, Predictor, Skipped
from calibration.predict.basis import Basis
from calibration.predict.kernels import kernels_of
from calibration.shapes import (
    AttentionCore,
    Collective,
    Convolution,
    Gemm,
    ModelStep,
    MoeStep,
    Pointwise,
    Recurrent,
    StepsToTarget,
    TrainingRun,
    TransformerStep,
    Update,
)
from hwsim.cost.calibration import Code, load_for
from hwsim.cost.calibration import load as load_calibration
from hwsim.cost.collectives import all_gather, all_reduce
from hwsim.cost.rates import rates
from hwsim.cost.roofline import kernel_cost
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.simulate.step import simulate
from workloads.transformer import Transformer

PREDICT = Predictor()
SHARES = load_calibration()
GEMM = Gemm(m=4096, n=4096, k=4096)
CONV = Convolution(
    way="forward", n=8, c=16, h=32, w=32, k=64, r=3, s=3, pad_h=1, pad_w=1, stride_h=1, stride_w=1
)
RNN = Recurrent(cell="rnn", way="forward", hidden=256, batch=16, timesteps=50)
POINTWISE = Pointwise(op="add", rows=1 << 14, cols=1 << 12, bytes_moved=3 << 28)
SUM = Collective(collective="all_reduce", bytes=1 << 30)
SIZES = {
    "layers": 4,
    "hidden": 512,
    "heads": 8,
    "vocabulary": 1000,
    "sequence": 128,
    "dtype": "fp16",
}
STEP = TransformerStep(
    layers=4,
    hidden=512,
    heads=8,
    kv_heads=8,
    ffn=2048,
    gated_mlp=False,
    vocab=1000,
    seq=128,
    global_batch=32,
    micro_batch=2,
    dp=4,
    tp=1,
    pp=1,
    cp=1,
    recompute="none",
    attention="flash",
)
MOE = MoeStep(
    **STEP.model_dump(exclude={"kind", "experts", "topk"}),
    experts=8,
    topk=2,
    moe_ffn=64,
    shared_experts=0,
    ep=4,
)


def measured(shape, device="v100-pcie-16gb", dtype="fp32", **fields):
    provenance = Provenance(source="here")
    return Measurement(shape=shape, device=device, dtype=dtype, provenance=provenance, **fields)


def joined(shape, devices=4, device="a100-sxm-80gb", **fields):
    given = {"devices_per_node": 8, "intra_link": "nvlink3-nvswitch", "dtype": "fp16"} | fields
    return measured(shape, device, devices=devices, **given)


CASES = [
    measured(GEMM, timing="kernel"),
    measured(CONV),
    measured(RNN),
    measured(POINTWISE, timing="call"),
    measured(Update(optimizer="adam", parameters=10**7)),
    measured(AttentionCore(way="forward", batch=2, heads=4, kv_heads=4, seq=256, head_dim=64)),
    joined(SUM),
    joined(STEP),
    joined(MOE),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.shape.kind)
def test_no_prediction_reads_a_result(case):
    results = {"steps": 3.0, "run_seconds_min": 1.0}
    filled = case.model_copy(update={"seconds": 123.0, "spread": 0.5, "results": results})
    assert PREDICT(filled) == PREDICT(case)
    assert PREDICT(filled) == PREDICT(filled.blank())


def test_a_large_product_is_its_flops_over_the_reached_rate():
    found = PREDICT(measured(GEMM, timing="kernel"))
    device = catalog.load("v100-pcie-16gb").device
    ideal = 2 * 4096**3 / device.vector.fp32
    reach = load_for(device).products["vector fp32"]["kernel"].reach
    assert found.roofline == pytest.approx(ideal)
    assert ideal / reach < found.seconds < 1.3 * ideal / reach


def test_the_interval_holds_eighty_percent_of_the_spread():
    found = PREDICT(CASES[0])
    device = catalog.load("v100-pcie-16gb").device
    spread = load_for(device).products["vector fp32"]["kernel"].spread
    assert found.high / found.seconds == pytest.approx(math.exp(1.2816 * spread), rel=1e-4)
    assert found.low * found.high == pytest.approx(found.seconds**2)


def test_a_call_waits_for_the_host_and_a_kernel_does_not():
    tiny = Gemm(m=1, n=1, k=1)
    fitted = load_for(catalog.load("v100-pcie-16gb").device)
    kernel, call = (PREDICT(measured(tiny, timing=how)).seconds for how in ("kernel", "call"))
    assert kernel == pytest.approx(fitted.products["vector fp32"]["kernel"].launch, rel=0.05)
    assert call == pytest.approx(fitted.call["products"], rel=0.05)


def test_ordinary_units_do_not_run_at_the_rate_of_tensor_cores():
    half = measured(GEMM, dtype="fp16")
    units = {
        name: PREDICT(half.model_copy(update={"engine": name})) for name in ("vector", "matrix")
    }
    device = catalog.load("v100-pcie-16gb").device
    flops = 2 * 4096**3
    assert units["matrix"].roofline == pytest.approx(flops / device.matrix.fp16)
    assert units["vector"].roofline == pytest.approx(flops / device.vector.fp16)


def test_block_formats_run_at_the_rate_of_their_elements():
    block, plain = (PREDICT(measured(GEMM, "gb200", dtype)) for dtype in ("mxfp8", "fp8"))
    assert block == plain


def test_a_pointwise_kernel_is_its_traffic():
    bandwidth = catalog.load("v100-pcie-16gb").device.memory.bandwidth
    assert PREDICT(measured(POINTWISE)).roofline == pytest.approx((3 << 28) / bandwidth)


def test_the_passes_of_a_convolution_have_equal_products():
    ways = ("forward", "backward_data", "backward_weights")
    kernels = [
        kernel
        for way in ways
        for kernel in kernels_of(CONV.model_copy(update={"way": way}), "fp32")
    ]
    assert [kernel.flops for kernel in kernels] == [2 * 8 * 64 * 16 * 32 * 32 * 9] * 3


def test_a_recurrent_layer_is_a_chain_without_the_inputs_product():
    def flops(way, cell="rnn"):
        shape = RNN.model_copy(update={"way": way, "cell": cell})
        return sum(k.total_flops for k in kernels_of(shape, "fp32") if k.engine == "matrix")

    one = 2 * 16 * 256 * 256 * 50
    assert flops("forward") == flops("backward_data") == flops("backward_weights") == one
    assert flops("backward") == 2 * one
    assert flops("forward", "gru") == 3 * one
    assert flops("forward", "lstm") == 4 * one


@given(st.integers(1, 40), st.integers(1, 512), st.integers(1, 128))
@settings(deadline=None, max_examples=20)
def test_the_weights_gradient_is_one_product_however_many_steps(steps, hidden, batch):
    shape = Recurrent(
        cell="lstm", way="backward_weights", hidden=hidden, batch=batch, timesteps=steps
    )
    (kernel,) = kernels_of(shape, "fp32")
    assert kernel.repeat == 1


@given(st.integers(1, 4096), st.integers(1, 4096), st.integers(1, 4096))
@settings(deadline=None, max_examples=30)
def test_the_bare_roofline_is_never_slower(m, n, k):
    found = PREDICT(measured(Gemm(m=m, n=n, k=k), timing="call"))
    assert 0 < found.roofline <= found.seconds


def test_a_collective_goes_over_the_named_links():
    system = catalog.load("dgx-a100-80gb")
    assert PREDICT(joined(SUM)).seconds == pytest.approx(all_reduce(1 << 30, 4, system, SHARES))
    across = joined(SUM, devices=16, inter_link="8xib-hdr")
    assert PREDICT(across).seconds == pytest.approx(all_reduce(1 << 30, 16, system, SHARES))
    for name in ("all_gather", "reduce_scatter"):
        gather = SUM.model_copy(update={"collective": name})
        assert PREDICT(joined(gather)).seconds == pytest.approx(
            all_gather(1 << 30, 4, system, SHARES)
        )


def test_the_bare_ring_has_the_links_rate_and_no_latency():
    bridge = joined(SUM, 2, "rtx2080ti", devices_per_node=2, intra_link="nvlink2-bridge")
    assert PREDICT(bridge).roofline == pytest.approx(2**30 / 50e9)


def test_a_step_of_one_micro_batch_is_the_simulated_one():
    shape = STEP.model_copy(update={"global_batch": 8})
    model = Transformer(batch=8, **SIZES)
    system = catalog.load("dgx-a100-80gb")
    expected = simulate(system, model, Plan(dp=4), load_for(system.device)).seconds
    assert PREDICT(joined(shape)).seconds == pytest.approx(expected)


def test_micro_batches_repeat_forward_and_backward_alone():
    few, more, most = (
        PREDICT(joined(STEP.model_copy(update={"global_batch": 8 * n}))).seconds for n in (1, 2, 3)
    )
    assert more - few == pytest.approx(most - more)
    assert 0 < more - few < few


def test_full_recomputation_adds_a_forward_pass_of_all_layers_but_the_last():
    predict = Predictor(lambda device: load_for(device).model_copy(update={"software": {}}))
    plain, full = (
        predict(joined(STEP.model_copy(update={"recompute": how}))).seconds
        for how in ("none", "full")
    )
    device = catalog.load("a100-sxm-80gb").device
    reach = rates(device, load_for(device), "fp16")
    *layers, _ = Transformer(**SIZES).graph(2).layers
    kernels = [k for layer in layers for op in layer.repeat * layer.ops for k in op.forward()]
    forward = sum(kernel_cost(kernel, reach, "fp16").seconds for kernel in kernels)
    assert full - plain == pytest.approx(4 * forward)


def test_sharded_optimizer_state_updates_a_share():
    whole, shared = (
        PREDICT(joined(STEP.model_copy(update={"zero_stage": stage}))).seconds for stage in (0, 1)
    )
    assert shared < whole


def test_a_gated_model_has_the_llama_shape():
    gated = STEP.model_copy(update={"gated_mlp": True})
    assert isinstance(PREDICT(joined(gated)), Prediction)
    assert PREDICT(joined(gated)) != PREDICT(joined(STEP))


RUN = TrainingRun(benchmark="bert", model="bert-large")
TARGET = StepsToTarget(workload="bert", target_kind="metric", batch=1, batch_unit="samples")
MODEL = ModelStep(model="resnet50", phase="training", batch_per_device=8, grad_accum=1)
SKIPPED = {
    "an unknown device": (measured(GEMM, device="v101"), "v101"),
    "no device": (measured(GEMM, device=None), "device"),
    "a dash": (measured(GEMM, device="-"), "device"),
    "a dtype without rate": (measured(GEMM, dtype="fp8"), "fp8"),
    "no dtype": (measured(GEMM, dtype=None), "dtype"),
    "whole numbers": (measured(GEMM, dtype="int8"), "int8"),
    "a filter larger than its input": (measured(CONV.model_copy(update={"r": 99})), "99"),
    "experts without a plan": (joined(MOE.model_copy(update={"micro_batch": None})), "micro-batch"),
    "a named model": (measured(MODEL), "seq_or_image"),
    "a run": (measured(RUN, devices=None), "steps: found nothing"),
    "a count of steps": (measured(TARGET, device=None, dtype=None), "law"),
    "heads between devices": (joined(STEP.model_copy(update={"tp": 3, "dp": 2}), 6), "tp"),
    "uneven heads": (joined(STEP.model_copy(update={"heads": 7, "kv_heads": 7})), "heads"),
    "an unknown collective": (joined(SUM.model_copy(update={"collective": "gossip"})), "gossip"),
    "an unknown link": (joined(SUM, intra_link="nvlink9"), "nvlink9"),
    "no link": (joined(SUM, intra_link=None), "not stated"),
    "a network that is not usual": (joined(SUM, 16, "tpu-v4"), "not stated"),
    "a strange network": (joined(SUM, 16, inter_link="8xib-qdr"), "8xib-qdr"),
    "a larger mesh": (joined(SUM, 16, devices_per_node=16, intra_link="nvlink1"), "16 devices"),
    "no number of devices": (joined(SUM, None), "devices"),
    "nothing to sum with": (joined(SUM, 1), "0.0 s"),
}


@pytest.mark.parametrize("name", SKIPPED)
def test_what_cannot_be_costed_is_skipped_with_its_reason(name):
    case, reason = SKIPPED[name]
    found = PREDICT(case)
    assert isinstance(found, Skipped)
    assert reason in found.why


@pytest.mark.parametrize(
    ("degree", "adds"), [("tp", "communication"), ("pp", "bubble"), ("cp", "communication")]
)
def test_a_step_on_more_devices_is_the_simulated_one(degree, adds):
    shape = STEP.model_copy(update={degree: 2})
    plan = Plan(dp=4, micro_batch=2, balance="layers", **{degree: 2})
    system = catalog.load("dgx-a100-80gb")
    model = Transformer(batch=32, **SIZES)
    one, two = (
        simulate(system, model, p, load_for(system.device))
        for p in (plan.model_copy(update={degree: 1}), plan)
    )
    assert PREDICT(joined(shape, 8)).seconds == pytest.approx(two.seconds)
    assert two.parts()[adds] > one.parts()[adds]


def test_sharded_parameters_are_gathered():
    gathered = PREDICT(joined(STEP.model_copy(update={"zero_stage": 3})))
    assert gathered.seconds > PREDICT(joined(STEP.model_copy(update={"zero_stage": 2}))).seconds


def test_a_prediction_tells_what_its_row_leaves_open():
    told = joined(STEP.model_copy(update={"zero_stage": 1, "software": "nemo-2024"}))
    open_ = joined(STEP.model_copy(update={"micro_batch": None, "recompute": "unknown"}))
    assert len(PREDICT(open_).assumed) > len(PREDICT(told).assumed)
    assert any("micro-batch" in sentence for sentence in PREDICT(open_).assumed)
    assert PREDICT(joined(SUM)).assumed == ()


def test_the_bare_roofline_knows_no_framework_code():
    one = Code(issue=1e-3, spread=0.2)
    coded = lambda device: load_for(device).model_copy(update={"software": {"transformer": one}})  # noqa: E731
    bare = Basis(coded, bare=True).calibration(catalog.load("a100-sxm-80gb").device)
    assert (bare.eager, bare.software) == ({}, {})
    slow, fast = Predictor(coded)(joined(STEP)), PREDICT(joined(STEP))
    assert slow.roofline == fast.roofline < fast.seconds < slow.seconds / 2


@pytest.mark.parametrize("shape", [STEP, MOE], ids=["dense", "mixture"])
def test_a_step_is_as_far_off_as_its_software_s_code(shape):
    fitted = {"nemo-2024": Code(issue=1e-3, spread=0.1), "transformer": Code(issue=0, spread=0.3)}

    def coded(device):
        return load_for(device).model_copy(update={"software": fitted})

    case = joined(shape)
    source = case.provenance.model_copy(update={"source": "nemo-24.07"})
    known = case.model_copy(update={"provenance": source})
    mean, own = (Predictor(coded)(one) for one in (case, known))
    assert own.seconds > mean.seconds
    assert own.high / own.seconds == pytest.approx(math.exp(REACH80 * 0.1))
    assert mean.high / mean.seconds == pytest.approx(math.exp(REACH80 * 0.3))
    assert Predictor(coded)(known.blank()) == own
