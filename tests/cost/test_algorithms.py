"""Schedules of collectives and the time of steps and bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.algorithms import (
    Path,
    Schedule,
    forwarded_all_to_all,
    hierarchical_all_reduce,
    joined,
    pairwise_all_to_all,
    ring_all_gather,
    ring_all_reduce,
    ring_broadcast,
    seconds,
    switch_all_reduce,
    tree_all_reduce,
)

EVERY = (
    ring_all_reduce,
    ring_all_gather,
    ring_broadcast,
    tree_all_reduce,
    hierarchical_all_reduce,
    pairwise_all_to_all,
)
paths = st.tuples(
    st.floats(1e6, 1e12),  # bandwidth
    st.floats(0, 1e-3),  # latency
    st.floats(0, 1e-3),  # call
    st.floats(0, 20),  # fill
    st.floats(0.05, 1),  # short
).map(lambda values: Path(*values, overlap=3.0))


def test_a_ring_by_hand():
    # 4 members, 8 MB: 6 steps of 2 MB at 1 GB/s and 5 us each.
    time = seconds(8e6, ring_all_reduce(4, 1), Path(1e9, 5e-6), None)
    assert time == pytest.approx(6 * (2e-3 + 5e-6))


@pytest.mark.parametrize("schedule", EVERY, ids=lambda one: one.__name__)
def test_one_device_neither_steps_nor_sends(schedule):
    found = schedule(1, 1)
    assert (found.steps, found.steps_across, found.volume_across) == (0, 0, 0)
    assert seconds(1e9, found, None, None) == 0.0


@pytest.mark.parametrize(
    ("schedule", "inside", "across"),
    [
        (ring_all_reduce, 2, 2),
        (ring_all_gather, 1, 1),
        (ring_broadcast, 1, 1),
        (tree_all_reduce, 2, 2),
        (switch_all_reduce, 1, 2),
        (hierarchical_all_reduce, 2, 2),
        (pairwise_all_to_all, 1, 1),
    ],
)
def test_what_is_sent_by_one_of_many(schedule, inside, across):
    assert schedule(10**6, 1).volume == pytest.approx(inside, rel=1e-5)
    assert schedule(1, 10**6).volume_across == pytest.approx(across, rel=1e-5)


@given(inside=st.integers(1, 72), nodes=st.integers(1, 64), copies=st.integers(2, 16))
@settings(deadline=None, max_examples=40)
def test_rows_cross_the_network_once_for_a_node(inside, nodes, copies):
    plain, once = pairwise_all_to_all(inside, nodes), forwarded_all_to_all(inside, nodes, copies)
    assert once.volume_across <= plain.volume_across + 1e-9
    assert copies * once.volume_across >= plain.volume_across - 1e-9
    assert (once.steps, once.steps_across) == (plain.steps, plain.steps_across)
    single = forwarded_all_to_all(inside, nodes, 1)
    assert single.volume_across == pytest.approx(plain.volume_across)


def test_trees_have_as_many_levels_as_the_nodes_have_digits():
    assert [tree_all_reduce(1, n).steps_across for n in (1, 2, 3, 4, 5, 1024)] == [
        0,
        2,
        4,
        4,
        6,
        20,
    ]


def test_a_ring_of_nodes_is_a_ring_of_devices():
    alone, spread = ring_all_reduce(8, 1), ring_all_reduce(1, 8)
    assert (alone.steps, alone.volume) == (spread.steps_across, spread.volume_across)


@given(st.floats(0, 1e12), st.floats(1.0, 10.0), paths, paths)
@settings(deadline=None, max_examples=60)
def test_a_better_path_and_fewer_bytes_are_never_slower(size, factor, here, there):
    how = ring_all_reduce(4, 3)
    most = seconds(size, how, here, there) * (1 + 1e-9)
    assert seconds(size / factor, how, here, there) <= most
    for field, by in (("bandwidth", factor), ("latency", 1 / factor), ("call", 1 / factor)):
        for near, far in ((True, False), (False, True)):
            better = [
                path._replace(**{field: getattr(path, field) * by}) if wanted else path
                for path, wanted in ((here, near), (there, far))
            ]
            assert seconds(size, how, *better) <= most


@given(st.floats(1, 1e12), paths)
@settings(deadline=None, max_examples=40)
def test_time_grows_more_slowly_than_bytes_and_at_least_with_the_rate(size, here):
    how = Schedule(2, 1.0)
    nothing, time, more = (seconds(s, how, here, None) for s in (0.0, size, 2 * size))
    assert nothing == pytest.approx(here.call + 2 * here.latency)
    assert more - time <= (time - nothing) * (1 + 1e-6) + 1e-15
    assert more - time >= size / here.bandwidth * (1 - 1e-6) - 1e-15


def test_short_messages_move_at_a_share_and_long_ones_wait_for_the_pipelines():
    path = Path(1e9, 1e-5, fill=2.0, short=0.25)
    how = Schedule(1, 1.0)
    assert seconds(1.0, how, path, None) - 1e-5 == pytest.approx(1e-9 / 0.25, rel=1e-3)
    assert seconds(1e12, how, path, None) == pytest.approx(1e3 + 3e-5, rel=1e-12)


@given(st.floats(1e-12, 1e3), st.floats(1e-12, 1e3), st.floats(1, 8))
@settings(deadline=None, max_examples=30)
def test_parts_that_overlap_take_between_the_longer_one_and_both(a, b, exponent):
    assert max(a, b) * (1 - 1e-9) <= joined(a, b, exponent) <= (a + b) * (1 + 1e-9)
    assert joined(a, b, np.inf) == max(a, b)
