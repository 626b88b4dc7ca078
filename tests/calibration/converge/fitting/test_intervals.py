"""Intervals hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from calibration.converge.fitting.choice import choose
from calibration.converge.fitting.intervals import bootstrap, profile, tail
from calibration.converge.fitting.parameters import parameters
from calibration.converge.fitting.robust import fit

TRUTH = {"a": 400.0, "k1": 0.7, "k2": 0.5, "b": 60.0}
REPEATS = 12


@pytest.fixture(scope="module")
def found(made):
    return fit(made.synthetic(b=50.0), made.center, "power-plateau")


def test_the_bootstrap_is_deterministic_and_spread_around_the_fit(found):
    first, again = (bootstrap(found, resamples=40) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.shape == (40, 4)
    assert (first.std(axis=0) > 0).all()
    assert (np.abs(first.mean(axis=0) - found.theta) < first.std(axis=0)).all()


def test_few_cells_widen_the_tails(made, found):
    fewer = fit(made.synthetic(models=made.models[:3], b=50.0), made.center, "power-plateau")
    assert tail(fewer) < tail(found) < 0.025


def test_a_profile_holds_the_estimate_and_widens_with_noise(made, found):
    low, high = profile(found, 2, bootstrap(found, resamples=40))
    assert low < found.theta[2] < high
    noisy = fit(made.synthetic(b=50.0, noise=0.15), made.center, "power-plateau")
    wider = profile(noisy, 2, bootstrap(noisy, resamples=40))
    assert wider[1] - wider[0] > 1.5 * (high - low)


def test_a_profile_of_an_exact_law_is_narrow(made):
    exact = fit(made.synthetic(b=50.0, noise=0.001), made.center, "power-plateau")
    low, high = profile(exact, 2, bootstrap(exact, resamples=40))
    assert high - low < 0.01


def test_nine_in_ten_intervals_hold_the_truth(made):
    inside = dict.fromkeys(TRUTH, 0)
    for repeat in range(REPEATS):
        rows = made.synthetic(seed=repeat, b=TRUTH["b"])
        random = np.random.default_rng(repeat)
        rows.steps[random.random(len(rows)) < 0.05] *= 2.0
        last = np.quantile(rows.steps, 0.94)
        rows.censored[:] = rows.steps > last
        np.minimum(rows.steps, last, out=rows.steps)
        for name, parameter in parameters(choose(rows, made.center)).items():
            inside[name] += parameter.low <= TRUTH[name] <= parameter.high
    assert min(inside.values()) >= 0.9 * REPEATS
