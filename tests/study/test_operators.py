"""Operators of a step: their arithmetic and time are those of the graph and of the estimate."""

import pytest

from hwsim.cost.calibration import load_for
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.simulate.step import prepared
from hwsim.study.operators import operators, roofs
from workloads.charlm import CharLM
from workloads.transformer import Transformer

HOPPER = catalog.load("dgx-h100")


def step(workload, plan=None):
    return prepared(HOPPER, workload, plan or Plan(), load_for(HOPPER.device))


@pytest.mark.parametrize("workload", [CharLM(hidden=256), Transformer(layers=2, dtype="bf16")])
def test_they_sum_to_the_step_without_its_update(workload):
    staged = step(workload)
    seconds = sum(chunk.seconds for chunk in staged.chunks[0])
    assert sum(one.seconds for one in operators(staged)) == pytest.approx(seconds)


def test_tensor_neighbors_share_the_arithmetic():
    whole, half = (operators(step(Transformer(layers=2), Plan(tp=tp))) for tp in (1, 2))
    products = [one.name for one in whole if one.intensity > 100]
    shared = {one.name: one.flops for one in half}
    assert products
    for one in whole:
        if one.name in products:
            assert shared[one.name] == pytest.approx(one.flops / 2, rel=0.01)  # words are padded


def test_none_is_above_its_roof():
    staged = step(Transformer(layers=2, dtype="bf16", batch=8))
    peaks, bandwidth = roofs(staged)
    assert list(peaks) == ["products in bf16", "other"]
    for one in operators(staged):
        assert one.rate <= 1.1 * max(peaks.values())
        assert one.bytes / one.seconds <= 1.3 * bandwidth


def test_fp32_has_one_roof():
    assert list(roofs(step(CharLM(hidden=64)))[0]) == ["products in fp32"]
