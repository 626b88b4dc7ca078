"""Longest paths at many points: the same as the plain wave's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel import closed
from hwsim.parallel.closed import Passes
from hwsim.parallel.regions import Region, Regions

POINTS = 400
ORDERS = [("1f1b", 1), ("interleaved", 2), ("zero-bubble", 1), ("gpipe", 1)]


@pytest.mark.parametrize(("schedule", "virtual"), ORDERS)
@given(
    seed=st.integers(0, 10**6),
    stages=st.integers(2, 5),
    rounds=st.integers(1, 4),
    hops=st.sampled_from([0.0, 0.05, 1.0]),
)
@settings(deadline=None, max_examples=8)
def test_points_that_are_alike_have_the_ends_of_each_alone(
    schedule, virtual, seed, stages, rounds, hops
):
    random = np.random.default_rng(seed)
    kinds = [0, *[1] * (stages * virtual - 2), 2]
    base = random.uniform(0.9, 1.2, (3, 1)) * random.uniform(0.5, 2.0, POINTS)
    forward, backward, weights = (
        (share * base + random.uniform(0.0, 0.05, (3, 1)))[kinds] for share in (1.0, 1.1, 0.9)
    )
    hop = np.broadcast_to(hops * random.uniform(0.5, 2.0, POINTS), (stages, POINTS))
    passes = Passes(forward, backward, weights)
    given_ = (schedule, stages, stages * rounds, passes)
    together = closed.gradients(*given_, virtual=virtual, hop=hop, alike=True)
    alone = closed.gradients(*given_, virtual=virtual, hop=hop)
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_axes_of_points_are_kept():
    forward = np.linspace(1.0, 2.0, 20)[:, None] * np.ones((4, 1, 1))
    hop = np.linspace(0.0, 0.5, 9) * np.ones((4, 1, 1))
    found = closed.gradients("1f1b", 4, 8, Passes(*3 * [forward]), hop=hop, alike=True)
    assert found.shape == (4, 20, 9)
    one = closed.gradients("1f1b", 4, 8, Passes(*3 * [forward[:, 3]]), hop=hop[:, :, 5])
    np.testing.assert_allclose(found[:, 3, 5], one[:, 0], rtol=1e-12)


def test_a_region_is_taken_where_its_guards_hold_and_nowhere_else():
    solved = []

    def greatest(values):
        solved.append(values)
        first = int(np.argmax(values))
        form = np.eye(2)[[first]]
        return Region(form, form - np.eye(2)[[1 - first]])

    random = np.random.default_rng(1)
    values = random.uniform(0.0, 1.0, (2, 5000))
    found = Regions(greatest).at(values, lambda some: some.max(axis=0, keepdims=True))
    np.testing.assert_array_equal(found[0], values.max(axis=0))
    assert len(solved) == 2
