"""Steps between the rows of a table."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.convergence.table import interpolated
from hwsim.errors import InputError

SIZES = np.array([400.0, 10.0, 100.0])


def test_a_power_law_comes_back_in_any_order():
    at = np.array([10.0, 20.0, 399.0])
    assert interpolated(at, SIZES, 5000.0 / SIZES) == pytest.approx(5000.0 / at)


def test_beyond_the_rows_only_if_asked():
    with pytest.raises(InputError, match="outside of 10 to 400"):
        interpolated(500.0, SIZES, 5000.0 / SIZES)
    assert float(interpolated(500.0, SIZES, 5000.0 / SIZES, extrapolate=True)) == pytest.approx(10)


@pytest.mark.parametrize(
    ("sizes", "steps"),
    [([10.0], [5.0]), ([10.0, 10.0], [5.0, 6.0]), ([0.0, 1.0], [5.0, 6.0]), ([1, 2], [5, np.nan])],
)
def test_what_is_no_table(sizes, steps):
    with pytest.raises(InputError):
        interpolated(5.0, np.array(sizes), np.array(steps))
