"""Paths and what texts of them stand for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.hardware import catalog
from hwsim.study.subject import Subject
from hwsim.study.sweep.paths import kind, numbers
from workloads.charlm import CharLMSmall

SMALL = Subject(catalog.load("volta"), CharLMSmall())


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("device.memory.bandwidth", "figure"),
        ("device.multiprocessors", "figure"),
        ("device.matrix.fp16", "figure"),
        ("network.0.latency", "figure"),
        ("node.devices", "other"),
        ("nodes", "other"),
        ("device", "other"),
        ("plan.dp", "plan"),
        ("workload.hidden", "other"),
        ("run.startup", "other"),
        ("steps", "other"),
    ],
)
def test_kinds(path, wanted):
    assert kind(path, SMALL) == wanted


@pytest.mark.parametrize(
    ("path", "texts", "values"),
    [
        ("device.memory.bandwidth", ["1 TB/s", "2 TB/s"], [1e12, 2e12]),
        ("device.memory.bandwidth", ["1TB/s", "900 GB/s"], [1e12, 9e11]),
        ("device.memory.bandwidth", ["0.5x", "2x"], [4.5e11, 1.8e12]),
        ("node.link.latency", ["1 us", "0 s"], [1e-6, 0.0]),
        ("node.link.bandwidth", ["100 Gb/s", "200 Gb/s"], [1.25e10, 2.5e10]),
        ("device.multiprocessors", ["40", "80"], [40.0, 80.0]),
    ],
)
def test_figures_of_texts(path, texts, values):
    assert numbers(path, texts, SMALL).tolist() == pytest.approx(values, rel=1e-15)


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=5), st.sampled_from(["GB/s", "MiB/s"]))
@settings(deadline=None, max_examples=20)
def test_a_figure_is_what_setting_it_makes(values, unit):
    texts = [f"{value:.6g} {unit}" for value in values]
    found = numbers("device.memory.bandwidth", texts, SMALL)
    for text, value in zip(texts, found.tolist(), strict=True):
        changed = SMALL.with_settings({"device.memory.bandwidth": text})
        assert value == pytest.approx(changed.system.device.memory.bandwidth, rel=1e-12)
