"""Axes, their product, and how it is cut."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.study.sweep.axes import Axes, Choice, Drawn, Listed, Range
from hwsim.study.sweep.sobol import DIRECTIONS, MOST, sobol


def numbered(sizes, inner):
    """Axes whose texts are places."""
    axes = (
        Listed((f"a{n}",), (tuple(str(i) for i in range(size)),)) for n, size in enumerate(sizes)
    )
    return Axes(tuple(axes), min(inner, len(sizes)))


products = st.builds(
    numbered, st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 4)
)


@given(products, st.integers(1, 40), st.integers(1, 5))
@settings(deadline=None, max_examples=100)
def test_blocks_are_all_points_once_in_order(axes, most, groups):
    blocks = list(axes.blocks(most, groups))
    assert [first for first, _ in blocks] == [0, *(end for _, end in blocks[:-1])]
    assert blocks[-1][1] == axes.size
    assert all(0 < end - first <= most for first, end in blocks)


@given(products, st.integers(1, 40), st.data())
@settings(deadline=None, max_examples=100)
def test_a_box_has_the_points_between_its_ends(axes, most, data):
    group = data.draw(st.integers(0, axes.size // axes.group - 1)) * axes.group
    low = data.draw(st.integers(group, group + axes.group - 1))
    high = data.draw(st.integers(low + 1, group + axes.group))
    reached = low
    for first, end in axes.boxes(low, high, most):
        assert (first, end - first <= most) == (reached, True)
        reached = end
        spans = axes.spans(first, end)
        assert math.prod(span.size for span in spans) == end - first
        corner = {span.axis.paths[0]: str(span.first) for span in spans}
        assert axes.settings(first) == corner
        last = {span.axis.paths[0]: str(span.end - 1) for span in spans}
        assert axes.settings(end - 1) == last
    assert reached == high


def test_the_last_axis_changes_fastest():
    axes = numbered([2, 3], 0)
    assert [tuple(axes.settings(n).values()) for n in range(4)] == [
        ("0", "0"),
        ("0", "1"),
        ("0", "2"),
        ("1", "0"),
    ]


@pytest.mark.parametrize("even", [False, True])
@given(st.integers(0, 5000), st.integers(1, 300), st.integers(1, 9), st.integers(0, 5))
@settings(deadline=None, max_examples=30)
def test_a_drawn_point_is_the_same_whoever_asks(even, first, number, paths, seed):
    names = tuple(f"p{n}" for n in range(paths))
    drawn = Drawn(names, (Range(1.0, 10.0, "", False),) * paths, 10_000, seed, even)
    together = drawn.places(first, first + number)
    assert ((together >= 0) & (together < 1)).all()
    alone = drawn.places(first + number - 1, first + number)
    assert (together[-1] == alone[0]).all()


def test_ranges_are_even_in_their_logarithm():
    places = np.linspace(0, 1, 3)
    assert Range(1.0, 100.0, " GB/s", False).texts(places) == ["1 GB/s", "10 GB/s", "100 GB/s"]
    assert Range(1.0, 1000.0, "", True).texts(places) == ["1", "32", "1000"]
    assert Choice(("x", "y")).texts(np.array([0.0, 0.49, 0.5, 0.99])) == ["x", "x", "y", "y"]


def test_sobol_begins_as_the_table_says():
    scipy = pytest.importorskip("scipy.stats.qmc")
    theirs = scipy.Sobol(MOST, scramble=False, bits=32).random(1024)
    assert (sobol(0, 1024, MOST) == theirs).all()


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_sobol_puts_one_point_in_each_part_of_a_power_of_two(seed):
    points = sobol(0, 256, MOST, seed)
    for column in points.T:
        assert sorted((column * 256).astype(int)) == list(range(256))
    pair = (points[:, :2] * 16).astype(int)
    assert len({tuple(cell) for cell in pair.tolist()}) == 256


def test_direction_numbers_are_odd_and_small():
    for degree, coefficients, numbers in DIRECTIONS:
        assert len(numbers) == degree
        assert coefficients < 2 ** max(degree - 1, 1)
        assert all(n % 2 == 1 and n < 2 ** (k + 1) for k, n in enumerate(numbers))
