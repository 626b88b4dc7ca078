"""The roofline with a launch term: limits, monotonicity, arrays."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.host import Eager
from hwsim.cost.rates import Rates
from hwsim.cost.roofline import BOUNDS, kernel_cost, roofline
from hwsim.graph.ops import Kernel, Linear
from hwsim.graph.ops.kernel import gemm

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
