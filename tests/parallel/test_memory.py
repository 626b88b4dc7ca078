"""Bytes of a step by part, and what would fit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import DoesNotFit
from hwsim.hardware import catalog
from hwsim.parallel.check import divisors
from hwsim.parallel.memory import capacity, does_not_fit, footprint, what_fits
from hwsim.parallel.plan import Plan
from workloads.charlm import CharLM
from workloads.transformer import Transformer

GPT2 = Transformer()


def test_parts_by_hand():
    graph = GPT2.graph(1)
    parts = footprint(graph, Plan())
    assert parts == {
        "parameters": 4.0 * graph.parameters,
        "gradients": 4.0 * graph.parameters,
        "optimizer": 8.0 * graph.parameters,
        "activations": graph.saved_bytes,
        "communication": 0.0,
    }


def test_mixed_precision_is_sixteen_bytes_and_fp32_gradients():
    # Half-width parameters with an fp32 master copy, fp32 gradients and two fp32 moments.
    graph = Transformer(dtype="bf16").graph(1)
    parts = footprint(graph, Plan())
    state = parts["parameters"] + parts["gradients"] + parts["optimizer"]
    assert state == graph.parameters * (2 + 4 + 4 + 8)


@pytest.mark.parametrize(("optimizer", "moments"), [("adam", 2), ("momentum", 1), ("sgd", 0)])
def test_moments_follow_the_optimizer(optimizer, moments):
    graph = CharLM(optimizer=optimizer).graph(1)
    assert footprint(graph, Plan())["optimizer"] == 4.0 * moments * graph.parameters


def test_every_gradient_is_held_in_a_bucket_where_gradients_travel():
    parts = footprint(GPT2.graph(1), Plan(dp=2))
    assert parts["communication"] == parts["gradients"] > 0
    assert footprint(GPT2.graph(1), Plan())["communication"] == 0


@given(st.sampled_from([n for n in divisors(128) if n > 1]))
@settings(deadline=None, max_examples=10)
def test_more_devices_never_need_more_each(dp):
    needed = [sum(footprint(GPT2.graph(128 // n), Plan(dp=n)).values()) for n in (dp, 128)]
    assert needed[1] <= needed[0]


@given(st.sampled_from([16, 64, 256, 1024]), st.sampled_from([1, 8, 128]))
@settings(deadline=None, max_examples=12)
def test_a_larger_model_needs_more(hidden, batch):
    small, large = (CharLM(hidden=h).graph(batch) for h in (hidden, 2 * hidden))
    for part, size in footprint(small, Plan(dp=2)).items():
        assert footprint(large, Plan(dp=2))[part] >= size


def test_what_the_driver_reports_is_the_capacity():
    assert capacity(catalog.load("v100-sxm2-16gb").device) == 16 * 2**30
    told = catalog.override(catalog.load("l4"), {"device.memory.reported": "22 GiB"})
    assert capacity(told.device) == 22 * 2**30


def test_the_fault_names_bytes_by_part():
    device = catalog.load("l4").device
    error = does_not_fit(
        {"parameters": 30e9, "activations": 2e9, "communication": 0.0}, device, "x"
    )
    assert isinstance(error, DoesNotFit)
    for fragment in ("29.8 GiB", "parameters 27.9 GiB", "activations 1.86 GiB", "24 GiB", "l4"):
        assert fragment in str(error)
    assert "communication" not in str(error)


def test_the_least_that_fits_is_advised():
    volta = catalog.load("volta")
    advice = what_fits(GPT2, Plan(), volta)
    dp = int(advice.split()[1])
    room = capacity(volta.device)
    sizes = {n: sum(footprint(GPT2.graph(128 // n), Plan(dp=n)).values()) for n in divisors(128)}
    assert dp == min(n for n, size in sizes.items() if size <= room)


def test_devices_that_are_not_there_are_not_advised_as_if_they_were():
    advice = what_fits(GPT2, Plan(), catalog.load("l4"))
    assert "l4 has 1" in advice


def test_what_never_fits_is_said_so():
    assert "smaller workload" in what_fits(CharLM(hidden=2**17), Plan(), catalog.load("volta"))
