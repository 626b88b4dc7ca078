"""The roofline with a launch term: limits, monotonicity, arrays."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load_for
from hwsim.cost.host import Eager
from hwsim.cost.rates import Rates, rates
from hwsim.cost.roofline import BOUNDS, is_unaligned, kernel_cost, roofline
from hwsim.graph.ops import Attention, Kernel, Linear
from hwsim.graph.ops.kernel import gemm
from hwsim.hardware import catalog

seconds = st.floats(0.0, 1.0)
rate = st.floats(1e6, 1e18)
kernels = st.builds(
    Kernel,
    st.just("kernel"),
    st.sampled_from(["matrix", "vector"]),
    flops=st.floats(0.0, 1e15),
    elements=st.floats(1e3, 1e12),
    repeat=st.integers(1, 1000),
    sequential=st.booleans(),
    weights=st.floats(0.0, 1e3),
    matrices=st.integers(1, 10),
)
all_rates = st.builds(
    Rates,
    matrix=rate,
    vector=rate,
    memory=rate,
    cache=rate,
    resident=st.floats(0.0, 1e8),
    launch=st.floats(0.0, 1e-3),
    chain=st.floats(0.0, 1e-3),
    dispatch=st.floats(0.0, 1e-3),
    host=st.none(),
    eager=st.just(Eager()),
)
FREE = Rates(math.inf, math.inf, math.inf, math.inf, 0.0, launch=4e-6, chain=30e-6, dispatch=1e-6)


@pytest.mark.parametrize(
    ("parts", "time", "bound"),
    [
        ((5e-6, 1e-6, 0.0, 0.0), 5e-6, "compute"),
        ((1e-6, 5e-6, 0.0, 0.0), 5e-6, "memory"),
        ((0.0, 0.0, 2e-6, 0.0), 2e-6, "launch"),
        ((0.0, 0.0, 2e-6, 8e-6), 8e-6, "launch"),
        ((20e-6, 1e-6, 2e-6, 8e-6), 22e-6, "compute"),
        ((0.0, 0.0, 0.0, 0.0), 0.0, "launch"),
    ],
)
def test_the_slowest_part_decides(parts, time, bound):
    cost = roofline(*parts)
    assert cost.seconds == pytest.approx(time)
    assert BOUNDS[cost.bound] == bound


@given(seconds, seconds, seconds, seconds, st.integers(1, 1000))
@settings(deadline=None, max_examples=100)
def test_repeats_multiply(compute, memory, launch, dispatch, repeat):
    one, many = (roofline(compute, memory, launch, dispatch, n) for n in (1, repeat))
    assert many.seconds == pytest.approx(repeat * one.seconds)
    assert many.bound == one.bound


@given(st.lists(st.tuples(*[seconds] * 4), min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_arrays_are_their_elements(rows):
    times, bounds = roofline(*np.array(rows).T, repeat=3)
    for time, bound, row in zip(times, bounds, rows, strict=True):
        assert (time, bound) == roofline(*row, repeat=3)


def test_arrays_broadcast():
    times, bounds = roofline(np.ones((3, 1)), np.ones(4), 0.0, 0.0)
    assert times.shape == bounds.shape == (3, 4)


def test_infinite_rates_leave_the_launch():
    product = Linear("fc", rows=4, inputs=8, outputs=8).forward()[0]
    assert kernel_cost(product, FREE, "fp32") == (4e-6, BOUNDS.index("launch"))
    hurried = FREE._replace(launch=0.0, dispatch=0.0)
    assert kernel_cost(product, hurried, "fp32").seconds == 0.0


def test_a_product_of_a_recurrence_waits_longer():
    step = gemm("step", 4, 8, 8, repeat=10, sequential=True, weights=64)
    cell = Kernel("cell", "vector", 10, 10, repeat=10, sequential=True)
    assert kernel_cost(step, FREE, "fp32").seconds == pytest.approx(10 * 34e-6)
    assert kernel_cost(cell, FREE, "fp32").seconds == pytest.approx(10 * 4e-6)


def test_a_square_product_by_hand():
    # 2 x 1000^3 FLOP at 1e12 FLOP/s; 3 x 1000^2 elements of 4 bytes at 1e9 B/s; then of 2 bytes.
    one = Rates(1e12, 1e12, 1e9, 1e9, 0.0, launch=0.0, chain=0.0, dispatch=0.0)
    square = gemm("square", 1000, 1000, 1000)
    assert kernel_cost(square, one, "fp32") == (pytest.approx(12e-3), BOUNDS.index("memory"))
    assert kernel_cost(square, one._replace(memory=1e12), "fp32") == (
        pytest.approx(2e-3),
        BOUNDS.index("compute"),
    )
    assert kernel_cost(square, one, "fp16").seconds == pytest.approx(6e-3)


def test_an_element_may_have_its_own_size():
    one = Rates(1e12, 1e12, 1e9, 1e9, 0.0, launch=0.0, chain=0.0, dispatch=0.0)
    update = Kernel("update", "vector", 0.0, 1e6, element_bytes=28.0)
    assert kernel_cost(update, one, "fp16").seconds == pytest.approx(28e-3)


@pytest.mark.parametrize("field", ["matrix", "vector", "memory", "cache", "resident"])
@given(kernel=kernels, before=all_rates, factor=st.floats(1.0, 100.0))
@settings(deadline=None, max_examples=40)
def test_more_is_never_slower(field, kernel, before, factor):
    if field in ("memory", "resident"):  # a last-level cache is at least as fast as memory
        before = before._replace(cache=max(before.cache, before.memory * factor))
    after = before._replace(**{field: getattr(before, field) * factor})
    slow, fast = (kernel_cost(kernel, r, "fp32").seconds for r in (before, after))
    assert fast <= slow * (1 + 1e-12)


@pytest.mark.parametrize("field", ["launch", "chain", "dispatch"])
@given(kernel=kernels, before=all_rates, factor=st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=40)
def test_less_waiting_is_never_slower(field, kernel, before, factor):
    after = before._replace(**{field: getattr(before, field) * factor})
    slow, fast = (kernel_cost(kernel, r, "fp32").seconds for r in (before, after))
    assert fast <= slow * (1 + 1e-12)


@given(kernel=kernels, at=all_rates)
@settings(deadline=None, max_examples=40)
def test_fewer_bytes_are_never_slower(kernel, at):
    times = [
        kernel_cost(kernel, at._replace(resident=0.0), d).seconds for d in ("fp64", "fp32", "bf16")
    ]
    assert times == sorted(times, reverse=True)


AMPERE = catalog.load("dgx-a100-80gb").device


def product(head, batch=64, **how):
    return gemm("scores", 2048, 2048, head, batch=batch, **how)


@pytest.mark.parametrize("head", [64, 80, 128, 120])
def test_rows_on_16_bytes_are_aligned(head):
    assert not is_unaligned(product(head), 2)
    assert not is_unaligned(gemm("values", 2048, head, 2048, batch=64), 2)


@pytest.mark.parametrize("head", [108, 84, 65])
def test_only_batches_of_products_are_unaligned(head):
    kernels = [product(head), gemm("values", 2048, head, 2048, batch=64)]
    assert all(is_unaligned(kernel, 2) for kernel in kernels)
    assert not is_unaligned(product(head, batch=1), 2)
    fused = Attention("core", 2, 8, 8, sequence=64, head_dim=head)
    assert not any(is_unaligned(kernel, 2) for kernel in (*fused.forward(), *fused.backward()))


def test_a_wider_element_needs_fewer_of_them():
    assert is_unaligned(product(84), 2)
    assert not is_unaligned(product(84), 4)


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_an_unaligned_batch_runs_no_faster_than_vector_units(dtype):
    at = rates(AMPERE, load_for(AMPERE), dtype)
    odd, even, single = product(108), product(112), product(108, batch=1)
    floor = odd.flops / at.unaligned
    assert kernel_cost(odd, at, dtype).seconds >= floor > 2 * kernel_cost(even, at, dtype).seconds
    faster = at._replace(unaligned=2 * at.unaligned)
    assert kernel_cost(odd, faster, dtype).seconds < kernel_cost(odd, at, dtype).seconds
    for aligned in (even, single):
        assert kernel_cost(aligned, faster, dtype) == kernel_cost(aligned, at, dtype)


def test_unaligned_products_in_arrays_are_their_elements():
    at = rates(AMPERE, load_for(AMPERE), "fp16")
    many = [product(head, batch=batch) for head in (108, 112) for batch in (1, 64)]
    shape = tuple(np.array([kernel.shape for kernel in many], dtype=float).T)
    flops, elements = (
        np.array([getattr(kernel, name) for kernel in many], dtype=float)
        for name in ("flops", "elements")
    )
    stacked = Kernel("stacked", "matrix", flops, elements, shape=shape)
    each = [kernel_cost(kernel, at, "fp16").seconds for kernel in many]
    assert kernel_cost(stacked, at, "fp16").seconds == pytest.approx(each)


def test_without_tensor_cores_alignment_costs_nothing():
    at = rates(AMPERE, load_for(AMPERE), "fp32")
    assert at.on_vector
    slower = at._replace(unaligned=1.0)
    assert kernel_cost(product(109), slower, "fp32") == kernel_cost(product(109), at, "fp32")


def test_attention_s_kernels_may_have_factors_of_their_own():
    one = Rates(1e12, 1e12, 1e9, 1e9, 0.0, launch=0.0, chain=0.0, dispatch=0.0)
    core = Attention("core", 2, 8, 8, sequence=64, head_dim=64).forward()[0]
    linear = gemm("experts", 64, 64, 64, batch=8, casts=(1.0,))
    stream = Kernel("sum", "vector", 1e6, 1e6)
    many = {"fused": core, "eager": product(64), "linear": linear, "single": product(64, batch=1)}
    many["stream"] = stream

    def ratios(**factors):
        at = one._replace(eager=Eager(**factors))
        return {
            name: kernel_cost(kernel, at, "fp16").seconds / kernel_cost(kernel, one, "fp16").seconds
            for name, kernel in many.items()
        }

    plain = {"products": 2.0, "streams": 3.0}
    products = dict.fromkeys(many, 2.0) | {"stream": 3.0}
    assert ratios(**plain) == pytest.approx(products)
    own = ratios(**plain, attention=5.0, scores=7.0)
    assert own == pytest.approx(products | {"fused": 5.0, "eager": 7.0})
