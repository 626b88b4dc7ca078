"""The step of the target, on curves whose crossing is known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.target import Target, crossing, crossing_of_loss, smoothed

PATIENCE = 1.5


def valley(steps, *, floor=2.0, depth=0.5, width=4.0, at=1000.0):
    """A loss with its minimum `floor` at step `at`, quadratic in the distance in log-steps."""
    return floor * (1.0 + depth * (np.log(steps / at) / width) ** 2)


def test_smoothing_is_a_centered_mean():
    assert smoothed([6.0, 3.0, 0.0, 3.0, 9.0]).tolist() == [4.5, 3.0, 2.0, 4.0, 6.0]


def test_smoothing_of_one_evaluation_is_that_evaluation():
    assert smoothed([2.5]).tolist() == [2.5]


def test_crossing_is_interpolated_in_log_steps():
    # Smoothed: 4, 4, 4, 2.5, 1, 1, 1, ...; the line is at 2, two thirds down from 2.5 to 1.
    steps = [10 * 2**i for i in range(9)]
    losses = [4.0, 4.0, 4.0, 4.0, 4.0, -0.5, -0.5, 4.0, 4.0]
    curve = smoothed(losses)
    assert curve[4:7].tolist() == [2.5, 1.0, 1.0]
    found = crossing(steps, losses, patience=PATIENCE, within=1.0)
    assert found.minimum == 1.0
    assert found.minimum_steps == 320
    assert found.steps == pytest.approx(160 * 2 ** (0.5 / 1.5))


def test_one_lucky_evaluation_is_not_the_minimum():
    steps = list(range(100, 1100, 100))
    lucky = [3.0, 2.0, 1.6, 3.0, 2.4, 2.0, 1.8, 1.8, 1.8, 1.9]
    found = crossing(steps, lucky, patience=1.1)
    assert found.minimum_steps == 800
    assert found.minimum == pytest.approx(1.8)


def test_a_run_that_begins_within_the_target_meets_it_at_its_first_evaluation():
    found = crossing([20, 25, 30, 40], [1.0, 1.0, 1.0, 1.0], patience=PATIENCE)
    assert found.steps == 20


@pytest.mark.parametrize(("last", "censored"), [(1499, True), (1500, False)])
def test_a_run_is_censored_until_patience_is_over(last, censored):
    steps = [100, 500, 900, 1000, 1100, last]
    losses = [9.0, 5.0, 2.0, 2.0, 2.0, 5.0]
    found = crossing(steps, losses, patience=PATIENCE)
    assert found.minimum_steps == 1000
    assert found.censored is censored


def test_a_loss_still_falling_is_censored():
    steps = [100, 200, 400, 800]
    assert crossing(steps, [4.0, 3.0, 2.0, 1.0], patience=PATIENCE).censored


def test_a_run_that_diverges_counts_up_to_there():
    steps = [100, 200, 400, 800, 1600]
    whole = crossing(steps[:4], [4.0, 3.0, 2.0, 2.0], patience=PATIENCE)
    for end in (math.nan, math.inf):
        assert crossing(steps, [4.0, 3.0, 2.0, 2.0, end], patience=PATIENCE) == whole


def test_a_run_that_diverges_at_once_is_censored_there():
    found = crossing([20, 40], [math.nan, math.nan], patience=PATIENCE)
    assert found.steps == 20
    assert found.censored


@settings(deadline=None, max_examples=50)
@given(
    growth=st.floats(1.03, 1.3),
    parts=st.integers(2, 6),
    depth=st.floats(0.2, 3.0),
    at=st.floats(300.0, 3000.0),
)
def test_more_evaluations_move_the_crossing_by_less_than_the_spacing(growth, parts, depth, at):
    found = []
    for ratio in (growth, growth ** (1.0 / parts)):
        count = int(math.log(500.0) / math.log(ratio))
        steps = 20.0 * ratio ** np.arange(count)
        found.append(crossing(steps, valley(steps, depth=depth, at=at), patience=1.05))
    assert abs(math.log(found[0].steps / found[1].steps)) < math.log(growth)


@settings(deadline=None, max_examples=50)
@given(scale=st.floats(1e-3, 1e3), depth=st.floats(0.2, 3.0))
def test_the_unit_of_the_loss_does_not_matter(scale, depth):
    steps = 20.0 * 1.05 ** np.arange(120)
    losses = valley(steps, depth=depth)
    ours = crossing(steps, losses, patience=PATIENCE)
    theirs = crossing(steps, scale * losses, patience=PATIENCE)
    assert theirs.steps == pytest.approx(ours.steps, rel=1e-6)
    assert theirs.minimum_steps == ours.minimum_steps
    assert theirs.censored == ours.censored


def test_a_wider_target_is_met_earlier():
    steps = 20.0 * 1.05 ** np.arange(120)
    met = [
        crossing(steps, valley(steps), patience=PATIENCE, within=share).steps
        for share in (0.005, 0.01, 0.02, 0.1)
    ]
    assert met == sorted(met, reverse=True)


def test_a_loss_that_hardly_creeps_on_has_met_its_minimum():
    steps = 20.0 * 1.05 ** np.arange(150)
    assert not crossing(steps, 2.0 + 10.0 / steps, patience=PATIENCE).censored
    assert crossing(steps, 2.0 + 5.0 / np.sqrt(steps), patience=PATIENCE).censored


def test_an_absolute_loss_is_met_where_the_curve_crosses_it():
    steps = 20.0 * 1.05 ** np.arange(120)
    losses = valley(steps, depth=1.0)
    where = crossing_of_loss(steps, losses, 2.5)
    assert valley(np.array([where]), depth=1.0)[0] == pytest.approx(2.5, rel=2e-3)
    assert crossing_of_loss(steps, losses, 1.9) is None


@pytest.mark.parametrize(
    ("loss", "last", "how"),
    [(2.5, 120, "met"), (1.9, 120, "never"), (1.9, 70, "censored"), (2.5, 70, "met")],
)
def test_a_run_meets_a_loss_or_ends_before_or_never_does(loss, last, how):
    steps = (20.0 * 1.05 ** np.arange(last)).round().astype(int).tolist()
    met = Target("absolute_loss", loss).met(steps, valley(np.array(steps), depth=1.0), PATIENCE)
    assert met.how == how
    assert how == "met" or met.steps == steps[-1]


def test_the_papers_target_is_met_where_it_crosses_one_percent():
    steps = (20.0 * 1.05 ** np.arange(120)).round().astype(int).tolist()
    losses = valley(np.array(steps))
    met = Target().met(steps, losses, PATIENCE)
    assert met.steps == crossing(steps, losses, patience=PATIENCE).steps
    assert met.how == "met"


def test_a_target_in_words():
    assert str(Target(value=2.5)) == "validation loss within 2.5% of the run's own minimum"
    assert str(Target("absolute_loss", 1.75)) == "validation loss of 1.75"
