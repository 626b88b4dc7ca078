"""Very many points of a machine's figures: what estimates say of each of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim import Plan
from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.graph import workload as workloads
from hwsim.study import many
from hwsim.study.answers import NO_FORM
from hwsim.study.figures import text_of
from hwsim.study.subject import Subject
from workloads.transformer import Transformer

A100 = hwsim.load_system("dgx-a100-80gb")
SMALL = Transformer(
    layers=12, hidden=1024, heads=16, vocabulary=8000, sequence=512, dtype="bf16", batch=64
)
RATES = {
    "device.matrix.bf16": 312e12,
    "device.memory.bandwidth": 2.0e12,
    "device.multiprocessors": 108.0,
    "device.caches.l2.capacity": 40e6,
    "node.link.bandwidth": 300e9,
    "node.link.latency": 5e-6,
    "network.0.bandwidth": 25e9,
    "device.launch.kernel": 4e-6,
}
SUBJECTS = {
    "pipeline": Subject(A100, SMALL, Plan(pp=4, tp=2, dp=2, micro_batch=2)),
    "layers": Subject(A100, SMALL, Plan(pp=2, dp=2, tp=4, micro_batch=4, balance="layers")),
    "interleaved": Subject(
        A100, SMALL, Plan(pp=4, virtual=3, schedule="interleaved", micro_batch=4, dp=2)
    ),
    "zero-bubble": Subject(A100, SMALL, Plan(pp=4, schedule="zero-bubble", micro_batch=8)),
    "sums inside a node": Subject(A100, SMALL, Plan(pp=4, dp=8, micro_batch=1, schedule="gpipe")),
    "replicas": Subject(A100, SMALL, Plan(dp=16, micro_batch=2, tensor_overlap=True)),
    "sharded": Subject(A100, SMALL, Plan(dp=16, micro_batch=2, zero=1)),
    "sharded stages": Subject(A100, SMALL, Plan(dp=8, pp=2, tp=2, micro_batch=2, zero=1)),
    "sequence": Subject(A100, SMALL, Plan(tp=8, sequence_parallel=True, recompute="selective")),
    "software": Subject(
        A100, SMALL, Plan(tp=4, pp=2, dp=2, micro_batch=4), hwsim.load_software("megatron-2021")
    ),
    "charlm": Subject(hwsim.load_system("volta"), workloads.load("charlm"), Plan(dp=4)),
    "wordlm": Subject(hwsim.load_system("volta"), workloads.load("wordlm")),
    "speech": Subject(hwsim.load_system("hopper"), workloads.load("speech")),
    "images": Subject(hwsim.load_system("volta"), workloads.load("resnet"), Plan(dp=8)),
}


def figures_of(subject, random, points):
    """Some figures of the machine with random values around the present ones."""
    found = {}
    for path in RATES:
        try:
            present = value_at(subject.system, path)
        except (AttributeError, IndexError):
            continue
        if present is None:
            continue
        values = present * np.exp(random.uniform(-0.7, 0.7, points))
        found[path] = np.round(values) if path.endswith("multiprocessors") else values
    return found


def value_at(record, path):
    for part in path.split("."):
        record = record[int(part)] if part.isdecimal() else getattr(record, part)
    return record


def one_by_one(subject, figures, place):
    texts = {path: text_of(path, float(values[place])) for path, values in figures.items()}
    return estimate_of(subject.with_settings(texts))


def estimate_of(subject, engine="closed"):
    return estimate(
        subject.system, subject.workload, subject.plan, software=subject.software, engine=engine
    )


@pytest.mark.parametrize("name", SUBJECTS)
@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=3)
def test_every_point_is_that_of_an_estimate(name, seed):
    subject = SUBJECTS[name].with_settings({})
    figures = figures_of(subject, np.random.default_rng(seed), 80)
    found = many.answers(subject, figures)
    for place in (0, 17, 79):
        assert_alike(found, subject, figures, place)


def assert_alike(found, subject, figures, place):
    """A point has what its own estimate says, or no closed form either."""
    if found.why[place]:
        with pytest.raises(InputError, match="without closed form"):
            one_by_one(subject, figures, place)
        return
    one = one_by_one(subject, figures, place)
    assert found.seconds[place] == pytest.approx(one.step.seconds, rel=1e-9)
    assert found.low[place] == pytest.approx(one.step.low, rel=1e-9)
    assert found.high[place] == pytest.approx(one.step.high, rel=1e-9)
    assert found.bytes[place] == pytest.approx(one.memory.bytes, rel=1e-12)
    assert found.fits[place] == one.memory.fits
    for part, seconds in one.step.parts.items():
        assert found.parts[part][place] == pytest.approx(
            seconds, rel=1e-9, abs=1e-9 * one.step.seconds
        )


@pytest.mark.parametrize("name", ["pipeline", "software", "charlm"])
def test_the_simulation_is_within_a_percent(name):
    subject = SUBJECTS[name].with_settings({})
    figures = figures_of(subject, np.random.default_rng(7), 80)
    found = many.answers(subject, figures)
    for place in np.flatnonzero(found.why == "")[:4]:
        texts = {path: text_of(path, float(values[place])) for path, values in figures.items()}
        simulated = estimate_of(subject.with_settings(texts), "events").step.seconds
        assert found.seconds[place] == pytest.approx(simulated, rel=0.01)


def test_a_grid_has_an_axis_for_each_figure():
    subject = SUBJECTS["pipeline"].with_settings({})
    peaks = np.geomspace(100e12, 1000e12, 9)[:, None, None]
    rates = np.geomspace(1e12, 4e12, 8)[None, :, None]
    links = np.geomspace(10e9, 100e9, 7)
    paths = ("device.matrix.bf16", "device.memory.bandwidth", "network.0.bandwidth")
    grid = many.answers(subject, dict(zip(paths, (peaks, rates, links), strict=True)))
    flat = np.broadcast_arrays(peaks, rates, links)
    each = many.answers(subject, dict(zip(paths, (one.ravel() for one in flat), strict=True)))
    assert grid.seconds.shape == (9, 8, 7)
    np.testing.assert_allclose(grid.seconds.ravel(), each.seconds, rtol=1e-12)
    assert sum(grid.parts.values()).ravel() == pytest.approx(each.seconds, rel=1e-9)


def test_a_faster_figure_never_makes_a_step_slower():
    subject = SUBJECTS["pipeline"].with_settings({})
    for path in ("network.0.bandwidth", "node.link.bandwidth", "device.memory.bandwidth"):
        values = np.geomspace(0.25, 4.0, 200) * value_at(subject.system, path)
        seconds = many.answers(subject, {path: values}).seconds
        seconds = seconds[~np.isnan(seconds)]
        assert np.all(np.diff(seconds) <= 1e-12 * seconds[:-1])


def test_peaks_follow_multiprocessors_and_clock_unless_they_are_set():
    subject = Subject(hwsim.load_system("volta"), workloads.load("charlm"))
    more = np.array([40.0, 80.0, 160.0])
    follow = many.answers(subject, {"device.multiprocessors": more})
    for place, number in enumerate(more):
        one = estimate_of(subject.with_settings({"device.multiprocessors": f"{number:.0f}"}))
        assert follow.seconds[place] == pytest.approx(one.step.seconds, rel=1e-9)
    peak = {"device.vector.fp32": np.full(3, subject.system.device.vector.fp32)}
    kept = many.answers(subject, {"device.multiprocessors": more} | peak)
    assert kept.seconds[0] < follow.seconds[0]


@pytest.mark.parametrize("device", ["volta", "hopper"])
def test_only_peaks_at_the_boost_clock_follow_it(device):
    fp16 = {"workload.dtype": "fp16"}
    subject = Subject(hwsim.load_system(device), workloads.load("speech")).with_settings(fp16)
    clocks = {"device.clock.boost": np.array([1.0e9, 1.5e9, 2.5e9])}
    found = many.answers(subject, clocks)
    for place in range(3):
        assert_alike(found, subject, clocks, place)


def test_all_caches_of_a_host_follow_its_memory():
    subject = Subject(hwsim.load_system("cpu-epyc-2"), workloads.load("charlm")).with_settings({})
    rates = {"device.memory.bandwidth": np.geomspace(5e10, 8e11, 3)}
    found = many.answers(subject, rates)
    for place in range(3):
        assert_alike(found, subject, rates, place)


@pytest.mark.parametrize("path", [path for path in RATES if "matrix" not in path])
@pytest.mark.parametrize("name", ["images", "software", "sums inside a node"])
def test_one_figure_alone(name, path):
    subject = SUBJECTS[name].with_settings({})
    values = figures_of(subject, np.random.default_rng(3), 4)[path]  # as many as stages
    found = many.answers(subject, {path: values})
    for place in range(4):
        assert_alike(found, subject, {path: values}, place)


def test_more_memory_makes_a_step_fit():
    subject = Subject(hwsim.load_system("volta"), workloads.load("charlm"))
    found = many.answers(subject, {"device.memory.capacity": np.array([4e9, 64e9])})
    assert found.fits.tolist() == [False, True]
    assert found.bytes[0] == found.bytes[1]


def test_what_has_no_closed_form_says_why():
    subject = Subject(A100, SMALL, Plan(dp=8, zero=3))
    found = many.answers(subject, {"device.memory.bandwidth": np.array([1e12, 2e12])})
    assert found.why[0].startswith(NO_FORM)
    assert np.isnan(found.seconds).all()


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("device.name", [1.0]),
        ("workload.hidden", [1.0]),
        ("node.devices", [8.0]),
        ("device.memory.bandwidth", [1e12, np.nan]),
        ("device.memory.bandwidth", [1e12, -1.0]),
        ("device.memory.bandwidth", [0.0]),
        ("device.multiprocessors", [1.5]),
    ],
)
def test_no_figure_and_no_value_are_refused(path, values):
    subject = SUBJECTS["charlm"].with_settings({})
    with pytest.raises(InputError, match=path.replace(".", r"\.")):
        many.answers(subject, {path: np.array(values)})
