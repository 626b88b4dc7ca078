"""Pareto fronts against their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.study.pareto import BLOCK, front


def by_definition(points):
    values = np.asarray(points, dtype=float)
    return [
        number
        for number, row in enumerate(values)
        if not np.isnan(row).any()
        and not ((values <= row).all(axis=1) & (values < row).any(axis=1)).any()
    ]


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(
                st.integers(0, 4) | st.sampled_from([np.nan, np.inf]),
                min_size=width,
                max_size=width,
            ),
            min_size=1,
            max_size=40,
        )
    )
)
@settings(deadline=None, max_examples=300)
def test_no_point_is_better_in_all(points):
    assert front(points).tolist() == by_definition(points)


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize("opposed", [False, True])
def test_many_points(objectives, opposed):
    points = np.random.default_rng(1).random((3 * BLOCK + 7, objectives))
    if opposed:  # all on a plane: nearly every point is on the front
        points /= points.sum(axis=1, keepdims=True)
    found = front(points)
    assert found.tolist() == by_definition(points)
    assert not opposed or len(found) > len(points) / 2


def test_equal_points_stay_together():
    assert front([[1, 1]] * 3 + [[2, 2]] * 2).tolist() == [0, 1, 2]


def test_a_front_is_its_own_front():
    points = np.random.default_rng(2).random((500, 3))
    once = points[front(points)]
    assert len(front(once)) == len(once)


def test_nothing_known_is_an_empty_front():
    assert front([[np.nan, 1.0]]).size == 0
    assert front(np.empty((0, 2))).size == 0


@pytest.mark.parametrize("points", [[1.0, 2.0], np.empty((3, 0)), np.empty((3, 5))])
def test_another_shape_is_refused(points):
    with pytest.raises(InputError, match="1 to 4 objectives"):
        front(points)
