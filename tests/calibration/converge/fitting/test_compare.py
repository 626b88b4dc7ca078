"""Two campaigns against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy")

from calibration.converge.fitting.compare import compare


def holds(estimate, truth):
    return estimate.low <= truth <= estimate.high


def test_fewer_steps_and_a_steeper_slope_are_seen(made):
    slow = made.synthetic(b=0.0, k2=0.4)
    fast = made.synthetic(seed=1, a=200.0, b=0.0, k2=0.55)
    found = compare(slow, fast, resamples=100)
    assert found.sign == -1
    assert holds(found.ratio, 0.5)
    assert holds(found.difference, 0.15)
    assert holds(found.first, 0.4)
    assert holds(found.second, 0.55)
    assert (found.cells, found.left_out) == (24, 0)
    assert compare(fast, slow, resamples=100).ratio.value == pytest.approx(1 / found.ratio.value)


def test_the_same_campaign_has_no_sign(made):
    found = compare(made.synthetic(), made.synthetic(seed=1), resamples=100)
    assert found.sign == 0
    assert holds(found.ratio, 1.0)
    assert holds(found.difference, 0.0)


def test_only_common_cells_count(made):
    first = made.synthetic(models=made.models[:4])
    second = made.synthetic(seed=1, models=made.models[2:])
    assert compare(first, second, resamples=20).cells == 8
    assert compare(first, made.synthetic(models=made.models[4:]), resamples=20) is None


def test_cells_that_met_nothing_are_left_out(made):
    first, second = made.synthetic(), made.synthetic(seed=1)
    second.censored[second.cells()[0]] = True
    found = compare(first, second, resamples=20)
    assert (found.cells, found.left_out) == (23, 1)


def test_depths_are_matched_by_width_and_one_width_has_no_slope(made):
    shallow = made.synthetic(models=made.models[:1], b=0.0)
    deep = made.synthetic(seed=1, models=made.models[:1], b=0.0)
    deep = replace(deep, model=3.0 * deep.model, steps=0.7 * deep.steps)
    found = compare(shallow, deep, resamples=100)
    assert found.sign == -1
    assert holds(found.ratio, 0.7)
    assert found.first is found.second is found.difference is None
    assert np.isfinite([found.ratio.low, found.ratio.high]).all()
