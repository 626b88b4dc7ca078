"""Advice: the choice by hand and in its limits, and what it names for real steps."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from calibration.advice.advise import MOST, Error, advise, choose, width
from calibration.calibrate_cli import app
from calibration.measurement import read
from calibration.predict import Prediction, Predictor
from calibration.shapes import Collective, Gemm, Recurrent
from hwsim.cost.calibration import load_for
from hwsim.errors import InputError
from hwsim.graph import workload as workloads
from hwsim.hardware import catalog
from hwsim.simulate.step import simulate
from hwsim.study.subject import Subject

KERNELS = st.lists(
    st.builds(
        Error,
        kind=st.sampled_from(["products", "streams"]),
        weight=st.floats(0.0, 1.0),
        common=st.floats(0.0, 1.0),
        own=st.floats(0.01, 1.0),
        exact=st.booleans(),
    ),
    min_size=1,
    max_size=14,
)


def subject(model="charlm", hw="volta", **changes):
    base = Subject(catalog.load(hw), workloads.load(model))
    return base.with_settings({path.replace("_", "."): text for path, text in changes.items()})


def test_the_first_choice_by_hand():
    first, second = choose([Error("a", 0.75, 0.3, 0.4), Error("b", 0.25, 0.3, 0.4)])
    assert (first.number, second.number) == (0, 1)
    # Kinds err apart: 0.75^2 x 0.25 + 0.25^2 x 0.25, and the first part goes but for the noise.
    assert first.before == pytest.approx(0.15625)
    assert first.after == pytest.approx(0.015625 + 0.5625 * 0.25 * 9e-4 / 0.2509)


def test_a_kernel_without_time_is_never_advised():
    kernels = [Error("a", 0.0, 0.5, 0.5), Error("a", 0.1, 0.5, 0.1)]
    assert [choice.number for choice in choose(kernels)] == [1]
    assert choose([Error("a", 0.0, 0.5, 0.5)]) == []


def test_a_second_measurement_of_a_kind_helps_less():
    first, second = choose([Error("a", 0.5, 0.4, 0.2)] * 2)
    assert second.before - second.after < 0.3 * (first.before - first.after)


def test_what_is_only_like_the_kernel_leaves_its_own_error():
    (like,) = choose([Error("a", 1.0, 0.3, 0.4, exact=False)])
    (itself,) = choose([Error("a", 1.0, 0.3, 0.4)])
    assert like.after > 0.4**2
    assert itself.after < 0.001
    assert choose([Error("a", 1.0, 0.0, 0.4, exact=False)]) == []


@given(KERNELS)
@settings(deadline=None, max_examples=50)
def test_the_interval_never_widens_and_nothing_is_named_twice(kernels):
    chosen = choose(kernels)
    assert len(chosen) <= MOST
    numbers = [choice.number for choice in chosen]
    assert len(set(numbers)) == len(numbers)
    assert all(kernels[number].weight > 0 for number in numbers)
    ends = [variance for one in chosen for variance in (one.before, one.after)]
    assert all(0.0 <= later <= earlier for earlier, later in pairwise(ends))


def test_the_width_of_no_variance_is_none():
    assert width(0.0) == 0.0
    assert width(1e-6) == pytest.approx(2 * 1.2815515655446004e-3, rel=1e-5)


def test_a_borrowed_device_is_told_to_measure_what_takes_longest_first():
    found = advise(subject())
    assert 0 < len(found) <= MOST
    first = found[0]
    assert isinstance(first.measurement.shape, Recurrent)
    assert first.share == max(one.share for one in found[:2])
    assert first.measurement.seconds is None
    assert first.measurement.device == "v100-sxm2-16gb"
    assert all(one.after <= one.before for one in found)


def test_a_device_with_a_calibration_of_its_own_has_less_to_gain():
    own, borrowed = (advise(subject(hw=name))[0] for name in ("v100-pcie-16gb", "v100-sxm2-16gb"))
    assert own.before < borrowed.before
    assert own.before - own.after < borrowed.before - borrowed.after


def test_the_cases_can_be_predicted_and_stand_for_their_share_of_the_step():
    small = subject("wordlm", "a100-sxm-80gb")
    found = advise(small)
    calibration = load_for(small.system.device)
    step = simulate(small.system, small.workload, small.plan, calibration).seconds
    products = [one for one in found if isinstance(one.measurement.shape, Gemm)]
    for one in products:
        answer = Predictor()(one.measurement)
        assert isinstance(answer, Prediction)
        times = one.share * step / answer.seconds
        assert times == pytest.approx(round(times), rel=0.01)


def test_gradient_sums_are_advised_where_the_step_waits_for_them():
    found = advise(subject(plan_dp="8", plan_overlap="false"))
    (summed,) = [one for one in found if isinstance(one.measurement.shape, Collective)]
    assert summed.measurement.devices == 8
    assert not math.isnan(summed.after)


def test_a_cpu_times_calls_and_a_gpu_kernels():
    timings = {
        name: {one.measurement.timing for one in advise(subject("charlm-small", name))}
        for name in ("cpu-epyc", "p4")
    }
    assert timings["cpu-epyc"] == {"call"}
    assert "kernel" in timings["p4"]


def ran(*words):
    return CliRunner().invoke(app, ["fit", *map(str, words)])


def test_the_command_prints_a_table_and_writes_cases_that_are_read_back(tmp_path):
    out = tmp_path / "cases.jsonl"
    done = ran("--advise", "--hw", "volta", "--model", "charlm", "--out", out)
    assert done.exit_code == 0, done.output
    assert "recurrent forward" in done.stdout
    cases = read(str(out))
    assert len(cases) == sum(
        " %" in line and line[0].isdigit() for line in done.stdout.splitlines()
    )
    assert all(case.seconds is None for case in cases)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("--advise", "--model", "charlm"), "--hw"),
        (("--advise", "--hw", "volta"), "--model"),
        (("x.csv", "--advise", "--hw", "volta", "--model", "charlm"), "FILE x.csv"),
        (("x.csv", "--hw", "volta"), "--hw"),
        ((), "FILE"),
        (("--advise", "--hw", "volta", "--model", "charlm", "--set", "plan.dp=7"), "plan.dp"),
    ],
)
def test_faults_of_the_options_are_said(words, where):
    done = ran(*words)
    assert isinstance(done.exception, InputError)
    assert where in done.exception.where


def test_advice_wants_whole_kernels():
    with pytest.raises(InputError, match=r"plan\.dp alone"):
        advise(subject("wordlm", "volta").with_settings({"plan.tp": "2"}))


def test_advice_wants_kernels_that_are_timed():
    with pytest.raises(InputError, match="advise on bf16"):
        advise(subject("transformer", "h100-sxm-80gb").with_settings({"workload.dtype": "fp8"}))
