"""The event simulation against schedules that are worked out another way."""

import random
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.program import Program, Stream, Task, Work
from hwsim.simulate.engine import run

seeds = st.integers(0, 10**6)
few = settings(deadline=None, max_examples=60)


def compute(seconds, **how):
    return Task("kernel", Work(seconds, (("compute", seconds),)), **how)


def transfer(seconds, **how):
    return Task("sum", Work(seconds, (("communication", seconds),)), **how)


def scheduled(lists):
    """When each task begins and ends: tasks go, in any order that works, as soon as they can."""
    begins, ends, given, free = {}, {}, {}, dict.fromkeys(lists, 0.0)
    waiting = {stream: list(enumerate(tasks)) for stream, tasks in lists.items()}
    while any(waiting.values()):
        heads = {stream: left[0] for stream, left in waiting.items() if left}
        for stream, (_, task) in heads.items():
            together = [s for s, (_, t) in heads.items() if t.meeting == task.meeting]
            if task.meeting is None:
                together = [stream]
            takes = [token for s in together for token in heads[s][1].takes]
            if len(together) == task.members and all(token in given for token in takes):
                begin = max([free[s] for s in together] + [given[token] for token in takes])
                for s in together:
                    number, member = waiting[s].pop(0)
                    begins[s, number] = begin
                    ends[s, number] = free[s] = begin + member.work.seconds
                    given |= dict.fromkeys(member.gives, free[s])
                break
    return begins, ends


def longest_path(lists):
    """The length of the longest path, by repeated relaxation over a matrix of what waits."""
    tasks = [(s, n, task) for s, tasks in lists.items() for n, task in enumerate(tasks)]
    giver = {token: at for at, (_, _, task) in enumerate(tasks) for token in task.gives}
    after = np.full((len(tasks), len(tasks)), -np.inf)
    for at, (_, number, task) in enumerate(tasks):
        alike = [
            other
            for other, (_, _, member) in enumerate(tasks)
            if other == at or (task.meeting is not None and member.meeting == task.meeting)
        ]
        before = [giver[token] for token in task.takes]
        if number:
            before.append(at - 1)
        for earlier in before:
            after[alike, earlier] = 0.0
    seconds = np.array([task.work.seconds for _, _, task in tasks])
    begins = np.zeros(len(tasks))
    for _ in tasks:
        begins = np.maximum(begins, (after + (begins + seconds)).max(axis=1))
    return float((begins + seconds).max())


def test_nothing_takes_no_time():
    line = run(Program({}, devices=0))
    assert line.seconds == 0.0
    assert list(line.spans) == []


@given(seeds)
@few
def test_a_list_scheduler_finds_the_same(make, seed):
    lists = make.drawn(seed)
    line = run(make.program(lists))
    begins, ends = scheduled(lists)
    assert len(line.spans) == len(ends)
    for stream in lists:
        for number, span in enumerate(line.on(stream)):
            assert span.begin == pytest.approx(begins[stream, number], rel=1e-12)
            assert span.end == pytest.approx(ends[stream, number], rel=1e-12)
    assert line.seconds == pytest.approx(max(ends.values()), rel=1e-12)


@given(seeds)
@few
def test_a_step_is_its_longest_path(make, seed):
    lists = make.drawn(seed)
    assert run(make.program(lists)).seconds == pytest.approx(longest_path(lists), rel=1e-12)


@given(seeds)
@few
def test_a_stream_does_one_task_at_a_time(make, seed):
    lists = make.drawn(seed)
    line = run(make.program(lists))
    for stream, tasks in lists.items():
        spans = line.on(stream)
        assert [span.name for span in spans] == [task.name for task in tasks]
        assert all(before.end <= after.begin for before, after in pairwise(spans))
        work = sum(task.work.seconds for task in tasks)
        assert line.busy(stream) == pytest.approx(work, rel=1e-9)


@given(seeds, st.floats(0.0, 1.0))
@few
def test_a_faster_task_slows_no_step_down(make, seed, factor):
    lists = make.drawn(seed)
    before = run(make.program(lists)).seconds
    chosen = random.Random(seed).choice([task for tasks in lists.values() for task in tasks])
    work = chosen.work._replace(seconds=chosen.work.seconds * factor, parts=())
    faster = {
        stream: [t._replace(work=work) if t.name == chosen.name else t for t in tasks]
        for stream, tasks in lists.items()
    }
    assert run(make.program(faster)).seconds <= before * (1 + 1e-12)


@given(seeds)
@few
def test_without_a_trace_the_answers_are_the_same(make, seed):
    program = make.program(make.drawn(seed))
    line, bare = run(program), run(program, trace=False)
    assert bare.spans is None
    assert (bare.seconds, bare.parts(), bare.spread) == (line.seconds, line.parts(), line.spread)
    assert bare.streams == line.streams


@given(seeds)
@few
def test_streams_in_another_order_change_nothing(make, seed):
    lists = make.drawn(seed)
    turned = dict(reversed(lists.items()))
    assert run(make.program(turned)).seconds == run(make.program(lists)).seconds


def test_a_meeting_begins_with_its_last_member(make):
    first, second = Stream(0, "dp"), Stream(1, "dp")
    line = run(
        make.program(
            {
                first: [transfer(1.0), transfer(2.0, meeting="all", members=2), transfer(1.0)],
                second: [transfer(3.0), transfer(2.0, meeting="all", members=2)],
            }
        )
    )
    assert [(span.begin, span.end) for span in line.on(first)] == [(0, 1), (3, 5), (5, 6)]
    assert [(span.begin, span.end) for span in line.on(second)] == [(0, 3), (3, 5)]


def test_a_meeting_waits_for_the_tokens_of_all(make):
    lists = {
        Stream(0, "compute"): [compute(4.0, gives=("ready",))],
        Stream(0, "dp"): [transfer(1.0, takes=("ready",), meeting="all", members=2)],
        Stream(1, "dp"): [transfer(1.0, meeting="all", members=2, gives=("sum",))],
        Stream(1, "compute"): [compute(1.0, takes=("sum",))],
    }
    assert run(make.program(lists)).seconds == 6.0


def test_a_deadlock_names_streams_and_tokens(make):
    lists = {
        Stream(0, "compute"): [compute(1.0, takes=("b",), gives=("a",))],
        Stream(3, "pp.forward"): [transfer(1.0, takes=("a",), gives=("b",))],
        Stream(4, "dp"): [transfer(1.0, meeting="all", members=2)],
        Stream(5, "dp"): [transfer(1.0)],
    }
    with pytest.raises(RuntimeError) as caught:
        run(make.program(lists))
    told = str(caught.value)
    assert "compute of device 0 waits for 'b'" in told
    assert "pp.forward of device 3 waits for 'a'" in told
    assert "dp of device 4 meets at 'all': 1 of 2 are there" in told
    assert "device 5" not in told


def test_many_deadlocked_streams_are_counted(make):
    lists = {Stream(n, "compute"): [compute(1.0, takes=(n,))] for n in range(20)}
    with pytest.raises(RuntimeError, match=r"device 7 waits for 7 \(and 12 more\)"):
        run(make.program(lists))


def test_what_goes_wrong_in_a_program_comes_out():
    def tasks():
        yield compute(1.0)
        raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        run(Program({Stream(0, "compute"): tasks}, devices=1))


def test_endless_seconds_end(make):
    lists = {Stream(0, "compute"): [compute(float("inf")), compute(1.0)]}
    assert run(make.program(lists)).seconds == float("inf")


def test_memory_does_not_grow_with_the_tasks():
    def peak(tasks):
        def computed():
            for number in range(tasks):
                yield compute(1.0, gives=(("at", number),))

        def summed():
            for number in range(tasks):
                yield transfer(0.5, takes=(("at", number),))

        streams = {Stream(0, "compute"): computed, Stream(0, "dp"): summed}
        tracemalloc.start()
        run(Program(streams, devices=1), trace=False)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(5000) < 1.2 * peak(500)
