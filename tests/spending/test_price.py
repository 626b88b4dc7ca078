"""What a run is charged: rented or owned, and by whose price."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.hardware import catalog
from hwsim.site import LIFETIME, UTILIZATION, Site
from hwsim.spending.price import NETWORK, dollars, kilograms, tariff_of

H100, VOLTA, T4 = (catalog.load(name) for name in ("dgx-h100", "volta", "t4"))
HOUR = 3600.0


def test_a_known_price_per_hour_goes_before_a_purchase():
    found = tariff_of(H100, Site())
    assert (found.way, found.path) == ("rent", "device.price.hour")
    assert found.second * HOUR == pytest.approx(3.495)


def test_a_node_that_is_bought_is_spread_over_the_hours_of_its_use():
    found = tariff_of(VOLTA, Site())
    assert (found.way, found.path) == ("own", "node.price")
    assert found.second == pytest.approx(149_000 / 8 / (LIFETIME * UTILIZATION))


def test_the_price_of_a_device_serves_where_that_of_its_node_is_not_known():
    assert tariff_of(catalog.load("rtx4090"), Site()).path == "device.price.purchase"


def test_without_a_price_there_is_no_cost():
    assert tariff_of(T4, Site()) is None
    assert tariff_of(VOLTA, Site(pay="rent")) is None


@pytest.mark.parametrize(
    ("site", "path"),
    [
        (Site(hour=1.0), "site.hour"),
        (Site(purchase=9.0), "site.purchase"),
        (Site(hour=1.0, purchase=9.0), "site.hour"),
        (Site(hour=1.0, pay="own"), "node.price"),
        (Site(purchase=9.0, pay="rent"), "device.price.hour"),
    ],
)
def test_the_price_of_the_site_goes_before_the_catalogs(site, path):
    assert tariff_of(H100, site).path == path


def test_electricity_is_in_the_rent_and_beside_a_purchase():
    site = Site(electricity=0.1)
    rent, own = (tariff_of(H100, site.model_copy(update={"pay": p})) for p in ("rent", "own"))
    assert dollars(HOUR, 3.6e6, rent, 1)["electricity"] == 0
    assert dollars(HOUR, 3.6e6, own, 1)["electricity"] == pytest.approx(0.1)
    assert dollars(HOUR, None, own, 1)["electricity"] == 0


def test_the_network_adds_to_a_purchase_beyond_a_node():
    site = Site(pay="own")
    within, beyond = (dollars(1.0, None, tariff_of(H100, site, n), n) for n in (8, 16))
    assert within["network"] == 0
    assert beyond["network"] == pytest.approx(NETWORK * beyond["devices"])


@given(st.floats(0, 1e9), st.integers(1, 10_000))
@settings(deadline=None, max_examples=20)
def test_a_price_of_zero_costs_nothing(seconds, devices):
    for site in (Site(hour=0.0), Site(purchase=0.0, electricity=0.0)):
        found = dollars(seconds, 1e9, tariff_of(H100, site, devices), devices)
        assert sum(found.values()) == 0


def test_embodied_carbon_is_spread_like_a_price():
    site = Site(carbon=0.0, embodied=150.0)
    found = kilograms(LIFETIME * UTILIZATION, 1e9, site, 2)
    assert found["electricity"] == 0
    assert found["embodied"] == pytest.approx(300.0)


def test_figures_replace_fields_by_their_paths():
    found = tariff_of(H100, Site(), 1, {"site.hour": np.array([1.0, 2.0])})
    assert list(found.second * HOUR) == [1, 2]
