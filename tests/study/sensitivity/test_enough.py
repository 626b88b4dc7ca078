"""Where more of a figure stops to pay, of curves whose answer is known."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.study.sensitivity.enough import CLOSE, PRECISION, factor_of


@given(rest=st.floats(0.01, 1.0), moved=st.floats(0.01, 1.0))
@settings(deadline=None, max_examples=50)
def test_what_is_added_must_be_a_twentieth_of_the_rest(rest, moved):
    found, least = factor_of(lambda speed: rest + moved / speed)
    exact = moved / (CLOSE * rest)
    assert exact / PRECISION < found < exact * PRECISION**2
    assert least == pytest.approx(rest / (rest + moved), rel=1e-3)


@given(hidden=st.floats(0.01, 100.0))
@settings(deadline=None, max_examples=50)
def test_what_is_hidden_must_be_as_fast_as_what_hides_it(hidden):
    found, least = factor_of(lambda speed: max(1.0, hidden / speed))
    assert found == pytest.approx(hidden / (1.0 + CLOSE), rel=PRECISION - 1.0)
    assert least == pytest.approx(min(1.0, 1.0 / hidden))


def test_what_never_matters_is_enough_at_no_value():
    assert factor_of(lambda _: 1.0) == (None, 1.0)
