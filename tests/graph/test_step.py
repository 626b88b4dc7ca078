"""Sums over layers, order of kernels, bytes of the update."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.graph.dtypes import BYTES
from hwsim.graph.ops import Linear, Pointwise
from hwsim.graph.step import Layer, StepGraph, update_bytes


def graph(dtype="fp32", optimizer="adam", repeat=3):
    block = Layer("block", (Linear("fc", 4, 8, 8), Pointwise("clip", 32)), repeat=repeat)
    head = Layer("head", (Linear("out", 4, 8, 2, bias=False),))
    return StepGraph((block, head), dtype, optimizer, batch=2, tokens=4)


@given(repeat=st.integers(1, 6))
@settings(deadline=None, max_examples=6)
def test_totals_are_sums_over_all_repeats(repeat):
    step = graph(repeat=repeat)
    assert step.parameters == repeat * 72 + 16
    assert step.forward_flops == repeat * 2 * 4 * 8 * 8 + 2 * 4 * 8 * 2
    assert step.backward_flops == 2 * step.forward_flops
    assert step.matrix_flops == 3 * step.forward_flops
    assert step.saved_elements == repeat * (32 + 32) + 32


def test_kernels_come_in_order_and_back_in_reverse():
    step = graph(repeat=2)
    assert [k.name for k in step.forward()] == [
        "fc.forward",
        "clip.forward",
        "fc.forward",
        "clip.forward",
        "out.forward",
    ]
    names = [k.name for k in step.backward()]
    assert names[:2] == ["out.dgrad", "out.wgrad"]
    assert names[2:] == 2 * ["clip.backward", "fc.dgrad", "fc.wgrad", "fc.bgrad"]


@pytest.mark.parametrize(
    ("optimizer", "dtype", "bytes_"),
    [
        ("adam", "fp32", 28),
        ("adam", "tf32", 28),
        ("momentum", "fp32", 20),
        ("sgd", "fp32", 12),
        ("adam", "bf16", 30),
        ("adam", "fp16", 30),
        ("momentum", "fp16", 22),
        ("sgd", "fp8", 14),
        ("adam", "fp4", 30),
        ("adam", "fp64", 56),
    ],
)
def test_update_moves_these_bytes_per_parameter(optimizer, dtype, bytes_):
    assert update_bytes(optimizer, dtype) == bytes_


def test_update_is_one_launch_over_all_parameters():
    step = graph("bf16")
    (kernel,) = step.update()
    assert kernel.element_bytes is not None
    assert kernel.elements * kernel.element_bytes == 30 * step.parameters
    assert kernel.repeat == 1


@pytest.mark.parametrize("dtype", BYTES)
def test_saved_bytes_follow_the_dtype(dtype):
    assert graph(dtype).saved_bytes == graph(dtype).saved_elements * max(BYTES[dtype], 2.0)
