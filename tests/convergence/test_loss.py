"""Published laws of the loss, their inverses and their poles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.loss import (
    BESIROGLU,
    HOFFMANN,
    KAPLAN,
    PUBLISHED,
    kaplan_critical,
    kaplan_steps,
    steps_at,
)


@settings(deadline=None, max_examples=50)
@given(
    law=st.sampled_from(list(PUBLISHED.values())), size=st.floats(1e6, 1e11), x=st.floats(1e3, 1e13)
)
def test_the_inverse_undoes_the_law(law, size, x):
    needed = float(law.needed(size, law.loss(size, x)))
    assert needed == pytest.approx(x, rel=1e-3)


@pytest.mark.parametrize("law", PUBLISHED.values(), ids=lambda law: law.name)
def test_the_pole_parts_sizes_that_never_arrive_from_those_that_do(law):
    smallest = float(law.smallest(3.0))
    sizes = smallest * np.array([0.5, 1.0 - 1e-9, 1.001, 2.0, 10.0, 1e3, 1e5])
    needed = law.needed(sizes, 3.0)
    assert np.isinf(needed[:2]).all()
    assert np.isfinite(needed[2:]).all()
    assert (np.diff(needed[2:]) < 0).all()
    assert needed[-1] > 0.5 * needed[-2]  # the plateau


def test_no_size_is_enough_below_the_entropy():
    assert float(HOFFMANN.smallest(1.6)) == np.inf
    assert float(HOFFMANN.needed(1e12, 1.6)) == np.inf


def test_kaplans_steps_at_a_loss_of_3_and_a_half():
    needed = KAPLAN.needed(np.array([1e7, 1e8, 1e9, 1e10, 1e11]), 3.5)
    assert needed == pytest.approx([24.7e3, 3.4e3, 1.7e3, 1.2e3, 0.9e3], rel=0.05)


def test_kaplans_critical_batch():
    assert kaplan_critical(np.array([4.0, 3.0, 2.5])) == pytest.approx(
        [0.27e6, 1.07e6, 2.55e6], rel=0.01
    )


def test_at_the_critical_batch_steps_double():
    critical = kaplan_critical(3.5)
    assert float(kaplan_steps(1e9, 3.5, critical)) == pytest.approx(
        2.0 * float(KAPLAN.needed(1e9, 3.5))
    )


def test_chinchillas_own_loss():
    assert float(HOFFMANN.loss(70e9, 1.4e12)) == pytest.approx(1.936, abs=0.002)
    assert float(BESIROGLU.loss(70e9, 1.4e12)) == pytest.approx(1.97, abs=0.03)


def test_a_law_says_whose_it_is():
    for name, law in PUBLISHED.items():
        assert law.name == name
        assert "arXiv" in law.citation
        assert law.sizes[0] < law.sizes[1]
        assert law.errors.keys() <= {"E", "A", "a", "B", "b"}


def test_steps_at_broadcasts():
    found = steps_at(np.array([2.0, 3.0]), np.array([[1.0], [2.5]]), 10.0, 1.0)
    assert found.tolist() == [[10.0, 5.0], [np.inf, 20.0]]
