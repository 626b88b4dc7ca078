"""Elasticities against finite differences, and what they sum to."""

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load, load_for
from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.study.sensitivity import quantity
from hwsim.study.sensitivity.effects import Point, effect
from hwsim.study.sensitivity.quantity import at
from hwsim.study.sensitivity.study import study
from hwsim.study.subject import Subject
from workloads.charlm import CharLM
from workloads.transformer import Transformer

VOLTA, HOPPER = catalog.load("volta"), catalog.load("dgx-h100")
CASES = {
    "charlm": Subject(VOLTA, CharLM(hidden=512, depth=4), Plan(dp=8)),
    "pipeline": Subject(
        HOPPER, Transformer(layers=8, batch=32, dtype="bf16"), Plan(pp=4, dp=4, micro_batch=2)
    ),
    "sharded": Subject(
        HOPPER, Transformer(layers=4, batch=32, dtype="bf16"), Plan(dp=16, zero=3, micro_batch=2)
    ),
}
# What nothing was fitted to: every second follows from a figure of the machine.
DATASHEET = load().model_copy(
    update={
        **{kind: {} for kind in ("products", "recurrences", "convolutions", "eager", "software")},
        **{"call": {}, "streams": None, "links": load().links.ideal()},
    }
)


UNITS = {"bandwidth": "B/s", "latency": "s", "kernel": "s", "fp32": "FLOPS", "bf16": "FLOPS"}
PATHS = (
    *("device.vector.fp32", "device.matrix.bf16", "device.memory.bandwidth"),
    *("device.launch.kernel", "node.link.bandwidth", "node.link.latency"),
    *("network.0.bandwidth", "network.0.latency"),
)


def answered(calibration=None):
    def answer(subject):
        own = calibration or load_for(subject.system.device)
        parts = subject.system, subject.workload, subject.plan, own
        return estimate(*parts, steps=1000, overheads=subject.run)

    return answer


def times(system, path, factor):
    """The system with a figure times `factor`."""
    holder = system
    for part in path.split("."):
        holder = holder[int(part)] if part.isdigit() else getattr(holder, part)
    return catalog.override(system, {path: f"{holder * factor!r} {UNITS[path.rpartition('.')[2]]}"})


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("path", PATHS)
def test_effects_are_finite_differences_of_the_estimate(name, path):
    subject = CASES[name]
    if path == "device.matrix.bf16" and subject.system is VOLTA:
        return

    def seconds(factor):
        system = times(subject.system, path, factor)
        return estimate(system, subject.workload, subject.plan, steps=1000).step.seconds

    found = effect(Point(subject, answered()(subject), answered()), at(subject, path))
    now = seconds(1.0)
    slope = math.log(seconds(1.01) / now) / math.log(1.01)
    assert found.step == pytest.approx(slope, rel=0.01, abs=1e-9)
    assert found.total.value == pytest.approx(slope, rel=0.01, abs=1e-9)
    assert found.total.low <= found.total.value <= found.total.high
    assert found.halved.step == pytest.approx(seconds(0.5) / now)
    assert found.doubled.step == pytest.approx(seconds(2.0) / now)


@given(data=st.data())
@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.too_slow])
def test_on_a_datasheet_all_seconds_follow_from_rates_and_times(steps, data):
    system, workload, plan, _ = data.draw(steps(offload="none"))
    subject = Subject(system, workload, plan)
    found = study(subject, answered(DATASHEET), search=False)
    assert found.fixed == pytest.approx(0.0, abs=0.02)


@given(data=st.data(), faster=st.sampled_from([1.01, 2.0, 10.0]))
@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.too_slow])
def test_a_machine_that_is_faster_in_all_ways_is_so_much_faster(steps, data, faster):
    system, workload, plan, _ = data.draw(steps(offload="none"))
    subject = Subject(system, workload, plan)
    answer = answered(DATASHEET)
    numbers = [one for one in quantity.machine(subject) if one.kind != "other"]
    texts = {
        one.path: one.times(faster if one.kind == "rate" else 1.0 / faster).setting
        for one in numbers
        if not one.path.startswith(("device.clock", "device.link"))
    }
    slow, quick = answer(subject).step.seconds, answer(subject.with_settings(texts)).step.seconds
    assert quick * faster == pytest.approx(slow, rel=1e-9)


def test_what_limits_most_comes_first():
    slow = CASES["sharded"].with_settings({"network.0.bandwidth": "100 MB/s"})
    first, second, third, *_ = study(slow, answered(), search=False).effects
    assert {first.path, second.path, third.path} == {
        *("network.0.bandwidth", "network.0.ports", "network.0.oversubscription")
    }
    assert abs(first.step) == pytest.approx(1.0, abs=0.1)


def test_links_of_a_single_device_are_without_effect():
    found = study(Subject(HOPPER, CharLM(hidden=64, depth=2)), answered(), search=False)
    assert {"node.link.bandwidth", "network.0.latency", "device.matrix.fp8"} <= set(found.without)
    assert "device.link.bandwidth" in found.left_out


def test_a_figure_that_others_follow_says_so():
    found = study(CASES["charlm"], answered(), search=False)
    effects = {one.path: one for one in found.effects}
    clock, peak = effects["device.clock.boost"], effects["device.vector.fp32"]
    assert "device.vector.fp32" in clock.moves
    assert clock.local == pytest.approx(peak.local, rel=0.05)


def test_what_a_run_spends_besides_its_steps_is_in_the_total():
    subject = CASES["charlm"].with_settings({"run.startup": "1 h"})
    found = study(subject, answered(), search=False).effects[0]
    assert abs(found.total.value) < 0.1 * abs(found.step)


def test_other_numbers_are_found_by_their_path():
    found = study(CASES["charlm"], answered(), of=["workload.depth", "plan.dp"], search=False)
    effects = {one.path: one for one in found.effects}
    assert effects["workload.depth"].step > 0.5
    assert effects["plan.dp"].step < 0.0
    with pytest.raises(InputError, match=r"plan\.no"):
        study(CASES["charlm"], answered(), of=["plan.no"])


def test_a_refused_half_is_told():
    one = effect(
        Point(CASES["charlm"], answered()(CASES["charlm"]), answered()),
        at(CASES["charlm"], "network.0.oversubscription"),
    )
    assert one.halved is None
    assert "oversubscription" in one.why


def test_half_the_memory_may_not_fit():
    used = answered()(CASES["charlm"]).memory.bytes
    capacity = f"{1.5 * used:.0f} B"
    tight = CASES["charlm"].with_settings({"device.memory.capacity": capacity})
    made = effect(Point(tight, answered()(tight), answered()), at(tight, "device.memory.capacity"))
    assert made.step == 0.0
    assert not made.halved.fits
    assert made.matters


def test_where_a_figure_stops_to_pay_is_within_5_percent_of_all_there_is_to_gain():
    subject = CASES["sharded"]
    found = study(subject, answered())
    effects = {one.path: one for one in found.effects}
    for path in ("device.memory.bandwidth", "node.link.latency"):
        enough, rate = effects[path].enough, path.endswith("bandwidth")
        speeds = (enough.factor if rate else 1 / enough.factor, 2.0**20)
        at_it, best = (
            answered()(
                replace(subject, system=times(subject.system, path, speed if rate else 1 / speed))
            ).step.seconds
            for speed in speeds
        )
        assert at_it == pytest.approx(1.05 * best, rel=0.01)
        assert enough.least == pytest.approx(best / found.base.step.seconds)
