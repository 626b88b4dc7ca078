"""Forms in logarithms: their derivatives, and that they are those which predict."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.converge.fitting.forms import Shape
from hwsim.convergence.forms import batch_factor, pole_form, power_plateau

FORMS = ("power", "power-plateau", "pole")


def shape(made, form):
    rows = made.synthetic(batches=(16.0, 64.0), critical=50.0, seeds=1)
    return Shape(form, rows, made.center)


@pytest.mark.parametrize("form", FORMS)
def test_derivatives_are_those_of_the_form(made, form):
    laid = shape(made, form)
    theta = laid.starts(5, seed=1)
    logs, slopes = laid.logs(theta)
    assert slopes.shape == (*logs.shape, laid.size)
    for i in range(laid.size):
        away = theta.copy()
        away[:, i] += 1e-6
        moved = (laid.logs(away)[0] - logs) / 1e-6
        assert slopes[..., i] == pytest.approx(moved, abs=1e-4, rel=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_logarithms_are_those_of_the_form_that_predicts(made, form):
    laid = shape(made, form)
    theta = laid.starts(3, seed=2)
    model, data = laid.rows.model / made.center[0], laid.rows.data / made.center[1]
    for logs, (log_a, k1, k2, last, critical) in zip(
        laid.logs(theta)[0], laid.told(theta), strict=True
    ):
        if form == "pole":
            steps = pole_form(model, data, np.exp(log_a), k1, k2, last / made.center[0])
        else:
            steps = power_plateau(model, data, np.exp(log_a), k1, k2, last)
        factors = [batch_factor(batch, critical, made.center[2]) for batch in laid.rows.batch]
        assert np.exp(logs) == pytest.approx(steps * np.array(factors))


@pytest.mark.parametrize("form", FORMS)
def test_starts_lie_within_the_bounds(made, form):
    laid = shape(made, form)
    low, high = laid.bounds()
    starts = laid.starts(20, seed=3)
    assert ((starts >= low) & (starts <= high)).all()
    assert np.array_equal(starts, laid.starts(20, seed=3))


def test_what_was_not_varied_has_no_exponent(made):
    rows = made.synthetic(data=made.data[:1])
    low, high = Shape("power", rows, made.center).bounds()
    assert low[1] == high[1] == 0.0
