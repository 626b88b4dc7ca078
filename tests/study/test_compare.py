"""Estimates against the first: differences, intervals, reasons, and those read from files."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.law import interval
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.overheads import Overheads
from hwsim.parallel.plan import Plan
from hwsim.study import compare
from hwsim.study.saved import read
from hwsim.study.total import draws
from workloads.charlm import CharLM

VOLTA, HOPPER = catalog.load("volta"), catalog.load("hopper")
SMALL = estimate(VOLTA, CharLM(hidden=64))
WIDE = estimate(VOLTA, CharLM(hidden=128))
ELSEWHERE = estimate(HOPPER, CharLM(hidden=64))
SPREAD = estimate(VOLTA, CharLM(hidden=64), Plan(dp=4))


def saved(answer):
    return read(json.dumps(answer.record()), "saved.json")


def timed(answer, seconds, *, fits=True):
    total = answer.total.model_copy(update={"seconds": seconds})
    memory = answer.memory.model_copy(update={"fits": fits})
    return answer.model_copy(update={"total": total, "memory": memory})


def test_causes_sum_to_the_difference_of_the_total():
    held = estimate(VOLTA, CharLM(hidden=128), Plan(dp=2), overheads=Overheads(startup=60.0))
    for other in (WIDE, SPREAD, held):
        found = compare.against(SMALL, other)
        assert sum(found.causes.values()) == pytest.approx(found.total.value)
    assert compare.against(SMALL, SPREAD).causes["number of steps"] == pytest.approx(0.0, abs=1e-9)
    assert compare.against(SMALL, WIDE).causes["number of steps"] < 0.0
    assert found.causes["startup"] == 60.0
    bare = SMALL.model_copy(update={"total": None})
    assert compare.against(bare, WIDE).causes == {}


def test_figures_that_both_know_are_subtracted():
    more = compare.against(SMALL, SPREAD).more
    assert more["devices"] == 3.0
    assert more["energy"] == SPREAD.energy.total.value - SMALL.energy.total.value
    assert more["total"] == SPREAD.total.seconds - SMALL.total.seconds
    assert "cost" not in compare.against(SMALL.model_copy(update={"cost": None}), SPREAD).more


@pytest.mark.parametrize("other", [WIDE, ELSEWHERE, SPREAD])
def test_parts_sum_to_the_difference_of_a_step(other):
    found = compare.against(SMALL, other)
    assert sum(found.parts.values()) == pytest.approx(found.step.value, abs=1e-12)
    assert found.step.value == other.step.seconds - SMALL.step.seconds
    assert found.step.ratio.value == other.step.seconds / SMALL.step.seconds
    assert found.total.value == other.total.seconds - SMALL.total.seconds


@pytest.mark.parametrize("other", [WIDE, ELSEWHERE, SPREAD])
def test_intervals_are_of_paired_draws(other):
    found = compare.against(SMALL, other)
    low, high = interval(draws(other) - draws(SMALL))
    assert (found.total.low, found.total.high) == pytest.approx(
        (min(low, found.total.value), max(high, found.total.value))
    )
    assert found.faster == np.mean(draws(other) < draws(SMALL))
    assert found.step.low <= found.step.value <= found.step.high


def test_nothing_differs_from_itself():
    found = compare.against(SMALL, SMALL)
    assert (found.step.low, found.step.high, found.total.low, found.total.high) == (0, 0, 0, 0)
    assert (found.fields, found.assumed, found.dropped, found.faster) == ({}, (), (), 0.0)


def test_turned_around_a_difference_changes_its_sign():
    there, back = compare.against(SMALL, WIDE), compare.against(WIDE, SMALL)
    assert there.total.value == -back.total.value
    assert there.total.low == pytest.approx(-back.total.high, rel=1e-2)
    assert there.total.ratio.low == pytest.approx(1 / back.total.ratio.high, rel=1e-2)
    assert there.faster + back.faster == pytest.approx(1.0)


def test_another_device_may_have_luck_of_its_own():
    other = compare.against(SMALL, ELSEWHERE).total
    assert other.apart.low < other.ratio.low <= other.ratio.high < other.apart.high
    assert compare.against(SMALL, SPREAD).total.apart is None


def test_the_step_of_a_file_has_its_draws():
    live, told = compare.against(SMALL, WIDE), compare.against(saved(SMALL), saved(WIDE))
    assert told.step.paired
    assert (told.step.low, told.step.high) == pytest.approx((live.step.low, live.step.high))


def test_the_total_of_a_file_has_the_widest_interval():
    told = compare.against(saved(SMALL), WIDE)
    assert not told.total.paired
    assert told.total.low == WIDE.total.low - SMALL.total.high
    assert told.total.ratio.high == WIDE.total.high / SMALL.total.low
    assert told.faster is None


def test_steps_of_the_same_law_cancel_in_files_too():
    live, told = compare.against(SMALL, SPREAD), compare.against(saved(SMALL), saved(SPREAD))
    assert told.faster == live.faster
    assert (told.total.ratio.low, told.total.ratio.high) == pytest.approx(
        (live.total.ratio.low, live.total.ratio.high)
    )
    assert not told.total.paired


def test_a_given_count_keeps_its_draws():
    first, other = (estimate(VOLTA, CharLM(hidden=n), steps=10) for n in (64, 128))
    live, told = compare.against(first, other), compare.against(saved(first), saved(other))
    assert told.total.paired
    assert told.total.low == pytest.approx(live.total.low)
    held = estimate(VOLTA, CharLM(hidden=64), steps=10, overheads=Overheads(startup=60.0))
    assert compare.whole(saved(held)) is None


def test_without_a_count_steps_are_compared():
    first, other = (
        answer.model_copy(update={"total": None, "convergence": None, "luck": answer.luck})
        for answer in (saved(SMALL), saved(WIDE))
    )
    found = compare.against(first, other)
    assert found.total is None
    assert found.faster in (0.0, 1.0)
    assert compare.against(SMALL, other).faster is None


def test_fields_tell_what_was_asked_and_what_the_machine_has():
    twice = catalog.override(VOLTA, {"device.memory.bandwidth": "2x"})
    found = compare.against(SMALL, estimate(twice, CharLM(hidden=128), Plan(dp=2)))
    assert found.fields["device.memory.bandwidth"] == ("900 GB/s", "1.8 TB/s")
    assert found.fields["workload.hidden"] == (64, 128)
    assert found.fields["plan.dp"] == (1, 2)
    assert set(found.fields) == {
        *("device.memory.bandwidth", "workload.hidden", "plan.dp", "plan.devices"),
    }
    assert any("gradients are summed over 2" in text for text in found.assumed)
    assert compare.against(ELSEWHERE, SMALL).dropped


@given(st.lists(st.floats(1.0, 100.0), min_size=1, max_size=6))
@settings(deadline=None, max_examples=30)
def test_the_fastest_is_the_least_that_fits(times):
    answers = [timed(SMALL, seconds) for seconds in times]
    best, shares = compare.fastest([*answers, timed(SMALL, 0.5, fits=False)])
    assert times[best] == min(times)
    assert sum(shares) == pytest.approx(1.0)
    assert shares[-1] == 0.0


def test_no_one_is_fastest_where_nothing_fits_or_nothing_is_known():
    assert compare.fastest([timed(SMALL, 1.0, fits=False)]) == (None, (None,))
    assert compare.fastest([SMALL, SMALL.model_copy(update={"total": None})])[0] is None
    assert compare.fastest([saved(SMALL), SMALL])[1] == (None, None)


@pytest.mark.parametrize("other", [WIDE, ELSEWHERE, SPREAD])
def test_spending_is_compared_under_the_same_luck(other):
    found = compare.against(SMALL, other)
    one, two = SMALL.energy.total, other.energy.total
    low, high = interval(two.value * two.luck.draws - one.value * one.luck.draws)
    told = found.spent["energy"]
    assert told.paired
    assert (told.low, told.high) == (min(low, told.value), max(high, told.value))
    assert told.value == found.more["energy"]
    assert (told.apart is None) == (other is not ELSEWHERE)
    assert "carbon" not in found.spent


def test_what_the_same_machine_spends_is_known_better_than_what_each_spends():
    told, one = compare.against(SMALL, SPREAD).spent["cost"], SPREAD.cost.total
    assert told.ratio.high / told.ratio.low < 1.1 < one.high / one.low


def test_spending_of_a_file_has_the_widest_interval():
    told = compare.against(saved(SMALL), WIDE).spent["energy"]
    assert not told.paired
    assert told.low == WIDE.energy.total.low - SMALL.energy.total.high


def test_what_cancels_in_files_is_told_alike_everywhere():
    live, told = compare.against(SMALL, SPREAD), compare.against(saved(SMALL), saved(SPREAD))
    assert told.total.high < 0 < told.spent["cost"].low
    for kind in ("energy", "cost"):
        (one, two) = (found.spent[kind].ratio for found in (live, told))
        assert (two.low, two.high) == pytest.approx((one.low, one.high), rel=0.05)
    same = compare.against(saved(SMALL), saved(SMALL))
    for change in (same.total, same.spent["energy"], same.spent["cost"]):
        assert (change.low, change.high, change.ratio.low, change.ratio.high) == (0, 0, 1, 1)


def test_equal_points_share_their_luck():
    assert compare.fastest([WIDE, WIDE, SMALL]) == (0, (0.5, 0.5, 0.0))


def test_a_saved_estimate_has_no_draws():
    assert saved(WIDE).energy == WIDE.energy.model_copy(
        update={"step": saved(WIDE).energy.step, "total": saved(WIDE).energy.total}
    )


def test_spending_of_a_step_and_of_a_training_are_not_compared():
    step = estimate(VOLTA, CharLM(hidden=64), steps=10).model_copy(update={"total": None})
    assert compare.against(SMALL, step).spent == {}
