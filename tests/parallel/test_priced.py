"""Seconds by what bounds them, and what sums of them hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.priced import NOTHING, Pass, PricedLayer, PricedOp, Seconds, total

seconds = st.builds(Seconds, *[st.floats(0.0, 10.0)] * 5)


@given(st.lists(seconds, max_size=5))
@settings(deadline=None, max_examples=40)
def test_a_sum_has_the_parts_of_all(many):
    found = total(many)
    for number, part in enumerate(found):
        assert part == pytest.approx(sum(one[number] for one in many))
    assert found.total == pytest.approx(sum(one.total for one in many))


@given(seconds)
@settings(deadline=None, max_examples=40)
def test_work_has_the_same_seconds_and_the_mean_spread(one):
    work = one.work()
    assert work.seconds == one.total
    assert sum(part for _, part in work.parts) == pytest.approx(one.total)
    assert all(part for _, part in work.parts)
    assert work.spread * one.total == pytest.approx(one.doubt if one.total else 0.0)


def test_nothing_takes_no_time():
    assert NOTHING.work().parts == ()
    assert total([]) == NOTHING


def test_a_wait_is_booked_to_launches():
    one = Pass(Seconds(compute=1.0, launch=0.5, doubt=0.1), issue=9.0)
    later = one.later(2.0)
    assert later.computed == Seconds(compute=1.0, launch=2.5, doubt=0.1)
    assert later.issue == 9.0
    assert one.seconds.total == 1.5


def test_a_layer_computes_again_before_its_gradients():
    one, two, four, eight = (Pass(Seconds(compute=float(n))) for n in (1, 2, 4, 8))
    ops = (
        PricedOp("a", one, two, four, eight, gradients=3.0, expert_gradients=0.0),
        PricedOp("b", one, two, four, None, gradients=1.0, expert_gradients=5.0),
    )
    layer = PricedLayer("layer", ops, sent=0.0, saved=0.0, replicated=0.0, tied=0.0)
    assert (layer.forward.total, layer.inputs.total, layer.weights.total) == (2.0, 12.0, 8.0)
    assert layer.seconds == 22.0
    assert (layer.gradients, layer.expert_gradients) == (4.0, 5.0)
