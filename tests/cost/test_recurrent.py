"""A step of a recurrence: its matrix kept in the cache or fetched anew, its product stalling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.gemm import Tiled, product_parts, tile_number
from hwsim.cost.rates import Rates
from hwsim.cost.recurrent import chain_parts, traffic_seconds

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


def test_only_products_with_a_fixed_tile_stall():
    free = Tiled(10e12, 8.0, 16.0, 400e9, processors=56.0)
    fixed = free._replace(narrow=(-1, tile_number("128x32"), -1, -1))
    n, k, stall = 4096, 1024, 1e-7
    for batch, wait in ((16, 0.0), (32, k * stall), (64, 0.0)):
        shape = (1, batch, n, k)
        found, plain = (
            chain_parts(shape, 4, 0.0, fixed, stall),
            product_parts(*shape, 4, 0.0, fixed),
        )
        assert found.compute == pytest.approx(plain.compute + wait)
        assert chain_parts(shape, 4, 0.0, free, stall) == product_parts(*shape, 4, 0.0, free)


def test_stalls_are_those_of_each_case_of_many():
    fixed = Tiled(10e12, 8.0, 16.0, 400e9, 56.0, narrow=(-1, tile_number("128x32"), -1, -1))
    batches = np.array([16.0, 32.0, 64.0])
    many = chain_parts((1, batches, 4096, 1024), 4, 0.0, fixed, 1e-7)
    each = [chain_parts((1, batch, 4096, 1024), 4, 0.0, fixed, 1e-7).compute for batch in batches]
    assert many.compute == pytest.approx(each)
