"""What a timeline says: where the seconds went, and which spans made the step so long."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.program import PARTS, Program, Stream, Task, Work
from hwsim.simulate.engine import run

COMPUTE, DP = Stream(0, "compute"), Stream(0, "dp")
seeds = st.integers(0, 10**6)
few = settings(deadline=None, max_examples=60)


def compute(seconds, part="compute", **how):
    return Task("kernel", Work(seconds, ((part, seconds),)), **how)


def transfer(seconds, **how):
    return Task("sum", Work(seconds, (("communication", seconds),)), **how)


def rested(spans, computing, seconds):
    """Seconds outside `computing` that `spans` cover, and that they don't."""
    times = sorted({0.0, seconds, *(t for s in [*spans, *computing] for t in (s.begin, s.end))})
    exposed = idle = 0.0
    for begin, end in pairwise(times):
        inside = [any(s.begin <= begin and end <= s.end for s in ss) for ss in (computing, spans)]
        exposed += end - begin if inside == [False, True] else 0.0
        idle += end - begin if inside == [False, False] else 0.0
    return exposed, idle


def test_nothing_has_no_parts():
    line = run(Program({}, devices=0))
    assert line.parts() == dict.fromkeys(PARTS, 0.0)
    assert (line.bubble, line.spread, line.critical_path()) == (0.0, 0.0, [])


@given(seeds)
@few
def test_parts_sum_to_the_whole(make, seed):
    line = run(make.program(make.drawn(seed)))
    for device in (None, *line.devices):
        parts = line.parts(device)
        assert tuple(parts) == PARTS
        assert all(seconds >= 0.0 for seconds in parts.values())
        assert sum(parts.values()) == pytest.approx(line.seconds, rel=1e-9)


@given(seeds)
@few
def test_rest_is_exposed_communication_where_a_transfer_moves(make, seed):
    lists = make.drawn(seed)
    line = run(make.program(lists))
    for device in line.devices:
        spans = [span for span in line.spans if span.stream.device == device]
        computing = line.on(Stream(device, "compute"))
        moving = [span for span in spans if span.stream.kind != "compute"]
        exposed, idle = rested(moving, computing, line.seconds)
        parts = line.parts(device)
        assert parts["communication"] == pytest.approx(exposed, abs=1e-9)
        assert parts["bubble"] == pytest.approx(idle, abs=1e-9)


@given(seeds)
@few
def test_the_critical_path_leads_from_the_start_to_the_end(make, seed):
    line = run(make.program(make.drawn(seed)))
    path = line.critical_path()
    assert path[0].begin == 0.0
    assert path[-1].end == line.seconds
    assert all(before.end == after.begin for before, after in pairwise(path))
    assert sum(line.critical_parts().values()) == pytest.approx(line.seconds, rel=1e-9)


@given(seeds)
@few
def test_the_spread_is_weighted_with_time(make, seed):
    lists = make.drawn(seed)
    works = [task.work for tasks in lists.values() for task in tasks]
    total = sum(work.seconds for work in works)
    mean = sum(work.seconds * work.spread for work in works) / total if total else 0.0
    assert run(make.program(lists)).spread == pytest.approx(mean)


def test_communication_behind_compute_is_not_seen(make):
    line = run(make.program({COMPUTE: [compute(4.0)], DP: [transfer(1.0), transfer(2.0)]}))
    assert (line.parts()["compute"], line.parts()["communication"]) == (4.0, 0.0)


def test_only_what_is_exposed_is_communication(make):
    lists = {
        COMPUTE: [compute(2.0, gives=("a",)), compute(1.0, takes=("b",))],
        DP: [transfer(3.0, takes=("a",), gives=("b",))],
        Stream(0, "pp"): [transfer(1.0)],
    }
    line = run(make.program(lists))
    assert [line.parts()[part] for part in ("compute", "communication", "bubble")] == [3, 3, 0]
    assert [span.name for span in line.critical_path()] == ["kernel", "sum", "kernel"]
    assert line.critical_parts()["communication"] == 3.0


def test_a_wait_for_another_device_is_a_bubble(make):
    lists = {
        COMPUTE: [compute(2.0, gives=("a",))],
        Stream(1, "compute"): [compute(1.0, takes=("a",))],
        Stream(1, "dp"): [transfer(0.5)],
    }
    line = run(make.program(lists))
    assert [line.parts(0)[part] for part in ("compute", "bubble")] == [2.0, 1.0]
    expected = [1.0, 0.5, 1.5]
    assert [line.parts(1)[part] for part in ("compute", "communication", "bubble")] == expected
    assert line.bubble == pytest.approx(2.5 / 6)


def test_communication_at_the_end_counts(make):
    lists = {COMPUTE: [compute(2.0, gives=("a",))], DP: [transfer(3.0, takes=("a",))]}
    assert run(make.program(lists)).parts()["communication"] == 3.0


def test_a_task_is_booked_as_its_work_says(make):
    work = Work(3.0, (("compute", 1.5), ("memory", 0.5), ("communication", 1.0)))
    line = run(make.program({COMPUTE: [Task("layer", work), compute(1.0, "update")]}))
    assert [line.parts()[part] for part in PARTS] == [1.5, 0.5, 0.0, 1.0, 0.0, 1.0]


def test_spans_are_a_sequence(make):
    tasks = [compute(1.0, micro=n) for n in range(4)]
    spans = run(make.program({COMPUTE: tasks})).spans
    assert [span.micro for span in spans] == [0, 1, 2, 3]
    assert (spans[0].cause, spans[-1].cause, spans[-1].end) == (-1, 2, 4.0)
    assert spans[1:3] == list(spans)[1:3]
    with pytest.raises(IndexError):
        spans[4]


def test_without_a_trace_there_is_no_path(make):
    line = run(make.program({COMPUTE: [compute(1.0)]}), trace=False)
    for ask in (line.critical_path, line.critical_parts, lambda: line.on(COMPUTE)):
        with pytest.raises(RuntimeError, match="no spans were kept"):
            ask()
