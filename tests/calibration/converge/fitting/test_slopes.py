"""Slopes of log-steps against log-size."""

from __future__ import annotations

import pytest

pytest.importorskip("scipy")

from calibration.converge.fitting.slopes import slopes


def test_slopes_fall_with_size_and_hold_the_truth(made):
    table = slopes(made.synthetic(b=0.0))
    assert [data for data, *_ in table] == pytest.approx(made.data)
    for _, slope, half, count in table:
        assert slope < 0.0 < half
        assert abs(slope + 0.5) < 1.5 * half
        assert count == len(made.models) * 3


def test_slopes_are_those_of_one_batch(made):
    rows = made.synthetic(b=0.0, batches=(8.0, 32.0), critical=64.0)
    for row, alone in zip(slopes(rows), slopes(rows.take(rows.batch == 8.0)), strict=True):
        assert row == alone


def test_slopes_leave_out_what_is_censored_or_too_little(made):
    rows = made.synthetic(b=0.0, seeds=1)
    rows.censored[rows.data == made.data[0]] = True
    rows.censored[0] = False
    assert [round(data) for data, *_ in slopes(rows)] == [round(d) for d in made.data[1:]]
