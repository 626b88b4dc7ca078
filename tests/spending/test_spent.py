"""What an estimate says of energy, cost and carbon: bounds, sums, and what is not known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.overheads import Overheads
from hwsim.parallel.plan import Plan
from hwsim.site import Site
from hwsim.spending.many import amounts
from hwsim.spending.power import SHARES, power_of
from hwsim.spending.spent import Time, spent
from workloads.charlm import CharLM

H100 = catalog.load("dgx-h100")
SITE = Site(electricity=0.1, carbon=0.4, pue=1.3, network_power=0.1, pay="own", embodied=150.0)
SURE = np.ones(2000)
PARTS = st.lists(st.floats(1e-6, 1e3), min_size=6, max_size=6).map(
    lambda seconds: dict(zip(SHARES, seconds, strict=True))
)
OUTSIDE = ("host", "network", "facility")


@given(PARTS, st.integers(1, 10_000))
@settings(deadline=None, max_examples=30)
def test_energy_lies_between_rest_and_limit(parts, devices):
    energy = spent(H100, SITE, devices, Time(parts, SURE)).energy
    power = power_of(H100, SITE, devices)
    seconds = sum(parts.values())
    least, most = (
        devices * seconds * (end + power.host) * (1 + power.network) * power.pue
        for end in (power.idle, power.limit)
    )
    assert least * (1 - 1e-9) <= energy.step.value <= most * (1 + 1e-9)
    assert energy.watts == pytest.approx(energy.step.value / seconds)
    assert power.idle <= energy.device_watts * (1 + 1e-9)
    assert energy.device_watts <= power.limit * (1 + 1e-9)


@given(PARTS, st.integers(9, 5_000), st.integers(2, 9))
@settings(deadline=None, max_examples=20)
def test_twice_the_devices_take_twice_as_much(parts, devices, times):
    once, more = (spent(H100, SITE, n, Time(parts, SURE)) for n in (devices, devices * times))
    for one, other in ((once.energy, more.energy), (once.cost, more.cost)):
        assert other.step.value == pytest.approx(times * one.step.value)
        assert other.step.high == pytest.approx(times * one.step.high)


@pytest.mark.parametrize("devices", [1, 8, 64])
def test_the_parts_sum_to_the_whole_inside_the_interval(devices):
    run = Overheads(startup=600.0, checkpoint=5.0, checkpoint_every=10, device_mtbf=1e7)
    found = estimate(H100, CharLM(), Plan(dp=devices), steps=1000, overheads=run, site=SITE)
    energy, cost = found.energy, found.cost
    spendings = (energy.step, energy.total, cost.step, cost.total)
    for amount in (*spendings, energy.carbon.step, energy.carbon.total):
        assert sum(amount.parts.values()) == pytest.approx(amount.value)
        assert 0 < amount.low < amount.value < amount.high
    assert energy.carbon.total.parts["electricity"] == pytest.approx(
        0.4 * energy.total.value / 3.6e6
    )
    assert cost.total.parts["electricity"] == pytest.approx(0.1 * energy.total.value / 3.6e6)


def test_a_training_takes_its_steps_and_a_wait_takes_less():
    plain, late = (
        estimate(H100, CharLM(), steps=100, overheads=Overheads(startup=wait), site=SITE)
        for wait in (0.0, 60.0)
    )
    assert plain.energy.total.value == pytest.approx(100 * plain.energy.step.value)
    assert plain.cost.total.value == pytest.approx(100 * plain.cost.step.value)
    more = late.energy.total.value - plain.energy.total.value
    assert 0 < more < 60 * plain.energy.watts
    assert late.energy.total.parts["waiting"] > 0 == plain.energy.total.parts["waiting"]


def test_a_steps_draws_are_those_of_its_time():
    sure = spent(H100, Site(hour=1.0), 8, Time({"compute": 1.0}, SURE))
    luck = np.exp(0.5 * np.random.default_rng(1).standard_normal(2000))
    found = spent(H100, Site(hour=1.0), 8, Time({"compute": 1.0}, luck))
    assert sure.cost.step.low == sure.cost.step.high == sure.cost.step.value
    assert sure.energy.step.low < sure.energy.step.value < sure.energy.step.high
    assert found.cost.step.high / found.cost.step.value == pytest.approx(np.percentile(luck, 90))
    assert found.energy.step.high > sure.energy.step.high


def test_without_a_limit_or_a_price_it_is_said_why_nothing_is_known():
    found = estimate(catalog.load("gh200"), CharLM(), steps=1)
    assert found.energy is found.cost is None
    assert any("gh200 states no limit" in text for text in found.assumptions)
    assert any("no price is" in text for text in found.assumptions)


def test_carbon_is_known_where_the_sites_electricity_is():
    assert estimate(H100, CharLM(), steps=1).energy.carbon is None
    assert estimate(H100, CharLM(), steps=1, site=Site(carbon=0.0)).energy.carbon.total.value == 0


def test_without_a_count_only_the_step_is_known():
    found = spent(H100, SITE, 8, Time({"compute": 1.0}, SURE))
    assert found.energy.total is found.cost.total is found.energy.carbon.total is None


def test_what_is_assumed_and_its_source_are_told():
    found = estimate(H100, CharLM(), Plan(dp=16), steps=1)
    for words in ("hosts draw 27%", "site.pue", "site.network_power", "3.5 USD"):
        assert any(words in text for text in found.assumptions)
    assert any(text.startswith("power.host: ") for text in found.sources)


def test_an_energy_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="not finite"):
        estimate(H100, CharLM(), steps=1e9, site=Site(pay="own", electricity=1.7e308))


def test_arrays_give_what_single_points_give():
    step = {"compute": np.array([0.1, 0.2]), "bubble": np.array([0.0, 0.3])}
    limits = np.array([500.0, 700.0])
    figures = {"device.power.limit": limits, "site.electricity": np.array([0.1, 0.3])}
    many = amounts(H100, SITE, step, np.array([8, 16]), figures)
    for index, devices in enumerate((8, 16)):
        system = catalog.override(H100, {"device.power.limit": f"{limits[index]} W"})
        site = SITE.model_copy(update={"electricity": float(figures["site.electricity"][index])})
        one = spent(
            system, site, devices, Time({n: float(s[index]) for n, s in step.items()}, SURE)
        )
        assert many.joules[index] == pytest.approx(one.energy.step.value)
        assert many.watts[index] == pytest.approx(one.energy.watts)
        assert many.dollars[index] == pytest.approx(one.cost.step.value)
        assert many.kilograms[index] == pytest.approx(one.energy.carbon.step.value)


def test_what_many_points_do_not_know_is_none():
    assert amounts(catalog.load("gh200"), Site(), {"compute": 1.0}) == (None, None, None, None)
