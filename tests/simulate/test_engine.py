"""The event simulation against closed forms and against a schedule worked out another way."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.lower import Task
from hwsim.simulate.engine import run

PARTS = {"compute": ("compute", "memory", "launch", "update"), "link": ("communication",)}
durations = st.lists(st.floats(0.0, 10.0), min_size=1, max_size=20)
seeds = st.integers(0, 10**6)


def compute(seconds, *after, part="compute"):
    return Task("kernel", "compute", seconds, part, after)


def link(seconds, *after):
    return Task("all-reduce", "link", seconds, "communication", after)


def random_tasks(seed, *, in_order):
    """Up to 40 tasks; `in_order` chains each stream's tasks, as a device's program does."""
    source = random.Random(seed)
    tasks, last = [], {}
    for number in range(source.randint(1, 40)):
        stream = source.choice(("compute", "link"))
        after = set(source.sample(range(number), k=min(number, source.randint(0, 3))))
        if in_order and stream in last:
            after.add(last[stream])
        last[stream] = number
        part = source.choice(PARTS[stream])
        seconds = source.choice((0.0, source.uniform(0.0, 5.0)))
        tasks.append(Task(str(number), stream, seconds, part, tuple(sorted(after))))
    return tasks


def longest_paths(tasks):
    """When each task ends if nothing but `after` holds it back."""
    ends = []
    for task in tasks:
        ends.append(max((ends[earlier] for earlier in task.after), default=0.0) + task.seconds)
    return ends


def test_nothing_takes_no_time():
    assert run([]).seconds == 0.0
    assert run([]).spans == ()


@given(durations)
@settings(deadline=None, max_examples=30)
def test_a_chain_is_its_sum(seconds):
    tasks = [compute(s, *([n - 1] if n else [])) for n, s in enumerate(seconds)]
    assert run(tasks).seconds == pytest.approx(sum(seconds))


@given(durations)
@settings(deadline=None, max_examples=30)
def test_one_stream_does_one_thing_at_a_time(seconds):
    assert run([compute(s) for s in seconds]).seconds == pytest.approx(sum(seconds))


@given(durations, durations)
@settings(deadline=None, max_examples=30)
def test_two_streams_overlap(first, second):
    tasks = [*(compute(s) for s in first), *(link(s) for s in second)]
    assert run(tasks).seconds == pytest.approx(max(sum(first), sum(second)))


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=12))
@settings(deadline=None, max_examples=30)
def test_gradient_sums_end_one_after_the_other(buckets):
    # PyTorch DDP: e_i = max(e_(i-1), r_i) + t_i, with r_i when bucket i's gradients are ready.
    tasks, ready, end = [], 0.0, 0.0
    for number, (backward, summed) in enumerate(buckets):
        tasks.append(compute(backward, *([2 * number - 2] if number else [])))
        tasks.append(link(summed, 2 * number))
        ready += backward
        end = max(end, ready) + summed
    assert run(tasks).seconds == pytest.approx(end)


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_programs_in_order_end_with_their_longest_path(seed):
    tasks = random_tasks(seed, in_order=True)
    ends = longest_paths(tasks)
    line = run(tasks)
    for span in line.spans:
        assert span.end == pytest.approx(ends[int(span.task.name)])
    assert line.seconds == pytest.approx(max(ends))


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_any_schedule_is_a_list_schedule(seed):
    # Whatever a stream takes first, it starts at once: when the task is ready or the stream free.
    tasks = random_tasks(seed, in_order=False)
    spans = {int(span.task.name): span for span in run(tasks).spans}
    assert spans.keys() == set(range(len(tasks)))
    ready = {n: max((spans[e].end for e in t.after), default=0.0) for n, t in enumerate(tasks)}
    for stream in PARTS:
        order = sorted(
            (n for n, task in enumerate(tasks) if task.stream == stream),
            key=lambda n: (spans[n].begin, spans[n].end, ready[n]),
        )
        free = 0.0
        for number in order:
            assert spans[number].begin == pytest.approx(max(free, ready[number]))
            assert spans[number].end == pytest.approx(spans[number].begin + tasks[number].seconds)
            free = spans[number].end
        readiness = [ready[number] for number in order]
        assert readiness == pytest.approx(sorted(readiness))


@given(seeds)
@settings(deadline=None, max_examples=30)
def test_it_lies_between_its_bounds(seed):
    tasks = random_tasks(seed, in_order=False)
    seconds = run(tasks).seconds
    busiest = max(sum(t.seconds for t in tasks if t.stream == stream) for stream in PARTS)
    least = max(busiest, *longest_paths(tasks))
    assert least <= seconds * (1 + 1e-9)
    assert seconds <= sum(t.seconds for t in tasks) * (1 + 1e-9)


def test_the_same_tasks_give_the_same_timeline():
    tasks = random_tasks(7, in_order=False)
    assert run(tasks) == run(tasks)
