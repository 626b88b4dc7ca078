"""Orders of a pipeline's passes: each once, none waiting forever, published bubbles."""

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.parallel.schedule import Slot, in_flight, order, sender

SPLIT = "zero-bubble"


@st.composite
def pipelines(draw):
    """A schedule with numbers that it has an order for."""
    schedule = draw(st.sampled_from(["gpipe", "1f1b", "interleaved", SPLIT]))
    stages, micro = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    if schedule == "interleaved":
        return schedule, stages, stages * draw(st.integers(1, 3)), draw(st.integers(2, 3))
    return schedule, stages, micro, 1


def slots(schedule, stages, micro, virtual=1, time_chunks=1):
    return [
        list(order(schedule, stages, stage, micro, virtual, time_chunks)) for stage in range(stages)
    ]


def run(streams, stages, virtual, seconds, hop=0.0, wave=1):
    """When each slot of each stage ends; every stage does its slots in order."""
    ends, free, at = {}, [0.0] * stages, [0] * stages
    moved = True
    while moved:
        moved = False
        for stage, stream in enumerate(streams):
            while at[stage] < len(stream):
                slot = stream[at[stage]]
                needs = list(needed(slot, stages, stage, virtual, wave))
                if any(need not in ends for need in needs):
                    break
                ready = [ends[need] + hop * (need[0] != stage) for need in needs]
                free[stage] = max([free[stage], *ready]) + seconds[slot.kind]
                ends[stage, slot] = free[stage]
                at[stage], moved = at[stage] + 1, True
    return ends


def needed(slot, stages, stage, virtual, wave):
    """Every slot whose result `slot` needs."""
    comes = sender(slot, stages, stage, virtual)
    if comes:
        yield comes
    time = slot.micro % wave
    if slot.kind == "F" and time:
        yield stage, slot._replace(micro=slot.micro - 1)
    if slot.kind == "B":
        yield stage, slot._replace(kind="F")
        if time < wave - 1:
            yield stage, slot._replace(micro=slot.micro + 1)
    if slot.kind == "W":
        yield stage, slot._replace(kind="B")


def bubble(schedule, stages, micro, virtual=1, **seconds):
    """Seconds that the step takes longer than one stage's own work."""
    ends = run(slots(schedule, stages, micro, virtual), stages, virtual, seconds)
    per_micro = seconds["F"] + seconds["B"] + seconds.get("W", 0.0)
    return max(ends.values()) - micro * virtual * per_micro


@given(pipelines(), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_every_pass_is_done_once(pipeline, wave):
    schedule, _, micro, virtual = pipeline
    kinds = "FBW" if schedule == SPLIT else "FB"
    every = [
        Slot(kind, chunk, time)
        for kind in kinds
        for chunk in range(virtual)
        for time in range(micro * wave)
    ]
    for stream in slots(*pipeline, wave):
        assert sorted(stream) == sorted(every)


@given(pipelines(), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_no_stage_waits_forever(pipeline, wave):
    _, stages, _, virtual = pipeline
    streams = slots(*pipeline, wave)
    ends = run(streams, stages, virtual, {"F": 1.0, "B": 2.0, "W": 1.0}, hop=0.5, wave=wave)
    assert len(ends) == sum(map(len, streams))


@given(pipelines(), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_in_flight_is_the_most_alive_at_once(pipeline, wave):
    schedule, stages, micro, virtual = pipeline
    last = "W" if schedule == SPLIT else "B"
    for stage, stream in enumerate(slots(*pipeline, wave)):
        alive = most = 0
        for slot in stream:
            alive += (slot.kind == "F") - (slot.kind == last)
            most = max(most, alive)
        assert in_flight(schedule, stages, stage, micro, virtual, wave) == most


@given(pipelines())
@settings(deadline=None, max_examples=40)
def test_who_waits_for_a_pass_is_told_by_its_number(pipeline):
    _, stages, _, virtual = pipeline
    for stage, stream in enumerate(slots(*pipeline)):
        for slot in stream:
            comes = sender(slot, stages, stage, virtual)
            number = slot.chunk * stages + stage
            if comes is None:
                assert slot.kind == "W" or number == (
                    0 if slot.kind == "F" else stages * virtual - 1
                )
            else:
                step = 1 if slot.kind == "F" else -1
                assert comes[1].chunk * stages + comes[0] + step == number


def test_an_order_of_any_length_is_made_as_it_is_asked_for():
    first = list(islice(order("1f1b", 4, 0, 10**12), 6))
    assert [slot.kind for slot in first] == ["F", "F", "F", "F", "B", "F"]


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b"])
@pytest.mark.parametrize(("stages", "micro"), [(1, 3), (4, 2), (4, 4), (6, 20)])
def test_the_bubble_is_that_of_narayanan_et_al(schedule, stages, micro):
    # arXiv 2104.04473, section 2.2: (p - 1) (tf + tb).
    assert bubble(schedule, stages, micro, F=1.0, B=2.0) == (stages - 1) * 3.0


@pytest.mark.parametrize(("stages", "turns", "virtual"), [(2, 1, 2), (4, 1, 3), (4, 5, 2)])
def test_interleaving_divides_the_bubble(stages, turns, virtual):
    # The same, section 2.2.2: (p - 1) (tf + tb) / v, with the times of a whole stage.
    times = {"F": 1.0 / virtual, "B": 2.0 / virtual}
    found = bubble("interleaved", stages, turns * stages, virtual, **times)
    assert found == pytest.approx((stages - 1) * 3.0 / virtual)


@pytest.mark.parametrize(("stages", "micro"), [(2, 2), (4, 4), (4, 9), (8, 30)])
@pytest.mark.parametrize(("f", "b", "w"), [(1.0, 1.0, 1.0), (1.0, 1.5, 0.5), (2.0, 2.0, 1.0)])
def test_late_weight_gradients_fill_the_bubble(stages, micro, f, b, w):
    # arXiv 2401.10241, table 2, ZB-H1: (p - 1) (TF + TB - TW), from as many micro-batches as
    # stages on and where W is no longer than B.
    assert bubble(SPLIT, stages, micro, F=f, B=b, W=w) == pytest.approx((stages - 1) * (f + b - w))


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b", SPLIT])
@pytest.mark.parametrize(("micro", "wave"), [(1, 4), (1, 9), (3, 4)])
def test_a_wavefront_divides_the_bubble(schedule, micro, wave):
    stages, times = 4, {"F": 1.0 / wave, "B": 2.0 / wave, "W": 0.0}
    ends = run(slots(schedule, stages, micro, 1, wave), stages, 1, times, wave=wave)
    assert max(ends.values()) == pytest.approx(3.0 * micro + (stages - 1) * 3.0 / wave)


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("plan.virtual", ("1f1b", 4, 0, 8, 2)),
        ("plan.virtual", ("interleaved", 4, 0, 8, 1)),
        ("plan.micro_batch", ("interleaved", 4, 0, 6, 2)),
    ],
)
def test_numbers_without_an_order_are_refused(where, numbers):
    with pytest.raises(InputError) as error:
        order(*numbers)
    assert error.value.where == where
    assert error.value.instead.startswith("write ")
