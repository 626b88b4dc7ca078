"""What a timeline says: spans by stream, and where the seconds went."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.lower import Task
from hwsim.simulate.engine import run
from hwsim.simulate.timeline import PARTS, Span, Timeline

STREAM_PARTS = {"compute": ("compute", "memory", "launch", "update"), "link": ("communication",)}


@st.composite
def programs(draw):
    tasks = []
    for number in range(draw(st.integers(0, 25))):
        stream = draw(st.sampled_from(("compute", "link")))
        after = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        part = draw(st.sampled_from(STREAM_PARTS[stream]))
        seconds = draw(st.floats(0.0, 1e3))
        tasks.append(Task(str(number), stream, seconds, part, tuple(sorted(after))))
    return tasks


def span(stream, begin, end, part="compute"):
    part = part if stream == "compute" else "communication"
    return Span(Task("task", stream, end - begin, part, ()), begin, end)


def test_nothing_has_no_parts():
    assert Timeline(()).seconds == 0.0
    assert Timeline(()).parts() == dict.fromkeys(PARTS, 0.0)


@given(programs())
@settings(deadline=None, max_examples=80)
def test_parts_sum_to_the_whole(tasks):
    line = run(tasks)
    parts = line.parts()
    assert tuple(parts) == PARTS
    assert all(seconds >= 0.0 for seconds in parts.values())
    assert sum(parts.values()) == pytest.approx(line.seconds, rel=1e-9)


@given(programs())
@settings(deadline=None, max_examples=50)
def test_spans_of_a_stream_do_not_overlap(tasks):
    line = run(tasks)
    for stream in STREAM_PARTS:
        spans = line.on(stream)
        assert len(spans) == sum(task.stream == stream for task in tasks)
        assert all(before.end <= after.begin for before, after in pairwise(spans))


def test_communication_behind_compute_is_not_seen():
    parts = Timeline((span("compute", 0, 4), span("link", 1, 3))).parts()
    assert parts["compute"] == 4
    assert parts["communication"] == parts["bubble"] == 0


def test_only_what_is_exposed_is_communication():
    parts = Timeline((span("compute", 0, 2), span("link", 1, 5), span("compute", 5, 6))).parts()
    assert (parts["compute"], parts["communication"], parts["bubble"]) == (3, 3, 0)


def test_what_nothing_fills_is_a_bubble():
    parts = Timeline((span("compute", 1, 2), span("link", 3, 5), span("compute", 6, 7))).parts()
    assert (parts["compute"], parts["communication"], parts["bubble"]) == (2, 2, 3)


def test_communication_at_the_end_counts():
    parts = Timeline((span("compute", 0, 2), span("link", 2, 5))).parts()
    assert (parts["compute"], parts["communication"]) == (2, 3)


def test_each_part_is_booked_where_its_task_says():
    spans = tuple(span("compute", n, n + 1, part) for n, part in enumerate(STREAM_PARTS["compute"]))
    parts = Timeline(spans).parts()
    assert [parts[name] for name in STREAM_PARTS["compute"]] == [1, 1, 1, 1]


def test_spans_come_by_their_beginning():
    line = Timeline((span("compute", 3, 4), span("compute", 0, 1), span("link", 1, 2)))
    assert [s.begin for s in line.on("compute")] == [0, 3]
    assert [s.begin for s in line.on("link")] == [1]
