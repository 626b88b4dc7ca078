"""Which devices are simulated, and who shares a collective."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.plan import Plan
from hwsim.parallel.ranks import seats

AXES = ("tp", "cp", "dp", "pp")


@st.composite
def plans(draw):
    degrees = {axis: draw(st.sampled_from([1, 2, 3])) for axis in AXES}
    replicas = degrees["dp"] * degrees["cp"]
    ep = draw(st.sampled_from([n for n in range(1, 10) if replicas % n == 0]))
    return Plan(**degrees, ep=ep, placement=tuple(draw(st.permutations(AXES))))


@given(plans())
@settings(deadline=None, max_examples=60)
def test_every_rank_is_simulated_once(plan):
    ranks = [seat.device for seat in seats(plan, everyone=True)]
    assert sorted(ranks) == list(range(plan.devices))
    alone = seats(plan, everyone=False)
    assert [seat.stage for seat in alone] == list(range(plan.pp))
    assert {seat.device for seat in alone} <= set(ranks)


@pytest.mark.parametrize("axis", ["tp", "cp", "ep", "sum", "expert sum"])
@given(plan=plans())
@settings(deadline=None, max_examples=40)
def test_circles_part_the_devices_in_groups_of_one_size(axis, plan):
    size = {
        "tp": plan.tp,
        "cp": plan.cp,
        "ep": plan.ep,
        "sum": plan.dp * plan.cp,
        "expert sum": plan.dp * plan.cp // plan.ep,
    }[axis]
    circles = [seat.circle(plan, axis) for seat in seats(plan, everyone=True)]
    assert {circle.members for circle in circles} == {size}
    assert set(Counter(circle.name for circle in circles).values()) == {size}


@given(plans())
@settings(deadline=None, max_examples=40)
def test_devices_with_the_same_experts_and_those_that_share_them_cross(plan):
    found = seats(plan, everyone=True)
    pairs = {(s.circle(plan, "ep").name, s.circle(plan, "expert sum").name) for s in found}
    assert len(pairs) == plan.devices


@given(plans())
@settings(deadline=None, max_examples=40)
def test_the_same_place_on_another_stage(plan):
    for seat in seats(plan, everyone=True):
        there = seat.on(plan, (seat.stage + 1) % plan.pp)
        (other,) = [one for one in seats(plan, everyone=True) if one.device == there]
        assert (other.tp, other.cp, other.dp) == (seat.tp, seat.cp, seat.dp)
        assert other.stage == (seat.stage + 1) % plan.pp
