"""Effects and their intervals, on data whose effect is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy")

from calibration.reproduce.effects import Rows, resampled, seeded, slopes

SIZES = np.repeat(np.log(np.geomspace(1e4, 1e6, 6)), 2)


def rows(slope, noise=0.05, groups=2, bounds=None):
    """Two groups a factor of e apart, cells of two."""
    random = np.random.default_rng(3)
    x = np.tile(SIZES, groups)
    group = np.repeat(np.arange(groups), len(SIZES))
    y = slope * x + group + noise * random.standard_normal(len(x))
    cells = list(zip(group, x, strict=True))
    return Rows(y, list(group), cells, np.zeros(len(x), bool) if bounds is None else bounds), x


@settings(deadline=None, max_examples=5)
@given(st.floats(-2.0, 2.0))
def test_a_known_slope_is_within_its_interval(slope):
    made, x = rows(slope)
    found = slopes(made, {"size": x})["size"]
    assert found.value == pytest.approx(slope, abs=0.05)
    assert found.low <= slope <= found.high
    assert found.high - found.low < 0.1


def test_a_lower_bound_does_not_pull_down():
    made, x = rows(-0.5)
    cut = x == x.min()
    y = np.where(cut, made.y - 1.0, made.y)
    stopped = Rows(y, made.groups, made.cells, cut)
    assert slopes(stopped, {"size": x})["size"].value == pytest.approx(-0.5, abs=0.05)
    trusted = Rows(y, made.groups, made.cells, np.zeros(len(y), bool))
    assert slopes(trusted, {"size": x})["size"].value > -0.46


def test_what_only_differs_between_groups_has_no_effect():
    made, x = rows(-0.5)
    assert slopes(made, {"group": np.array(made.groups, dtype=float)}) == {}
    assert slopes(made, {"size": x, "twice": 2.0 * x}) == {}


def test_the_luck_of_seeds_is_pooled():
    random = np.random.default_rng(5)
    cells = {key: list(np.exp(0.1 * random.standard_normal(4))) for key in range(40)}
    cells[40] = [1.0]
    found = seeded(cells, lambda table: table[40])
    assert found.value == 1.0
    assert math.log(found.high / found.low) == pytest.approx(4 * 0.1, rel=0.3)


def test_without_seeds_nothing_is_known_of_the_interval():
    found = seeded({1: [2.0], 2: [8.0]}, lambda table: table[2] / table[1])
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_cells_are_drawn_whole():
    found = resampled([[0.0, 0.0], [1.0, 1.0]], lambda drawn: float(np.mean(drawn)))
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)
