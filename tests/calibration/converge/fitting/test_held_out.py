"""What the largest size costs when it is left out."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from calibration.converge.fitting.held_out import left_out, seed_noise


def test_a_true_power_law_extrapolates_well(made):
    rows = made.synthetic(b=0.0, noise=0.02)
    for axis, size in (("model", made.models[-1]), ("data", made.data[-1])):
        found = left_out(rows, made.center, "power", axis)
        assert found.size == pytest.approx(size)
        assert found.error < 0.03
        assert found.per_fold < 0.03


def test_a_plateau_that_the_form_lacks_costs(made):
    rows = made.synthetic()
    without, with_it = (
        left_out(rows, made.center, form, "model") for form in ("power", "power-plateau")
    )
    assert without.per_fold > 0.05
    assert with_it.error < 0.5 * without.error


def test_the_largest_batch_is_predicted_from_the_others(made):
    rows = made.synthetic(batches=(8.0, 32.0, 128.0), critical=64.0, seeds=1, b=0.0)
    found = left_out(rows, made.center, "power", "batch")
    assert (found.size, found.runs) == (128.0, 24)
    assert found.error < 0.1


def test_too_little_is_no_error(made):
    rows = made.synthetic(data=made.data[:2])
    assert left_out(rows, made.center, "power", "data") is None
    assert left_out(rows, made.center, "power", "batch") is None
    late = made.synthetic()
    late.censored[late.model == made.models[-1]] = True
    assert left_out(late, made.center, "power", "model") is None


def test_seed_noise_is_that_within_cells(made):
    assert seed_noise(made.synthetic(noise=0.08)) == pytest.approx(0.08, rel=0.2)
    assert seed_noise(made.synthetic(seeds=1)) is None
    rows = made.synthetic(noise=0.0)
    rows.censored[::3] = True
    assert seed_noise(rows) == pytest.approx(0.0, abs=1e-12)
    assert np.isfinite(rows.steps).all()
