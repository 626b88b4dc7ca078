"""Watts between rest and limit, hosts and networks, and arrays in the place of figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.hardware import catalog
from hwsim.site import Site
from hwsim.spending.energy import device_joules, whole
from hwsim.spending.power import HOST, IDLE, NETWORK, NODE, SHARES, power_of, watts

H100 = catalog.load("dgx-h100")


def test_every_part_of_a_step_has_a_share_between_rest_and_limit():
    assert list(SHARES) == ["compute", "memory", "launch", "communication", "bubble", "update"]
    assert all(0 <= share <= 1 for share in SHARES.values())


@given(st.floats(0, 1), st.floats(1, 500), st.floats(500, 2000))
@settings(deadline=None, max_examples=30)
def test_a_device_draws_between_rest_and_limit(share, idle, limit):
    assert idle <= watts(share, idle, limit) <= limit * (1 + 1e-12)


def test_the_powers_of_a_node_are_those_of_the_catalog():
    found = power_of(H100, Site())
    assert (found.idle, found.limit) == (70.0, 700.0)
    assert found.host == pytest.approx(HOST * 10_200 / 8)
    assert (found.network, found.pue) == (0, 1)


def test_what_a_catalog_does_not_state_follows_from_the_limit():
    l4 = catalog.load("l4")
    found = power_of(l4, Site())
    assert found.idle == pytest.approx(IDLE * 72)
    assert found.host == pytest.approx(HOST * NODE * 72)


def test_a_device_without_a_limit_has_no_power():
    assert power_of(catalog.load("gh200"), Site()) is None


def test_the_network_counts_beyond_a_node():
    assert power_of(H100, Site(), 8).network == 0
    assert power_of(H100, Site(), 16).network == NETWORK
    assert power_of(H100, Site(network_power=0.2), 16).network == 0.2
    assert list(power_of(H100, Site(), np.array([8, 16])).network) == [0, NETWORK]


def test_the_site_goes_before_what_is_assumed():
    found = power_of(H100, Site(host=800.0, pue=1.2))
    assert (found.host, found.pue) == (100.0, 1.2)


def test_figures_replace_fields_by_their_paths():
    limits = np.array([300.0, 700.0])
    found = power_of(H100, Site(), 1, {"device.power.limit": limits, "site.pue": np.array(1.5)})
    assert list(found.limit) == [300, 700]
    assert list(found.idle) == [70, 70]
    assert found.pue == 1.5
    assert power_of(catalog.load("gh200"), Site(), 1, {"device.power.limit": limits}) is not None


def test_a_device_at_rest_draws_no_more_than_its_limit():
    assert power_of(H100, Site(), 1, {"device.power.limit": np.array(50.0)}).idle == 50


@given(st.floats(0, 1e3), st.integers(1, 10_000), st.floats(0, 1), st.floats(1, 3))
@settings(deadline=None, max_examples=30)
def test_the_whole_is_what_its_parts_are(seconds, devices, network, pue):
    power = power_of(H100, Site())._replace(network=network, pue=pue)
    own = device_joules({"compute": seconds, "bubble": seconds}, power)
    found = whole(own, 2 * seconds, power, devices)
    bare = devices * (sum(own.values()) + 2 * seconds * power.host)
    assert sum(found.values()) == pytest.approx(bare * (1 + network) * pue)
    assert min(found.values()) >= 0
