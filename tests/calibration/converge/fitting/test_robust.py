"""The fit of one form, on steps whose law is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy")

from calibration.converge.fitting.robust import fit, spread

K1, K2 = 0.7, 0.5


def theta(rows, center, form="power-plateau"):
    return fit(rows, center, form).told


@pytest.mark.parametrize("run", [0, 20, 40, 71])
def test_one_stray_run_does_not_move_the_exponent(made, run):
    rows = made.synthetic()
    before = theta(rows, made.center)
    rows.steps[run] *= 5.0
    assert theta(rows, made.center) == pytest.approx(before, rel=0.06)


def test_one_run_in_ten_twice_as_slow_does_not_move_the_level(made):
    rows = made.synthetic(b=0.0, noise=0.02)
    rows.steps[::10] *= 2.0
    log_a, k1, k2, _ = theta(rows, made.center, "power")
    assert np.exp(log_a) == pytest.approx(400.0, rel=0.01)
    assert (k1, k2) == (pytest.approx(K1, abs=0.01), pytest.approx(K2, abs=0.01))


def test_censored_runs_only_push_from_below(made):
    rows = made.synthetic(b=0.0)
    slow = rows.steps > np.quantile(rows.steps, 0.8)
    bounds = replace(rows, steps=np.where(slow, 0.6, 1.0) * rows.steps, censored=slow)
    truth = theta(rows.take(~slow), made.center, "power")
    assert theta(bounds, made.center, "power") == pytest.approx(truth, abs=0.01)
    mistaken = replace(bounds, censored=~slow & slow)
    assert theta(mistaken, made.center, "power")[2] < truth[2] - 0.03


def test_censored_runs_above_the_form_do_push(made):
    rows = made.synthetic(b=0.0, noise=0.01)
    slow = rows.steps > np.quantile(rows.steps, 0.8)
    late = replace(rows, steps=np.where(slow, 1.1, 1.0) * rows.steps, censored=slow)
    truth = theta(rows.take(~slow), made.center, "power")
    assert theta(late, made.center, "power")[2] > truth[2] + 0.005


def test_without_a_plateau_it_is_zero(made):
    assert theta(made.synthetic(), made.center, "power")[3] == 0.0


def test_a_known_pole_comes_back(made):
    rows = made.synthetic(noise=0.0, k2=0.0, b=0.0)
    pole = 2000.0
    rows = replace(rows, steps=rows.steps / (1.0 - (pole / rows.model) ** 0.4))
    found = fit(rows, made.center, "pole", absolute=True)
    assert np.exp(found.told[0]) == pytest.approx(400.0, rel=0.02)
    assert found.told[3] == pytest.approx(pole, rel=0.02)
    assert found.told[2] == pytest.approx(0.4, abs=0.02)


def test_only_an_absolute_loss_lets_steps_fall_with_data(made):
    rows = made.synthetic(k1=-0.3, b=0.0)
    assert theta(rows, made.center, "power")[1] == 0.0
    assert fit(rows, made.center, "power", absolute=True).told[1] == pytest.approx(-0.3, abs=0.05)


def test_residuals_are_measured_over_fitted(made):
    rows = made.synthetic(noise=0.0)
    rows.steps[5] *= np.exp(0.3)
    found = fit(rows, made.center, "power-plateau")
    assert found.residuals[5] == pytest.approx(0.3, abs=0.01)
    assert np.abs(np.delete(found.residuals, 5)).max() < 0.02


@pytest.mark.parametrize("form", ["power", "power-plateau", "pole"])
def test_a_fit_told_is_the_fit(made, form):
    rows = made.synthetic(batches=(16.0, 64.0), critical=50.0, seeds=1)
    found = fit(rows, made.center, form)
    assert np.log(rows.steps) - found.logs(rows) == pytest.approx(found.residuals, abs=1e-9)


def test_the_spread_is_not_set_by_one_stray():
    random = np.random.default_rng(0)
    normal = random.standard_normal(1000)
    assert spread(np.append(normal, 1e6)) == pytest.approx(1.0, rel=0.1)
