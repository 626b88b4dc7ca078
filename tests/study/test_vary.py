"""One field over a range: its values, and an answer at each."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.counting import load
from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.study import vary
from hwsim.study.subject import Subject
from hwsim.study.total import optimum
from workloads.charlm import CharLM
from workloads.transformer import Transformer

VOLTA = Subject(catalog.load("volta"), CharLM(hidden=64))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("workload.hidden=32:4096:8", ("32", "64", "128", "256", "512", "1024", "2048", "4096")),
        ("workload.hidden=1:4:9", ("1", "2", "3", "4")),
        ("workload.hidden=10:1000:3", ("10", "100", "1000")),
        ("workload.hidden=32,64, 128", ("32", "64", "128")),
        ("workload.learning_rate=1e-4:1e-2:3", ("0.0001", "0.001", "0.01")),
        ("device.memory.bandwidth=100:900GB/s:2", ("100 GB/s", "900 GB/s")),
        ("device.memory.bandwidth=100GB/s:900:2", ("100 GB/s", "900 GB/s")),
        ("device.memory.bandwidth=100 GB/s:900 GB/s:2", ("100 GB/s", "900 GB/s")),
        ("plan.bucket=1:4MiB:3", ("1 MiB", "2 MiB", "4 MiB")),
        ("workload.dtype=fp32,fp16", ("fp32", "fp16")),
        ("nodes=1:10:4", ("1", "2", "5", "10")),
        ("run.checkpoint_every=10:1000:3", ("10", "100", "1000")),
        ("run.mtbf=1:100h:3", ("1 h", "10 h", "100 h")),
        ("site.electricity=0.01:1USD/kWh:3", ("0.01 USD/kWh", "0.1 USD/kWh", "1 USD/kWh")),
        ("node.price=1:4 USD:3", ("1 USD", "2 USD", "4 USD")),
        ("network.0.ports=1:9:3", ("1", "3", "9")),
        ("device.memory.technology=HBM2,HBM3", ("HBM2", "HBM3")),
        ("device.memory.bandwidth=0.5x:2x:3", ("0.5 x", "1 x", "2 x")),
        ("workload.hidden=0.5x:2x:3", ("0.5 x", "1 x", "2 x")),
    ],
)
def test_values(text, values):
    variation = vary.parse(text, VOLTA)
    assert variation.path == text.partition("=")[0]
    assert variation.values == values


@given(st.integers(1, 1000), st.integers(1001, 10**6), st.integers(2, 50))
@settings(deadline=None, max_examples=50)
def test_whole_values_rise_from_end_to_end(low, high, count):
    values = [int(v) for v in vary.parse(f"workload.hidden={low}:{high}:{count}", VOLTA).values]
    assert (values[0], values[-1]) == (low, high)
    assert len(values) <= count
    assert values == sorted(set(values))


@given(st.floats(1e-3, 1.0), st.floats(1.1, 1e3), st.integers(3, 30))
@settings(deadline=None, max_examples=30)
def test_values_are_evenly_spaced_in_their_logarithm(low, high, count):
    text = f"workload.learning_rate={low!r}:{high!r}:{count}"
    values = [float(v) for v in vary.parse(text, VOLTA).values]
    ratio = (high / low) ** (1 / (count - 1))
    for before, after in pairwise(values):
        assert after / before == pytest.approx(ratio, rel=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        "workload.hidden",
        "workload.hidden=",
        "=1:2:3",
        "workload.hidden=1:2",
        "workload.hidden=1:2:3:4",
        "workload.hidden=a:b:3",
        "workload.hidden=1:2:x",
        "workload.hidden=1:2:2.5",
        "workload.hidden=1:2:1",
        "workload.hidden=1:2:-5",
        "workload.hidden=8:4:3",
        "workload.hidden=4:4:3",
        "workload.hidden=0:4:3",
        "workload.hidden=-4:4:3",
        "workload.hidden=1:1e999:3",
        "workload.hidden=nan:4:3",
        "workload.hidden=1:4:10001",
        "workload.hidden=1e:4:3",
        "device.memory.bandwidth=1 GB/s:1 TB/s:3",
        "device.memory.technology=1:2:3",
        "device.compute_capability=7.0:9.0:3",
        "node.topology=1:2:3",
        "network.0.kind=1:2:3",
        "workload.corpus=1:2:3",
        "workload.dtype=16:32:2",
        "plan.overlap=1:2:2",
    ],
)
def test_another_form_is_refused(text):
    with pytest.raises(InputError) as error:
        vary.parse(text, VOLTA)
    assert error.value.where.startswith("--vary")
    assert error.value.instead


@pytest.mark.parametrize(
    ("values", "numbers"),
    [("1,2,2,8", (1, 2, 8)), (" 1, 2 ", (1, 2)), ("32:512:5", (32, 64, 128, 256, 512))],
)
def test_whole_numbers(values, numbers):
    assert vary.whole_numbers("hidden", values) == numbers


@pytest.mark.parametrize("values", ["", "a", "0,1", "-1", "1.5", "1:2", ","])
def test_whole_numbers_refuse_others(values):
    with pytest.raises(InputError, match="hidden"):
        vary.whole_numbers("hidden", values)


def test_every_value_is_answered_in_order():
    variation = vary.parse("workload.hidden=32:128:3", VOLTA)
    answers = vary.run(VOLTA, variation, lambda s: estimate(s.system, s.workload, s.plan, steps=1))
    assert [answer.workload.sizes["hidden"] for answer in answers] == [32, 64, 128]


def test_a_point_that_does_not_fit_is_kept():
    variation = vary.parse("workload.hidden=64,65536", VOLTA)
    answers = vary.run(VOLTA, variation, lambda s: estimate(s.system, s.workload, s.plan, steps=1))
    assert [answer.memory.fits for answer in answers] == [True, False]
    assert answers[1].step.seconds > answers[0].step.seconds
    assert optimum(answers).best == 0


def test_a_point_that_can_not_be_answered_is_named():
    law = load("chinchilla", 2.3)
    subject = Subject(VOLTA.system, Transformer(layers=2))
    variation = vary.parse("workload.hidden=768,1536", subject)
    with pytest.raises(InputError, match=r"--vary workload\.hidden=768: --target-loss"):
        vary.run(subject, variation, lambda s: estimate(s.system, s.workload, s.plan, steps=law))
    with pytest.raises(InputError, match=r"^workload\.heads"):
        vary.run(subject, vary.parse("workload.heads=7,12", subject), lambda _: None)


@pytest.mark.parametrize(
    "values",
    [
        ",".join("1" * 10_001),
        "1e-300:1e300:9",
        "1:" + "9" * 5000 + ":3",
        "1:2 " + " " * 50_000 + "x:3",
        "1:2:" + "9" * 5000,
    ],
    ids=["values", "wide", "digits", "spaces", "count"],
)
@pytest.mark.parametrize("path", ["workload.hidden", "workload.learning_rate"])
def test_what_is_beyond_all_limits_is_refused(path, values):
    with pytest.raises(InputError, match=path):
        vary.parse(f"{path}={values}", VOLTA)
