"""`--set PATH=VALUE` on a loaded system."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.figures import figures

VOLTA = catalog.load("volta")


def source(system, path):
    return next(figure.source for figure in figures(system) if figure.path == path)


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("device.memory.bandwidth", "1.8TB/s", lambda s: s.device.memory.bandwidth == 1.8e12),
        ("device.launch.kernel", "0 s", lambda s: s.device.launch.kernel == 0.0),
        ("device.caches.l2.bandwidth", "3 TB/s", lambda s: s.device.caches.l2.bandwidth == 3e12),
        ("device.clock.sustained", "1.2 GHz", lambda s: s.device.clock.sustained == 1.2e9),
        ("device.price.hour", "2 USD", lambda s: s.device.price.hour == 2.0),
        ("device.sparsity", "2", lambda s: s.device.sparsity == 2.0),
        ("device.year", "2020", lambda s: s.device.year == 2020),
        ("device.compute_capability", "8.0", lambda s: s.device.compute_capability == "8.0"),
        ("node.link.bandwidth", "300 GB/s", lambda s: s.node.link.bandwidth == 300e9),
        ("node.in_switch_reduction", "true", lambda s: s.node.in_switch_reduction),
        ("node.topology", "switch", lambda s: s.node.topology == "switch"),
        ("network.0.latency", "1us", lambda s: s.network[0].latency == 1e-6),
        ("network.0.oversubscription", "2.5", lambda s: s.network[0].oversubscription == 2.5),
        ("nodes", "16", lambda s: s.nodes == 16),
        ("name", "5", lambda s: s.name == "5"),
        ("device", "p100-sxm2-16gb", lambda s: s.device.name == "p100-sxm2-16gb"),
        ("node.host_link", "null", lambda s: s.node.host_link is None),
    ],
)
def test_a_field_is_set(path, text, found):
    changed = catalog.override(VOLTA, {path: text})
    assert found(changed)
    assert not found(VOLTA)


def test_the_user_is_the_source_of_what_was_set():
    changed = catalog.override(
        VOLTA, {"device.memory.bandwidth": "1 TB/s", "network.0.latency": "1 us"}
    )
    assert source(changed, "device.memory.bandwidth") == "set by the user"
    assert source(changed, "network.0.latency") == "set by the user"
    assert source(changed, "device.memory.capacity") == source(VOLTA, "device.memory.capacity")


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("device.memory.bandwidth", "2x", lambda s: s.device.memory.bandwidth == 1.8e12),
        ("device.memory.capacity", "0.5 x", lambda s: s.device.memory.capacity == 8 * 2**30),
        ("node.link.latency", "1e-1x", lambda s: s.node.link.latency == pytest.approx(0.34e-6)),
        ("network.0.ports", "2x", lambda s: s.network[0].ports == 2 * VOLTA.network[0].ports),
        ("network.0.oversubscription", "1.5x", lambda s: s.network[0].oversubscription == 1.5),
        (
            "device.multiprocessors",
            "1.01x",
            lambda s: s.device.matrix.fp16 == pytest.approx(125e12 * 81 / 80),
        ),
        (
            "device.multiprocessors",
            "1x",
            lambda s: s.device == VOLTA.device.model_copy(update={"sources": s.device.sources}),
        ),
        ("device.clock.boost", "1x", lambda s: s.device.matrix == VOLTA.device.matrix),
        ("device.matrix.fp16", "2x", lambda s: s.device.matrix.fp16 == 2 * 125e12),
        ("name", "2x", lambda s: s.name == "2x"),
    ],
)
def test_a_factor_multiplies_what_is_there(path, text, found):
    assert found(catalog.override(VOLTA, {path: text}))


@pytest.mark.parametrize("name", ["volta", "hopper", "blackwell"])
def test_once_every_figure_is_no_change(name):
    system = catalog.load(name)
    told = {figure.path: figure.text for figure in figures(system)}
    for path in set(told) - {"device.link.bandwidth"}:
        found = {f.path: f.text for f in figures(catalog.override(system, {path: "1x"}))}
        peaks = ("device.vector.", "device.matrix.")  # made of their parts again
        assert path in found
        assert all(text == told[p] for p, text in found.items() if not p.startswith(peaks))


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("device.caches.l2.bandwidth", "2x", "found '2x'"),
        ("device.memory.bandwidth", "0x", "more than zero"),
        ("device.memory.bandwidth", "1e999x", "not finite"),
        ("device.multiprocessors", "0.001x", "found 0"),
        ("node.devices", "1e400x", "found"),
        ("node.in_switch_reduction", "2x", "2x"),
    ],
)
def test_a_factor_that_makes_no_figure(path, text, found):
    with pytest.raises(InputError) as error:
        catalog.override(VOLTA, {path: text})
    assert found in error.value.what


def test_nothing_set_is_nothing_changed():
    assert catalog.override(VOLTA, {}) == VOLTA


def test_a_peak_that_is_set_wins_over_its_parts():
    changed = catalog.override(VOLTA, {"device.matrix.fp16": "250 TFLOPS"})
    assert changed.device.matrix.fp16 == 250e12
    assert changed.device.operations_per_clock.matrix.fp16 is None
    assert changed.device.vector == VOLTA.device.vector


@given(st.integers(1, 1000))
@settings(deadline=None, max_examples=20)
def test_peaks_follow_multiprocessors(count):
    changed = catalog.override(VOLTA, {"device.multiprocessors": str(count)}).device
    assert changed.matrix.fp16 == pytest.approx(125e12 * count / 80)
    assert changed.vector.fp32 == pytest.approx(15.7e12 * count / 80)


def test_peaks_follow_the_clock_they_are_stated_at():
    hopper = catalog.load("hopper")
    changed = catalog.override(hopper, {"device.clock.boost": "2 GHz"}).device
    stated = hopper.device
    assert changed.vector.fp32 == pytest.approx(stated.vector.fp32 * 2e9 / stated.clock.boost)
    assert changed.matrix == hopper.device.matrix
    slower = catalog.override(hopper, {"device.operations_per_clock.matrix.clock": "1 GHz"}).device
    assert slower.matrix.bf16 == 132 * 1e9 * 4096
    assert slower.vector == hopper.device.vector


def test_a_peak_follows_its_operations():
    changed = catalog.override(VOLTA, {"device.operations_per_clock.matrix.fp16": "2048"}).device
    assert changed.matrix.fp16 == 80 * 1530e6 * 2048
    assert changed.vector == VOLTA.device.vector


def test_a_peak_that_can_not_follow_is_named():
    with pytest.raises(InputError) as error:
        catalog.override(catalog.load("gb300"), {"device.multiprocessors": "160"})
    assert "matrix.fp16" in error.value.what
    assert "set them too" in error.value.instead


def test_a_peak_set_beside_needs_not_follow():
    changed = catalog.override(
        catalog.load("rtx2080ti"),
        {"device.multiprocessors": "136", "device.matrix.int8": "455 TOPS"},
    ).device
    assert changed.matrix.int8 == 455e12
    stated = catalog.load("rtx2080ti").device
    assert changed.matrix.fp16 == pytest.approx(stated.matrix.fp16 * 136 / stated.multiprocessors)


def test_a_capacity_that_is_set_replaces_what_the_driver_reports():
    blackwell = catalog.load("b200-sxm")
    assert blackwell.device.memory.reported is not None
    memory = catalog.override(blackwell, {"device.memory.capacity": "300 GiB"}).device.memory
    assert (memory.capacity, memory.reported) == (300 * 2**30, None)
    both = {"device.memory.capacity": "300 GiB", "device.memory.reported": "299 GiB"}
    assert catalog.override(blackwell, both).device.memory.reported == 299 * 2**30
    other = catalog.override(blackwell, {"device.memory.bandwidth": "1 TB/s"})
    assert other.device.memory.reported == blackwell.device.memory.reported


def test_a_devices_link_is_set_with_the_nodes():
    with pytest.raises(InputError, match="where the node's decides") as error:
        catalog.override(VOLTA, {"device.link.bandwidth": "300 GB/s"})
    assert error.value.instead == "write node.link.bandwidth='300 GB/s'"
    both = {"device.link.bandwidth": "300 GB/s", "node.link.bandwidth": "300 GB/s"}
    changed = catalog.override(VOLTA, both)
    assert changed.device.link.bandwidth == changed.node.link.bandwidth == 300e9


def test_a_device_alone_has_no_nodes_link():
    alone = catalog.load("v100-sxm2-16gb")
    changed = catalog.override(alone, {"device.link.bandwidth": "300 GB/s"})
    assert changed.device.link.bandwidth == 300e9


@pytest.mark.parametrize("devices", [1, 2, 4, 7])
def test_a_smaller_node_keeps_the_links_that_are_left(devices):
    node = catalog.override(VOLTA, {"node.devices": str(devices)}).node
    assert node.devices == devices
    assert set(node.pairs) == {pair for pair in VOLTA.node.pairs if pair[1] < devices}


@pytest.mark.parametrize(
    ("path", "text", "found", "instead"),
    [
        ("device.memory.bandwith", "1 TB/s", "no field 'bandwith'", "did you mean 'bandwidth'?"),
        ("devise.memory", "1", "no field 'devise'", "did you mean 'device'?"),
        ("device.zzz", "1", "no field 'zzz'", "memory"),
        ("", "1", "no field ''", "device"),
        ("device.memory.bandwidth.x", "1", "below a plain value", "cut"),
        ("network.1.latency", "1 us", "no number '1'", "0 to 0"),
        ("network.x.latency", "1 us", "no number 'x'", "0 to 0"),
        ("network.0", "1 us", "found an object", "its fields name"),
        ("network.0", "null", "found an object", "its fields name"),
        ("network.0.latency.x", "1 us", "below a plain value", "cut"),
        ("device.memory.bandwidth", "900", "without a unit", "900 GB/s"),
        ("device.memory.bandwidth", "null", "nothing", "900 GB/s"),
        ("device.memory.bandwidth", "-1 GB/s", "more than zero", "900 GB/s"),
        ("node.devices", "many", '"many"', "a whole number"),
        ("node.devices", "2.5", "2.5", "a whole number"),
        ("node.devices", "true", "true", "a whole number"),
        ("node.devices", "0", "0", "at least 1"),
        ("node.topology", "ring", '"ring"', "'switch'"),
        ("node.topology", "single", "topology 'single'", "another topology"),
        ("network.0.oversubscription", "NaN", "NaN", "a number"),
        ("device.memory", "16 GiB", "found an object", "its fields capacity, bandwidth"),
        ("device.sources", "{}", "found an object", "a file"),
        ("node", "null", "nothing", "an object with the fields devices"),
        ("device", "volt", "neither a file", "did you mean"),
    ],
)
def test_a_fault_names_the_setting_and_the_correction(path, text, found, instead):
    with pytest.raises(InputError) as error:
        catalog.override(VOLTA, {path: text})
    assert found in error.value.what
    assert instead in error.value.instead
    assert error.value.where.startswith("--set") or path == "device"


def test_a_network_that_is_not_there_is_named():
    with pytest.raises(InputError, match="it has none"):
        catalog.override(catalog.load("l4"), {"network.0.latency": "1 us"})


def test_a_name_has_an_end():
    with pytest.raises(InputError, match="write at most 1000 characters"):
        catalog.override(catalog.load("volta"), {"device.name": "x" * 1001})
