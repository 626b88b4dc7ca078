"""Rules that change a device, and what follows from them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.figures import figures
from hwsim.hardware.scale import RULES, memory_watts

HOPPER, VOLTA = catalog.load("hopper"), catalog.load("volta")
DEVICES = [entry.name for entry in catalog.shipped() if "device" in entry.kind]
FACTORS = st.floats(0.25, 8.0)


def scaled(system, **rules):
    return catalog.override(system, {f"device.scale.{name}": text for name, text in rules.items()})


def peaks(device):
    return {
        (engine, dtype): peak
        for engine in ("vector", "matrix")
        for dtype, peak in getattr(device, engine).model_dump().items()
        if peak is not None
    }


def grown(device, factor):
    return {key: factor * peak for key, peak in peaks(device).items()}


def test_multiprocessors_take_peaks_along():
    larger = scaled(HOPPER, multiprocessors="2x").device
    assert larger.multiprocessors == 264
    assert peaks(larger) == pytest.approx(grown(HOPPER.device, 2.0))
    assert larger.memory == HOPPER.device.memory
    assert larger.power.idle == 2 * HOPPER.device.power.idle


def test_peaks_follow_the_multiprocessors_that_there_are():
    found = scaled(VOLTA, multiprocessors="1.01x").device
    assert found.multiprocessors == 81
    assert found.matrix.fp16 == pytest.approx(VOLTA.device.matrix.fp16 * 81 / 80)


def test_a_clock_takes_every_engine_along():
    faster = scaled(HOPPER, clock="1.1x").device
    assert faster.clock.boost == pytest.approx(1.1 * 1980e6)
    assert faster.operations_per_clock.matrix.clock == pytest.approx(1.1 * 1830e6)
    assert peaks(faster) == pytest.approx(grown(HOPPER.device, 1.1))


def test_stacks_are_capacity_and_bandwidth():
    memory = scaled(catalog.load("b200-sxm"), memory_stacks="2").device.memory
    base = catalog.load("b200-sxm").device.memory
    assert memory.capacity == 2 * base.capacity
    assert memory.reported == pytest.approx(2 * base.reported)
    assert memory.bandwidth == 2 * base.bandwidth


def test_caches_hold_more():
    caches = scaled(HOPPER, caches="2x").device.caches
    assert caches.l2.capacity == 2 * HOPPER.device.caches.l2.capacity
    assert caches.shared == 2 * HOPPER.device.caches.shared
    assert caches.registers == HOPPER.device.caches.registers


@pytest.mark.parametrize(
    ("name", "dtype", "rate"),
    [("hopper", "fp4", 2 * 1978.9e12), ("volta", "bf16", 125e12), ("volta", "fp8", 250e12)],
)
def test_a_narrower_format_is_as_much_faster(name, dtype, rate):
    device = scaled(catalog.load(name), precision=dtype).device
    assert getattr(device.matrix, dtype) == pytest.approx(rate)


def test_a_format_that_is_there_stays():
    assert scaled(HOPPER, precision="fp8") == HOPPER


def test_links_are_more_of_the_same():
    node = catalog.override(VOLTA, {"node.scale.links": "2x"}).node
    assert node.link.bandwidth == 2 * VOLTA.node.link.bandwidth
    assert node.links_per_device == 2 * VOLTA.node.links_per_device
    assert [pair[2] for pair in node.pairs] == [2 * pair[2] for pair in VOLTA.node.pairs]


def test_a_larger_node_has_as_many_ports_for_each_device():
    found = catalog.override(HOPPER, {"node.scale.devices": "9x"})
    assert (found.node.devices, found.network[0].ports) == (72, 72)
    assert found.node.power == 9 * HOPPER.node.power


def test_power_follows_unless_it_is_set():
    memory = memory_watts(3350e9, "HBM3")
    limit = scaled(HOPPER, multiprocessors="2x", clock="1.1x").device.power.limit
    assert limit == pytest.approx(memory + (700 - memory) * 2 * 1.1**3, rel=1e-3)
    rules = {"device.scale.clock": "1.1x", "device.power.limit": "700 W"}
    assert catalog.override(HOPPER, rules).device.power.limit == 700


def test_a_node_takes_what_its_devices_take():
    larger = scaled(HOPPER, multiprocessors="2x")
    more = larger.device.power.limit - HOPPER.device.power.limit
    assert larger.node.power == pytest.approx(HOPPER.node.power + 8 * more)


def test_what_no_one_sells_has_no_price():
    larger = scaled(HOPPER, memory_stacks="2x")
    assert (larger.device.price, larger.node.price) == (None, None)
    rules = {"device.scale.memory_stacks": "2x", "device.price.hour": "9 USD"}
    assert catalog.override(HOPPER, rules).device.price.hour == 9.0


def test_sources_tell_the_rule_and_where_the_figure_was_from():
    larger = scaled(HOPPER, multiprocessors="2x")
    found = {figure.path: figure.source for figure in figures(larger)}
    before = {figure.path: figure.source for figure in figures(HOPPER)}
    path = "device.matrix.bf16"
    assert found[path] == f"2 x (device.scale.multiprocessors): {before[path]}"
    assert found["device.power.limit"].startswith("assumed: ")


def test_a_plain_figure_wins_over_a_rule_and_a_factor_is_of_the_scaled_one():
    both = {"device.memory.bandwidth": "1 TB/s", "device.scale.memory_stacks": "2x"}
    assert catalog.override(VOLTA, both).device.memory.bandwidth == 1e12
    both["device.memory.bandwidth"] = "2x"
    assert catalog.override(VOLTA, both).device.memory.bandwidth == 4 * 900e9


@given(FACTORS, FACTORS, FACTORS)
@settings(deadline=None, max_examples=20)
def test_rules_go_in_any_order(units, clock, stacks):
    rules = {"multiprocessors": f"{units}x", "clock": f"{clock}x", "memory_stacks": f"{stacks}x"}
    one = scaled(HOPPER, **rules).device
    other = scaled(HOPPER, **dict(reversed(rules.items()))).device
    assert peaks(one) == pytest.approx(peaks(other))
    assert one.power.limit == pytest.approx(other.power.limit, rel=1e-2, abs=0.5)


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("rule", [*RULES["device"]])
def test_every_device_can_be_scaled(name, rule):
    device = catalog.load(name).device
    factor = 2.0 if rule in ("multiprocessors", "clock") else 1.0
    larger = scaled(catalog.load(name), **{rule: "2x"}).device
    assert peaks(larger) == pytest.approx(grown(device, factor))
    assert larger.power is None or larger.power.limit >= device.power.limit


@pytest.mark.parametrize(
    ("path", "text", "found", "instead"),
    [
        ("device.scale.multiprocesors", "2x", "no rule", "did you mean 'multiprocessors'?"),
        ("device.scale", "2x", "no rule", "multiprocessors"),
        ("node.scale.power", "2x", "no rule", "links, devices"),
        ("device.scale.clock", "fast", "'fast'", "2x"),
        ("device.scale.clock", "0x", "'0x'", "2x"),
        ("device.scale.clock", "-1", "'-1'", "2x"),
        ("device.scale.clock", "nan", "'nan'", "2x"),
        ("device.scale.clock", "1e9x", "'1e9x'", "2x"),
        ("device.scale.multiprocessors", "0.001x", "less than one", "more"),
        ("device.scale.precision", "fp6", "'fp6'", "fp"),
        ("node.scale.links", "1.3x", "a part of a link", "node.link.bandwidth=1.3x"),
        ("node.scale.devices", "2x", "joined by single links", "switch"),
    ],
)
def test_a_rule_that_can_not_be_followed(path, text, found, instead):
    with pytest.raises(InputError) as error:
        catalog.override(VOLTA, {path: text})
    assert found in error.value.what
    assert instead in error.value.instead


@pytest.mark.parametrize(
    ("name", "path"), [("l4", "node.scale.links"), ("m40", "device.scale.precision")]
)
def test_what_is_not_there_can_not_be_scaled(name, path):
    with pytest.raises(InputError, match=path):
        catalog.override(catalog.load(name), {path: "fp8" if "precision" in path else "2x"})
