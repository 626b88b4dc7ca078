"""Many problems side by side give what each gives alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from calibration.converge.fitting.forms import Shape
from calibration.converge.fitting.solve import Robust, residuals, solve

ROBUST = Robust("soft_l1", 0.1)


def test_the_minimum_is_that_of_scipy(made):
    laid = Shape("power-plateau", made.synthetic(), made.center)
    start = laid.starts(1, seed=4)
    low, high = laid.bounds()
    theirs = least_squares(
        lambda theta: residuals(laid, theta[None])[0][0],
        start[0],
        bounds=(low, high),
        loss="soft_l1",
        f_scale=0.1,
    )
    ours = solve(laid, start, ROBUST)
    assert ours.theta[0] == pytest.approx(theirs.x, rel=1e-3)
    assert ours.cost[0] == pytest.approx(theirs.cost, rel=1e-6)


def test_problems_do_not_disturb_each_other(made):
    laid = Shape("power-plateau", made.synthetic(), made.center)
    starts = laid.starts(6, seed=5)
    counts = np.random.default_rng(0).integers(0, 3, (6, len(laid.rows))).astype(float)
    together = solve(laid, starts, ROBUST, counts=counts)
    for i in range(6):
        alone = solve(laid, starts[[i]], ROBUST, counts=counts[i])
        assert together.theta[i] == pytest.approx(alone.theta[0], abs=1e-9)


def test_a_row_counted_twice_is_two_rows(made):
    rows = made.synthetic(seeds=1)
    twice = rows.take(np.append(np.arange(len(rows)), 3))
    counts = np.ones(len(rows))
    counts[3] = 2.0
    laid, longer = (Shape("power", one, made.center) for one in (rows, twice))
    start = laid.starts(1, seed=6)
    counted = solve(laid, start, ROBUST, counts=counts)
    assert counted.theta == pytest.approx(solve(longer, start, ROBUST).theta, abs=1e-6)


def test_a_parameter_between_equal_bounds_stays(made):
    laid = Shape("power", made.synthetic(), made.center)
    low, high = laid.bounds()
    low[2] = high[2] = 0.3
    found = solve(laid, laid.starts(3, seed=7), ROBUST, bounds=(low, high))
    assert (found.theta[:, 2] == 0.3).all()
    assert np.ptp(found.theta, axis=0) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("loss", ["soft_l1", "cauchy"])
def test_weights_are_the_slope_of_the_loss(loss):
    robust, at = Robust(loss, 0.2), np.linspace(-2.0, 2.0, 41)
    slope = (robust.cost(at + 1e-6) - robust.cost(at - 1e-6)) / 2e-6
    assert robust.weights(at) * at == pytest.approx(slope, abs=1e-8)
