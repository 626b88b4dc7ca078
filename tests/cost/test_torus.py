"""Shapes of tori."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.torus import across, crowding, sides, spanned


@given(st.integers(2, 10**5), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_a_box_holds_all_members_and_no_axis_is_idle(members, dimensions):
    found = sides(members, dimensions)
    assert math.prod(found) >= members
    assert len(found) == spanned(members, dimensions)
    assert min(found) >= 2
    assert math.prod(side - 1 for side in found) < members


@pytest.mark.parametrize("side", [2, 4, 7, 16, 100])
def test_a_cube_is_a_cube(side):
    assert sides(side**3, 3) == (side,) * 3


@given(st.integers(2, 40), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_a_longer_torus_is_more_crowded(side, dimensions):
    each, longer = (side,) * dimensions, (side + 1,) * dimensions
    own = 2 * dimensions
    found = [crowding(math.prod(box), across(box), own) for box in (each, longer)]
    assert 1 <= found[0] <= found[1] + 1 / side
