"""Products in fp8 and fp4 with the casts in front of them: limits, elements, formats."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load
from hwsim.cost.host import Eager
from hwsim.cost.quantized import (
    AHEAD,
    CURRENT,
    Quantization,
    StepRates,
    casts,
    product,
    step_rates,
)
from hwsim.cost.rates import Rates, offered, rates
from hwsim.cost.roofline import kernel_cost
from hwsim.errors import InputError
from hwsim.graph.dtypes import BYTES
from hwsim.graph.ops import Attention, Experts, Kernel, Linear
from hwsim.graph.ops.kernel import gemm, matrix_flops
from hwsim.hardware import catalog

LOW = ["fp8", "fp4"]
B200 = catalog.load("b200-sxm").device
FREE = Rates(1e12, 1e12, math.inf, math.inf, 0.0, launch=0.0, chain=0.0, dispatch=0.0)
LINEAR = Linear("fc", rows=64, inputs=32, outputs=16)
EXPERTS = Experts("experts", tokens=8, hidden=16, ffn=32, experts=4, topk=2, shared=16)


def kernels(op):
    return [*op.forward(), *op.backward()]


def launches(kernel, reached):
    return list(reached.launches(kernel))


@pytest.mark.parametrize("dtype", [dtype for dtype in BYTES if dtype not in LOW])
def test_from_16_bits_up_kernels_run_as_they_are(dtype):
    device = catalog.load("a100-sxm-80gb").device
    reached = step_rates(device, load(), dtype)
    assert reached.low is None
    for kernel in kernels(LINEAR):
        assert launches(kernel, reached) == [(kernel, rates(device, load(), dtype), dtype)]


@pytest.mark.parametrize("dtype", LOW)
def test_a_linear_layer_casts_each_operand_once(dtype):
    reached = step_rates(B200, load(), dtype, recipe=AHEAD)
    cast = {}
    for kernel in kernels(LINEAR):
        *ahead, last = launches(kernel, reached)
        cast[kernel.name] = [one.kernel.name for one in ahead]
        assert all((one.dtype, one.kernel.engine) == ("bf16", "vector") for one in ahead)
        assert last.dtype == (dtype if kernel.engine == "matrix" else "bf16")
    assert cast == {
        "fc.forward": 2 * ["fc.forward.cast"],
        "fc.dgrad": ["fc.dgrad.cast"],
        "fc.wgrad": [],
        "fc.bgrad": [],
    }


def test_without_an_input_s_gradient_that_of_the_output_is_cast_for_the_weight_s():
    (weights,) = Linear("fc", 4, 3, 2, bias=False, input_gradient=False).backward()
    assert weights.casts == (8,)


def test_experts_cast_all_but_the_router_s_operands():
    low = {kernel.name: kernel.casts for kernel in kernels(EXPERTS) if kernel.engine == "matrix"}
    rows, local, hidden, ffn = EXPERTS.routed, EXPERTS.local, 16, 32
    assert {name for name, found in low.items() if found is None} == {
        f"experts.router.{way}" for way in ("forward", "dgrad", "wgrad")
    }
    assert low["experts.up.forward"] == (rows * hidden, local * hidden * ffn)
    assert low["experts.down.forward"] == (rows * ffn, local * hidden * ffn)
    assert low["experts.up.dgrad"] == (rows * ffn,)
    assert low["experts.down.dgrad"] == (rows * hidden,)
    assert low["experts.up.wgrad"] == low["experts.down.wgrad"] == ()
    assert len(low["experts.shared.up.forward"]) == 2


def test_attention_and_an_output_layer_stay_in_16_bits():
    core = Attention("core", 1, 2, 2, sequence=8, head_dim=4, fused=False)
    head = Linear("head", 4, 8, 16, quantized=False)
    assert all(kernel.casts is None for op in (core, head) for kernel in kernels(op))


@given(
    size=st.integers(1, 10**9),
    amax=st.floats(0, 2),
    read=st.floats(0, 1),
    copies=st.floats(0, 2),
    dtype=st.sampled_from(LOW),
)
@settings(deadline=None, max_examples=30)
def test_casts_move_what_the_recipe_says(size, amax, read, copies, dtype):
    kernel = Kernel("fc.dgrad", "matrix", 0.0, 0.0, casts=(size,))
    found = list(casts(kernel, dtype, Quantization(amax, read, copies)))
    moved = sum(2 * one.elements for one in found)
    assert moved == pytest.approx(size * (2 * amax + 2 * read + copies * BYTES[dtype]))
    assert len(found) == (2 if amax else 1)
    assert matrix_flops(found) == 0


@pytest.mark.parametrize(("dtype", "bytes_"), [("fp8", 3000 + 4000), ("fp4", 1500 + 4000)])
def test_a_product_reads_low_operands_and_writes_16_bits(dtype, bytes_):
    made = product(gemm("one", 20, 100, 25), dtype)  # 500 + 2500 elements in, 2000 out
    assert made.elements * BYTES[dtype] == pytest.approx(bytes_)
    assert made.flops == 2 * 20 * 100 * 25


@given(ratio=st.floats(1.0, 8.0), flops=st.floats(1e6, 1e15), dtype=st.sampled_from(LOW))
@settings(deadline=None, max_examples=20)
def test_with_memory_for_nothing_a_product_takes_what_its_rate_says(ratio, flops, dtype):
    quick = FREE._replace(matrix=ratio * FREE.matrix, vector=math.inf)
    reached = StepRates(dtype, FREE._replace(vector=math.inf), quick)
    kernel = Kernel("fc.forward", "matrix", flops, 1e6, casts=(1e6, 1e6))
    seconds = sum(kernel_cost(*one).seconds for one in launches(kernel, reached))
    assert seconds == pytest.approx(kernel_cost(kernel, FREE, "bf16").seconds / ratio)


def test_casts_are_launches_that_framework_code_does_not_fuse():
    code = FREE._replace(launch=1e-6, eager=Eager(products=2.0, streams=0.1, launch=None))
    reached = StepRates("fp8", code, code, CURRENT)
    ahead = launches(LINEAR.forward()[0], reached)[:-1]
    assert len(ahead) == 4
    for one in ahead:
        alone = 1e-6 + one.kernel.flops / FREE.vector
        assert kernel_cost(*one).seconds == pytest.approx(alone)


@pytest.mark.parametrize("dtype", LOW)
def test_a_rate_in_16_bits_is_asked_for(dtype):
    bare = {"bf16": None, "fp8": 1e15, "fp4": 2e15}
    matrix = B200.matrix.model_copy(update=bare)
    device = B200.model_copy(update={"matrix": matrix})
    assert dtype in offered(device)
    with pytest.raises(InputError) as error:
        step_rates(device, load(), dtype)
    assert B200.name in error.value.where
    assert dtype in error.value.what
    assert "bf16" in error.value.what
    assert "matrix.bf16" in error.value.instead
    assert "fp8" not in error.value.instead
