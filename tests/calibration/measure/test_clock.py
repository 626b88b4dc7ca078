"""The timer against a clock of its own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.measure.clock import LEAST, repeats_for, timed


class Machine:
    """Works that last what they say, times what disturbs the samples in their order."""

    def __init__(self, disturbances=()):
        self.disturbances = iter(disturbances)
        self.order = []

    def work(self, name, seconds):
        def sample(repeats):
            self.order.append(name)
            return repeats * seconds * next(self.disturbances, 1.0)

        return sample


def test_the_shortest_sample_counts_and_the_spread_is_kept():
    machine = Machine([1.0, 1.5, 1.0, 3.0, 1.2])
    (timing,) = timed([machine.work("a", 1.0)], 4)
    assert timing.seconds == pytest.approx(1.0)
    assert timing.spread == pytest.approx(2.0)


def test_works_take_turns():
    machine = Machine()
    timed([machine.work(name, 1.0) for name in "abc"], 3)
    assert machine.order == [*"abc", *"abc" * 3]  # each is looked at once before


def test_a_drift_hits_all_alike():
    slower = [1.0] * 2 + [factor for factor in (1.0, 1.1, 1.2) for _ in range(2)]
    machine = Machine(slower)
    first, second = timed([machine.work("a", 1.0), machine.work("b", 1.0)], 3)
    assert first == second


@settings(deadline=None, max_examples=50)
@given(st.floats(1e-9, 10.0), st.integers(1, 5))
def test_a_sample_is_long_and_never_much_longer(seconds, rounds):
    repeats = repeats_for(Machine().work("a", seconds))
    assert repeats * seconds >= LEAST
    assert repeats == 1 or repeats * seconds <= 2 * LEAST
    (timing,) = timed([Machine().work("a", seconds)], rounds)
    assert timing.seconds == pytest.approx(seconds)
    assert timing.spread == 0.0


def test_one_disturbed_look_makes_no_short_samples():
    assert repeats_for(Machine([15.0]).work("a", LEAST / 10)) == 10


def test_a_clock_that_stands_still_is_asked_for_more():
    seen = iter([0.0, 0.0])
    assert repeats_for(lambda repeats: next(seen, repeats * 1e-4)) >= 20
