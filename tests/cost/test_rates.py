"""What a device reaches: peaks by data type, scaled by clock and calibration."""

import pytest

from hwsim.cost.calibration import load as load_calibration
from hwsim.cost.calibration import load_for
from hwsim.cost.rates import offered, peaks, rates
from hwsim.errors import InputError
from hwsim.graph.dtypes import BYTES
from hwsim.hardware import catalog

DEFAULT = load_calibration()
IDEAL = DEFAULT.model_copy(update={"matrix": 1.0, "vector": 1.0, "memory": 1.0, "resident": 1.0})
V100 = catalog.load("v100-sxm2-16gb").device


def test_products_use_tensor_cores_where_there_are_some():
    assert peaks(V100, "fp16") == (125e12, 31.4e12)
    assert peaks(V100, "fp32") == (15.7e12, 15.7e12)
    assert peaks(V100, "fp64") == (7.8e12, 7.8e12)


def test_a_slow_half_precision_is_computed_in_single():
    pascal = catalog.load("gtx1080ti").device
    single, _ = peaks(pascal, "fp32")
    assert pascal.vector.fp16 is None or pascal.vector.fp16 < single
    if "fp16" in offered(pascal):
        assert peaks(pascal, "fp16") == (single, single)


@pytest.mark.parametrize("dtype", ["bf16", "tf32", "fp8"])
def test_a_rate_that_is_not_stated_is_not_guessed(dtype):
    with pytest.raises(InputError) as error:
        rates(V100, DEFAULT, dtype)
    assert dtype in error.value.what
    assert V100.name in error.value.where
    assert "fp16" in error.value.instead


def test_what_is_offered_has_a_rate_and_what_is_not_has_none():
    for entry in catalog.shipped():
        device = catalog.load(entry.name).device
        for dtype in BYTES:
            if dtype in offered(device):
                product, other = peaks(device, dtype)
                assert product > 0
                assert other > 0
            else:
                with pytest.raises(InputError):
                    peaks(device, dtype)


def test_rates_are_shares_of_the_datasheet():
    found = rates(V100, DEFAULT, "fp16")
    assert found.matrix == pytest.approx(125e12 * DEFAULT.matrix)
    assert found.vector == pytest.approx(31.4e12 * DEFAULT.vector)
    assert found.memory == pytest.approx(900e9 * DEFAULT.streams.memory)
    assert found.resident == pytest.approx(6 * 2**20 * DEFAULT.resident)
    assert (found.launch, found.dispatch) == pytest.approx((4e-6, 8e-6))


def test_a_sustained_clock_lowers_arithmetic_alone():
    slow = catalog.override(catalog.load("v100-sxm2-16gb"), {"device.clock.sustained": "765 MHz"})
    half, full = rates(slow.device, IDEAL, "fp32"), rates(V100, IDEAL, "fp32")
    assert half.matrix == pytest.approx(full.matrix / 2)
    assert half.vector == pytest.approx(full.vector / 2)
    assert half.memory == full.memory


def test_a_stated_cache_rate_wins():
    stated = catalog.override(
        catalog.load("v100-sxm2-16gb"), {"device.caches.l2.bandwidth": "3 TB/s"}
    )
    assert rates(stated.device, DEFAULT, "fp32").cache == 3e12
    assert rates(V100, DEFAULT, "fp32").cache == pytest.approx(
        900e9 * DEFAULT.memory * DEFAULT.cache
    )


def test_without_a_cache_nothing_stays():
    bare = catalog.override(catalog.load("v100-sxm2-16gb"), {"device.caches.l2": "null"})
    assert rates(bare.device, DEFAULT, "fp32").resident == 0.0


def test_a_faster_launch_shortens_every_wait_that_was_fitted():
    volta = catalog.load("volta")
    quick = catalog.override(volta, {"device.launch.kernel": "1 us"})
    slow, fast = (
        rates(system.device, load_for(system.device), "fp32") for system in (volta, quick)
    )
    assert fast.products.launch == pytest.approx(slow.products.launch / 4)
    assert fast.chains.tiled.launch == pytest.approx(slow.chains.tiled.launch / 4)
    assert fast.chains.start == pytest.approx(slow.chains.start / 4)
