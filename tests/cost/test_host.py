"""Kernels on a CPU: limits, sums, levels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import Eager as Fitted
from hwsim.cost.calibration import Host, load
from hwsim.cost.host import Eager, Hosting, bandwidth, host_parts
from hwsim.cost.rates import rates
from hwsim.cost.roofline import kernel_cost
from hwsim.graph.ops import Kernel
from hwsim.graph.ops.kernel import gemm
from hwsim.hardware import catalog

LEVELS = Hosting(1e11, 8e10, 1e10, 2.0, (1e5, 1e7), (1e11, 1e10))
HOST = Host(
    products=0.9,
    convolutions=0.5,
    streams=0.1,
    packing=2.0,
    levels=((1e5, 4.0), (1e7, 1.0)),
    launch=2e-6,
    spread=0.1,
)


@given(st.floats(1, 1e12), st.floats(1, 1e12))
@settings(deadline=None, max_examples=50)
def test_more_live_bytes_are_never_faster_where_lower_levels_are_slower(one, other):
    few, many = sorted((one, other))
    assert bandwidth(many, LEVELS) <= bandwidth(few, LEVELS) * (1 + 1e-12)


def test_a_recurrence_reads_its_matrices_from_where_all_of_them_fit():
    small = gemm("chain", 8, 256, 64, sequential=True, weights=256 * 64)
    many = gemm("chain", 8, 256, 64, sequential=True, weights=256 * 64, matrices=1000)
    assert host_parts(many, 4, LEVELS).memory > 5 * host_parts(small, 4, LEVELS).memory
    assert host_parts(many, 4, LEVELS).compute == host_parts(small, 4, LEVELS).compute


def test_arrays_are_their_elements():
    sizes = np.array([1e3, 1e6, 1e9])
    stacked = host_parts(Kernel("sum", "vector", sizes, 3 * sizes), 4, LEVELS)
    for at, size in enumerate(sizes):
        one = host_parts(Kernel("sum", "vector", size, 3 * size), 4, LEVELS)
        assert (stacked.compute[at], stacked.memory[at]) == pytest.approx(one)


def cpu(steps=None):
    under = load().model_copy(update={"host": HOST, "eager": steps or {}})
    return rates(catalog.load("cpu-epyc").device, under, "fp32", family="charlm")


def test_a_thread_issues_moves_and_computes_in_turn():
    reached, kernel = cpu(), gemm("product", 64, 64, 64, repeat=7)
    work = host_parts(kernel, 4, reached.host)
    expected = 7 * (2e-6 + work.compute + work.memory)
    assert kernel_cost(kernel, reached, "fp32").seconds == pytest.approx(expected)


def test_what_steps_told_scales_products_and_others_apart():
    told = cpu({"charlm": Fitted(products=2.0, streams=3.0, launch=0.0, spread=0.1)})
    plain = cpu()._replace(launch=0.0)
    assert told.eager == Eager(2.0, 3.0, 0.0)
    for kernel, factor in ((gemm("p", 9, 9, 9), 2.0), (Kernel("s", "vector", 9, 9), 3.0)):
        slow, fast = (kernel_cost(kernel, reached, "fp32").seconds for reached in (told, plain))
        assert slow == pytest.approx(factor * fast)


def test_steps_of_another_family_tell_nothing():
    steps = {"speech": Fitted(products=2.0, streams=3.0, launch=0.0, spread=0.1)}
    assert cpu(steps) == cpu()
