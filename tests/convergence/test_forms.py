"""The forms of laws, at their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.forms import batch_factor, pole_form, power_plateau


def test_without_plateau_the_form_is_a_power_law():
    ratio = power_plateau(40.0, 1.0, 100.0, 0.7, 0.5, 0.0) / power_plateau(
        10.0, 1.0, 100.0, 0.7, 0.5, 0.0
    )
    assert ratio == pytest.approx(4.0**-0.5)
    assert power_plateau(1.0, 8.0, 100.0, 0.7, 0.5, 0.0) == pytest.approx(100.0 * 8.0**0.7)


def test_a_large_model_ends_on_the_plateau():
    assert power_plateau(1e30, 1.0, 100.0, 0.7, 0.5, 33.0) == pytest.approx(33.0)


def test_arrays_broadcast():
    found = power_plateau(np.ones((3, 1)), np.ones(2), 100.0, 0.7, 0.5, 1.0)
    assert found.shape == (3, 2)


@settings(deadline=None, max_examples=30)
@given(pole=st.floats(0.01, 1.0), ratio=st.floats(1.5, 100.0), k2=st.floats(0.2, 2.0))
def test_above_its_pole_a_form_falls_to_its_plateau(pole, ratio, k2):
    near, far = (pole_form(pole * times, 1.0, 100.0, 0.7, k2, pole) for times in (ratio, 2 * ratio))
    assert near > far > 100.0


def test_at_and_below_its_pole_a_form_is_large_and_finite():
    at, below = (pole_form(model, 1.0, 1.0, 0.7, 0.5, 2.0) for model in (2.0, 1.0))
    assert at == below == pytest.approx(1000.0)


@settings(deadline=None, max_examples=30)
@given(batch=st.floats(1.0, 1e4), critical=st.floats(0.0, 1e4))
def test_a_larger_batch_saves_steps_but_never_samples(batch, critical):
    one, two = (batch_factor(size, critical, 32.0) for size in (batch, 2.0 * batch))
    assert two <= one
    assert 2.0 * two >= one * (1.0 - 1e-12)
