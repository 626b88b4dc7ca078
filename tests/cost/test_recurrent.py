"""Memory time of a recurrence: kept in the cache, or fetched anew at every step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.rates import Rates
from hwsim.cost.recurrent import traffic_seconds

RATES = Rates(1e12, 1e12, memory=100.0, cache=400.0, resident=50.0, launch=0, chain=0, dispatch=0)
sizes = st.floats(1.0, 1e6)


def test_a_single_pass_is_plain_traffic():
    assert traffic_seconds(50.0, 0.0, 1, RATES) == 0.5
    assert traffic_seconds(50.0, 40.0, 1, RATES) == 0.5


def test_what_fits_is_fetched_once():
    # 10 bytes of others every step; 40 of weights once from memory and 9 times from the cache.
    total = 10 * traffic_seconds(50.0, 40.0, 10, RATES)
    assert total == pytest.approx(10 * 10 / 100 + 40 / 100 + 9 * 40 / 400)


def test_what_does_not_fit_is_fetched_anew():
    assert traffic_seconds(70.0, 60.0, 10, RATES) == pytest.approx(0.7)
    assert traffic_seconds(50.0, 40.0, 10, RATES, matrices=2) == pytest.approx(0.5)


def test_matrices_that_take_turns_are_each_fetched_once():
    total = 10 * traffic_seconds(30.0, 20.0, 10, RATES, matrices=2)
    assert total == pytest.approx(10 * 10 / 100 + 2 * 20 / 100 + 8 * 20 / 400)


def test_nothing_takes_no_time():
    assert traffic_seconds(0.0, 0.0, 10, RATES) == 0.0


@given(weights=sizes, others=sizes, repeat=st.integers(1, 10_000), matrices=st.integers(1, 12))
@settings(deadline=None, max_examples=100)
def test_a_cache_lies_between_its_own_rate_and_memory(weights, others, repeat, matrices):
    total = weights + others
    time = traffic_seconds(total, weights, repeat, RATES, matrices)
    assert total / RATES.cache * (1 - 1e-12) <= time <= total / RATES.memory * (1 + 1e-12)


@given(st.lists(st.tuples(sizes, sizes, st.integers(1, 99)), min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_arrays_are_their_elements(rows):
    others, weights, repeat = np.array(rows, dtype=float).T
    times = traffic_seconds(others + weights, weights, repeat, RATES, matrices=2)
    for time, (o, w, n) in zip(times, rows, strict=True):
        assert time == traffic_seconds(o + w, w, n, RATES, matrices=2)


def test_rates_may_be_arrays_too():
    over = RATES._replace(memory=np.array([100.0, 200.0]), cache=np.array([400.0, 800.0]))
    assert traffic_seconds(50.0, 40.0, 10, over).tolist() == pytest.approx(
        [traffic_seconds(50.0, 40.0, 10, RATES), traffic_seconds(50.0, 40.0, 10, RATES) / 2]
    )
