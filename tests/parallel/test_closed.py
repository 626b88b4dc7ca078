"""Closed forms of a step against a plain longest path over the schedules' orders."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.parallel.closed import Declined, Passes, Sum, gradients, last, step
from hwsim.parallel.schedule import order, sender

SPLIT = "zero-bubble"
TIMES = (0.0, 0.1, 1.0, 1.0, 2.0, 5.0)


@st.composite
def pipelines(draw):
    """A schedule, its numbers, unequal chunks' passes, and hops."""
    schedule = draw(st.sampled_from(["gpipe", "1f1b", "interleaved", SPLIT]))
    stages, micro, virtual = draw(st.integers(1, 5)), draw(st.integers(1, 9)), 1
    if schedule == "interleaved":
        micro, virtual = stages * draw(st.integers(1, 3)), draw(st.integers(2, 3))

    def times(number):
        many = st.lists(st.sampled_from(TIMES), min_size=number, max_size=number)
        return np.array(draw(many))

    passes = Passes(*(times(stages * virtual) for _ in range(3)))
    return schedule, stages, micro, virtual, passes, times(stages) * draw(st.sampled_from([0, 1]))


def longest(schedule, stages, micro, virtual, passes, hops):
    """When each chunk has its gradients: slots one by one, transfers in a row on each link."""
    streams = [list(order(schedule, stages, stage, micro, virtual)) for stage in range(stages)]
    ends, free, at, link = {}, [0.0] * stages, [0] * stages, {}
    while any(at[stage] < len(streams[stage]) for stage in range(stages)):
        for stage, stream in enumerate(streams):
            while at[stage] < len(stream):
                slot = stream[at[stage]]
                source = sender(slot, stages, stage, virtual)
                if source and source not in ends:
                    break
                begin = max(free[stage], ends[source][1] if source else 0.0)
                end = free[stage] = begin + seconds(
                    slot, passes, slot.chunk * stages + stage, schedule
                )
                hop = hops[stage] if slot.kind == "F" else hops[stage - 1]
                out = link.get((stage, slot.kind), 0.0)
                if stages > 1 and goes_on(slot, stages, stage, virtual):
                    out = link[stage, slot.kind] = max(out, end) + hop
                else:
                    out = end
                ends[stage, slot] = end, out
                at[stage] += 1
    final = np.zeros(stages * virtual)
    for (stage, slot), (end, _) in ends.items():
        chunk = slot.chunk * stages + stage
        final[chunk] = max(final[chunk], end)
    return final


def goes_on(slot, stages, stage, virtual):
    chunk = slot.chunk * stages + stage
    return chunk < stages * virtual - 1 if slot.kind == "F" else chunk > 0


def seconds(slot, passes, chunk, schedule):
    if slot.kind == "F":
        return passes.forward[chunk]
    if slot.kind == "W":
        return passes.weights[chunk]
    return passes.backward[chunk] + (0.0 if schedule == SPLIT else passes.weights[chunk])


def equal(number, forward=1.0, backward=1.0, weights=1.0):
    return Passes(*(np.full(number, value) for value in (forward, backward, weights)))


@given(pipelines())
@settings(deadline=None, max_examples=150)
def test_gradients_are_there_when_the_longest_path_ends(pipeline):
    schedule, stages, micro, virtual, passes, hops = pipeline
    found = gradients(schedule, stages, micro, passes, virtual=virtual, hop=hops)
    assert found == pytest.approx(longest(*pipeline), rel=1e-12, abs=1e-12)


@given(pipelines(), st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_points_are_steps_of_their_own(pipeline, points):
    schedule, stages, micro, virtual, passes, hops = pipeline
    factors = np.arange(1, points + 1) / 3
    many = Passes(*(times[:, None] * factors for times in passes))
    found = gradients(schedule, stages, micro, many, virtual=virtual, hop=hops[:, None] * factors)
    one = gradients(schedule, stages, micro, passes, virtual=virtual, hop=hops)
    assert found == pytest.approx(one[:, None] * factors)


@st.composite
def long_pipelines(draw):
    """Many micro-batches through stages some of which are equal."""
    schedule = draw(st.sampled_from(["1f1b", "interleaved", SPLIT]))
    stages, virtual = draw(st.integers(2, 5)), 1
    micro = draw(st.integers(20, 60))
    if schedule == "interleaved":
        micro, virtual = stages * draw(st.integers(6, 12)), draw(st.integers(2, 3))
    few = draw(st.lists(st.sampled_from((0.5, 1.0, 1.1, 2.0)), min_size=1, max_size=3))

    def times(number):
        many = st.lists(st.sampled_from(few), min_size=number, max_size=number)
        return np.array(draw(many)) * draw(st.sampled_from([1.0, 0.3]))

    passes = Passes(*(times(stages * virtual) for _ in range(3)))
    return schedule, stages, micro, virtual, passes, times(stages) * draw(st.sampled_from([0, 1]))


@given(long_pipelines())
@settings(deadline=None, max_examples=60)
def test_what_repeats_itself_is_jumped_over(pipeline):
    schedule, stages, micro, virtual, passes, hops = pipeline
    found = gradients(schedule, stages, micro, passes, virtual=virtual, hop=hops)
    assert found == pytest.approx(longest(*pipeline), rel=1e-12)


@given(long_pipelines(), st.lists(st.integers(1, 9), min_size=1, max_size=4))
@settings(deadline=None, max_examples=40)
def test_points_have_their_own_numbers_of_micro_batches(pipeline, factors):
    schedule, stages, micro, virtual, passes, hops = pipeline
    step_ = stages if schedule == "interleaved" else 1
    numbers = np.array([micro + step_ * more for more in factors])
    many = Passes(*(times[:, None] * np.linspace(1, 2, len(numbers)) for times in passes))
    found = gradients(schedule, stages, numbers, many, virtual=virtual, hop=hops[:, None])
    for point, number in enumerate(numbers.tolist()):
        alone = Passes(*(times[:, point] for times in many))
        one = gradients(schedule, stages, number, alone, virtual=virtual, hop=hops)
        assert found[:, point] == pytest.approx(one, rel=1e-12)


def test_a_long_schedule_costs_no_more_than_a_short_one():
    # A million ticks one by one would take a minute.
    found = gradients("1f1b", 4, 500_000, equal(4))
    assert found.max() == pytest.approx(3.0 * 500_003)


@pytest.mark.parametrize("micro", [4, 8, 32])
@pytest.mark.parametrize("stages", [1, 2, 4])
def test_bubbles_are_the_published_ones(stages, micro):
    # Narayanan et al. 2021, arXiv 2104.04473, section 2.2; Qi et al. 2023, arXiv 2401.10241.
    def bubble(schedule, virtual=1):
        chunks = equal(stages * virtual, 1.0 / virtual, 1.5 / virtual, 0.5 / virtual)
        return step(schedule, stages, micro, chunks, virtual=virtual).bubble.item()

    waiting = stages - 1
    assert bubble("gpipe") == pytest.approx(3.0 * waiting)
    assert bubble("1f1b") == pytest.approx(3.0 * waiting)
    assert bubble("interleaved", 2) == pytest.approx(3.0 * waiting / 2)
    assert bubble(SPLIT) == pytest.approx(2.0 * waiting)


@given(
    stages=st.integers(2, 7), micro=st.integers(1, 30), hop=st.sampled_from([0.0, 0.3, 2.0, 3.0])
)
@settings(deadline=None, max_examples=40)
def test_a_round_trip_of_hops_lets_as_many_micro_batches_begin_as_stages(stages, micro, hop):
    found = gradients("1f1b", stages, micro, equal(stages), hop=hop).max()
    trips = 2 * hop * (stages + micro - 2 - math.ceil((micro - 1) / stages))
    assert found == pytest.approx(3.0 * (micro + stages - 1) + trips)


@given(pipelines(), st.data())
@settings(deadline=None, max_examples=30)
def test_parts_sum_to_the_step(pipeline, data):
    schedule, stages, micro, virtual, passes, hops = pipeline
    sums = data.draw(
        st.lists(
            st.lists(
                st.builds(Sum, st.sampled_from([-0.5, 0.0]), st.sampled_from(TIMES)), max_size=3
            ),
            min_size=stages * virtual,
            max_size=stages * virtual,
        )
    )
    found = step(schedule, stages, micro, passes, virtual=virtual, hop=hops, sums=sums, update=0.5)
    assert sum(found[1:]) == pytest.approx(found.seconds)
    assert min(found[1:]) >= -1e-9


@given(st.lists(st.tuples(st.sampled_from((-3.0, *TIMES)), st.sampled_from(TIMES)), min_size=1))
@settings(deadline=None, max_examples=50)
def test_transfers_of_a_stream_end_one_after_the_other(transfers):
    end = -math.inf
    for ready, taken in transfers:
        end = max(end, ready) + taken
    ready, taken = np.array(transfers).T
    assert last(ready, taken) == pytest.approx(end)


def test_sums_hide_behind_the_last_backward_pass_of_one_stage():
    # 2 micro-batches of 3 s: buckets ready 0.8 and 0.4 s before the end, and at it.
    sums = [[Sum(-0.8, 0.3), Sum(-0.4, 0.6), Sum(0.0, 0.5)]]
    found = step("1f1b", 1, 2, equal(1), sums=sums, update=0.25)
    assert found.seconds == pytest.approx(6.0 + 0.2 + 0.5 + 0.25)
    assert (found.busy, found.exposed, found.bubble) == pytest.approx((6.0, 0.7, 0.0))


def test_the_stage_with_the_longest_tail_ends_the_step():
    # The first stage ends last, at 2 + 6 s; the second has its gradients after 7 s.
    passes, sums = equal(2), [[], [Sum(0.0, 4.0)]]
    found = step("1f1b", 2, 2, passes, sums=sums, update=np.array([1.0, 0.5]))
    assert found.seconds == pytest.approx(7.0 + 4.0 + 0.5)
    assert found.exposed == pytest.approx(4.0 / 2)


def test_a_wavefront_is_more_micro_batches_for_gpipe_and_declined_elsewhere():
    cut = step("gpipe", 3, 2, equal(3), time_chunks=4, hop=0.5)
    assert cut == step("gpipe", 3, 8, equal(3), hop=0.5)
    assert isinstance(step("1f1b", 3, 2, equal(3), time_chunks=4), Declined)
    assert step("1f1b", 1, 2, equal(1), time_chunks=4).seconds == pytest.approx(24.0)


def test_numbers_without_an_order_are_refused():
    with pytest.raises(InputError, match="multiple of 4"):
        step("interleaved", 4, 6, equal(8), virtual=2)
