"""Seconds of the critical path by the figure that limits them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.simulate.step import prepared, simulate
from hwsim.study.sensitivity import quantity
from hwsim.study.sensitivity.limits import limits
from hwsim.study.subject import Subject
from workloads.charlm import CharLM
from workloads.transformer import Transformer

FITTED = load()
HOPPER = catalog.load("dgx-h100")
SMALL = Transformer(layers=4, hidden=256, heads=4, vocabulary=1000, batch=64)
SLOW = catalog.override(HOPPER, {"network.0.bandwidth": "100 MB/s"})
FAR = catalog.override(HOPPER, {"node.link.latency": "1 ms"})


@given(data=st.data())
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_they_sum_to_the_step(steps, data):
    asked = data.draw(steps())
    found = limits(asked.staged)
    assert sum(found.values()) == pytest.approx(simulate(*asked).seconds, rel=1e-3)
    machine = {one.path for one in quantity.machine(Subject(asked.system, asked.workload))}
    assert {name for name in found if "." in name} <= machine


@pytest.mark.parametrize(
    ("system", "plan", "first"),
    [
        (SLOW, Plan(dp=16), "network.0.bandwidth"),
        (SLOW, Plan(pp=4, tp=4, micro_batch=8), "network.0.bandwidth"),
        (FAR, Plan(tp=4), "node.link.latency"),
    ],
)
def test_a_slow_link_comes_first(system, plan, first):
    found = limits(prepared(system, SMALL, plan, FITTED))
    assert next(iter(found)) == first


def test_one_device_waits_for_no_link():
    found = limits(prepared(HOPPER, CharLM(), Plan(), FITTED))
    assert set(found) <= {"peak", "memory bandwidth", "launch", "update"}
