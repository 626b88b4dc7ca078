"""Whether a changed device can be built."""

import pytest

from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.hardware.budget import area, power, warnings
from workloads.charlm import CharLM

H100 = catalog.load("h100-sxm-80gb")


def changed(**values):
    rules = {path.replace("__", "."): text for path, text in values.items()}
    return catalog.override(H100, {f"device.{path}": text for path, text in rules.items()}).device


@pytest.mark.parametrize("name", [e.name for e in catalog.shipped() if "device" in e.kind])
def test_what_ships_can_be_built(name):
    device = catalog.load(name).device
    assert warnings(device) == []
    found = area(device, device)
    assert found is None or 100 < found <= 858


def test_a_reticle_holds_so_many_multiprocessors():
    assert warnings(changed(scale__multiprocessors="1.05x")) == []
    (found,) = warnings(changed(scale__multiprocessors="2x"))
    assert "beyond the 858 mm2 of a reticle" in found


def test_caches_take_area():
    more = area(changed(scale__caches="2x"), H100.device) - area(H100.device, H100.device)
    assert more == pytest.approx(0.5625 * (50 + 132 * 228 / 1024))


def test_no_device_takes_so_much_power():
    found = warnings(changed(scale__clock="1.4x"))
    assert any("beyond the 1,400 W" in text for text in found)


def test_a_limit_that_does_not_follow_is_told():
    (found,) = warnings(changed(scale__clock="1.2x", power__limit="700 W"))
    assert "power.limit of 700 W" in found
    assert warnings(changed(scale__clock="1.2x")) == []


def test_the_rule_of_power_is_that_of_scaling():
    for rules in ({"scale__clock": "1.1x"}, {"scale__memory_stacks": "2x"}):
        device = changed(**rules)
        assert power(device, H100.device) == pytest.approx(device.power.limit, rel=1e-3)


@pytest.mark.parametrize(
    ("base", "name", "mm2"), [("rtx6000ada", "l4", 294.5), ("quadro-rtx8000", "t4", 545.0)]
)
def test_the_area_of_a_smaller_die_of_the_family(base, name, mm2):
    assert area(catalog.load(name).device, catalog.load(base).device) == pytest.approx(mm2, rel=0.1)


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("v100-sxm2-16gb", "v100-pcie-16gb"),
        ("v100-sxm2-16gb", "v100-sxm3-32gb"),
        ("a100-sxm-40gb", "a30"),
        ("h100-sxm-80gb", "h100-pcie-80gb"),
        ("h100-sxm-80gb", "h200-sxm"),
        ("b200-sxm", "b300-sxm"),
    ],
)
def test_the_power_of_a_relative_is_about_right(base, name):
    device = catalog.load(name).device
    assert power(device, catalog.load(base).device) == pytest.approx(device.power.limit, rel=0.36)


def test_an_own_device_is_not_judged():
    own = H100.device.model_copy(update={"name": "ours", "multiprocessors": 1000})
    assert warnings(own) == []


def test_an_estimate_warns():
    larger = catalog.override(H100, {"device.scale.multiprocessors": "3x"})
    found = estimate(larger, CharLM(hidden=64), steps=1).warnings
    assert any("reticle" in text for text in found)
