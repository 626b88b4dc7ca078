"""Rows of a timeline: whose they are, and what they do."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.plan import Plan
from hwsim.parallel.program import COMPUTE, Stream, Work
from hwsim.report import tracks
from hwsim.simulate.timeline import Span

WORK = Work(1.0, (("compute", 1.0),))


def span(name, stream=COMPUTE, begin=0.0, end=1.0, micro=0):
    return Span(Stream(0, stream), name, micro, begin, end, WORK, -1)


def test_a_kernel_is_what_its_first_word_says():
    assert tracks.kind(span("forward")) is tracks.FORWARD
    assert tracks.kind(span("backward block.mlp")) is tracks.BACKWARD
    assert tracks.kind(span("weights")) is tracks.WEIGHTS
    assert tracks.kind(span("update")) is tracks.UPDATE
    assert tracks.kind(span("embedding")) is tracks.OTHER


def test_what_is_on_another_stream_moves_bytes():
    assert tracks.kind(span("forward", stream="forward")) is tracks.MOVING


def test_rows_come_by_stage_and_what_computes_first(pipeline):
    found = tracks.tracks(pipeline(2, 2, apart=4), Plan(pp=2, dp=4))
    assert [(track.stream.device, track.stream.kind) for track in found] == [
        *((0, COMPUTE), (0, "forward"), (0, "sum")),
        *((4, COMPUTE), (4, "backward"), (4, "sum")),
    ]
    assert [track.device for track in found[::3]] == ["stage 0 (device 0)", "stage 1 (device 4)"]


def test_the_stage_follows_the_placement():
    near = Plan(tp=2, pp=3, placement=("pp", "tp", "cp", "dp"))
    assert [tracks.stage(device, near) for device in range(6)] == [0, 1, 2, 0, 1, 2]
    far = Plan(tp=2, pp=3)
    assert [tracks.stage(device, far) for device in range(6)] == [0, 0, 1, 1, 2, 2]


def test_what_follows_at_once_with_one_micro_batch_is_one_run():
    spans = [
        span("forward a", begin=0.0, end=1.0),
        span("forward b", begin=1.0, end=2.0),
        span("end of forward", begin=2.0, end=2.0),
        span("forward a", begin=2.0, end=3.0, micro=1),
        span("forward b", begin=4.0, end=5.0, micro=1),
        span("backward b", begin=5.0, end=6.0, micro=1),
    ]
    assert [(run.begin, run.end, run.kind.letter, run.micro) for run in tracks.runs(spans)] == [
        *((0.0, 2.0, "F", 0), (2.0, 3.0, "F", 1), (4.0, 5.0, "F", 1), (5.0, 6.0, "B", 1)),
    ]


@settings(deadline=None, max_examples=50)
@given(count=st.integers(1, 5000), most=st.integers(2, 64))
def test_an_even_choice_has_both_ends_and_nothing_twice(count, most):
    chosen = tracks.evenly(count, most)
    assert len(chosen) == min(count, most)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    assert sorted(set(chosen)) == chosen
