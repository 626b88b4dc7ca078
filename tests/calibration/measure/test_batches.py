"""Real measurements of tiny cases, and what happens to those that can't be measured."""

import pytest

pytest.importorskip("torch")

import torch

from calibration.measure import batches, place, work
from calibration.measure.batches import Bench, measure
from calibration.measure.kernels import OPS
from calibration.measure.place import Place
from calibration.measurement import Case, read, write
from calibration.shapes import (
    AttentionCore,
    Convolution,
    Gemm,
    Launch,
    ModelStep,
    Pointwise,
    Recurrent,
    Update,
    WorkloadStep,
)
from hwsim.errors import InputError

HERE = Place("cpu", devices=2)
SAID = place.provenance(HERE, "hwsim calibrate run x.jsonl")
WINDOW = {"n": 1, "c": 2, "h": 6, "w": 6, "k": 3, "r": 3, "s": 3, "pad_h": 1, "pad_w": 1}
WINDOW |= {"stride_h": 1, "stride_w": 1}
ATTENTION = {"batch": 1, "heads": 2, "kv_heads": 2, "seq": 8, "head_dim": 8}
CHAIN = {"hidden": 8, "batch": 2, "timesteps": 3}
SHAPES = [
    Gemm(m=8, n=4, k=2),
    Gemm(m=8, n=4, k=2, batch=3, transpose_a=True, transpose_b=True),
    *(Convolution(way=way, **WINDOW) for way in ("forward", "backward_data", "backward_weights")),
    *(
        Recurrent(cell=cell, way=way, **CHAIN)
        for cell in ("rnn", "gru", "lstm")
        for way in ("forward", "backward")
    ),
    *(Pointwise(op=op, rows=4, cols=8, bytes_moved=256) for op in OPS),
    *(
        AttentionCore(way=way, fused=fused, **ATTENTION)
        for way in ("forward", "backward")
        for fused in (True, False)
    ),
    *(Update(optimizer="adam", parameters=64, tensors=4, how=how) for how in ("fused", "foreach")),
    Update(optimizer="momentum", parameters=64, tensors=4),
    Launch(mode="eager"),
    Launch(mode="training"),
]
STEPS = {
    "charlm": {"hidden": 8, "depth": 2, "sequence": 3, "batch": 2},
    "charlm-small": {"hidden": 8, "batch": 2},
    "wordlm": {"hidden": 8, "sequence": 3, "vocabulary": 20, "batch": 2},
    "speech": {"hidden": 4, "frames": 20, "labels": 2, "bins": 41, "layers": 1, "batch": 1},
    "transformer": {
        **{"layers": 1, "hidden": 8, "heads": 2, "sequence": 4, "vocabulary": 20, "batch": 2},
        **{"gated": True, "positions": "rotary", "norm": "rmsnorm"},
    },
}


def case(shape, **fields):
    return Case(**{"shape": shape, "device": "local", "dtype": "fp32", "timing": "call"} | fields)


def measured(cases, here=HERE):
    """Measurements, and the reasons of what was skipped."""
    found, skipped = [], []
    measure(cases, here, SAID, found.append, lambda one, why: skipped.append((one, why)))
    return found, skipped


@pytest.fixture(autouse=True)
def _two_rounds(monkeypatch):
    monkeypatch.setattr(batches, "rounds", lambda _: 2)


def test_every_kernel_is_measured_and_read_back(tmp_path):
    cases = [case(shape) for shape in SHAPES]
    found, skipped = measured(cases)
    assert skipped == []
    path = tmp_path / "x.jsonl"
    write(path, found)
    again = read(str(path))
    assert {one.case for one in again} == set(cases)
    assert all(0.0 < one.seconds < 1.0 and one.spread >= 0.0 for one in again)
    assert {one.provenance for one in again} == {SAID}


def test_every_workload_is_measured():
    cases = [case(WorkloadStep(workload=name, settings=STEPS[name])) for name in STEPS]
    found, skipped = measured(cases)
    assert skipped == []
    assert [one.case for one in found] == cases


@pytest.mark.parametrize("name", ["charlm-small", "wordlm", "transformer"])
def test_steps_in_mixed_precision(name):
    found, skipped = measured(
        [case(WorkloadStep(workload=name, settings=STEPS[name]), dtype="bf16")]
    )
    assert (len(found), skipped) == (1, [])


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            case(ModelStep(model="x", phase="training", batch_per_device=1, grad_accum=1)),
            "model-step can't be measured",
        ),
        (case(Gemm(m=2, n=2, k=2), device="p4"), "found p4, but this is local"),
        (case(Gemm(m=2, n=2, k=2), timing="kernel"), "framework calls alone"),
        (case(Gemm(m=2, n=2, k=2), dtype="fp8"), "fp8"),
        (case(Gemm(m=2, n=2, k=2), devices=3), "1 or 2"),
        (case(Recurrent(cell="gru", way="backward_data", **CHAIN)), "alone"),
        (case(Convolution(way="forward", algorithm="fft", **WINDOW)), "chosen"),
        (case(Pointwise(op="pow", rows=1, cols=1, bytes_moved=8)), "layernorm"),
        (case(Update(optimizer="adam", parameters=10, tensors=3)), "divide"),
        (case(WorkloadStep(workload="wordlm", settings={"width": 8})), "width"),
        (case(WorkloadStep(workload="nosuch")), "nosuch"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.shape.kind,
)
def test_what_cannot_be_measured_is_skipped_with_its_reason(one, said):
    good = case(Gemm(m=2, n=2, k=2))
    found, ((skipped, why),) = measured([one, good])
    assert [done.case for done in found] == [good]
    assert skipped == one
    assert said in why


def test_a_batch_ends_where_the_memory_does(monkeypatch):
    """Four small ones fit together; the large one fits never."""
    prepared, prepare, clear = [], Bench.prepare, Bench.clear

    def limited(self, one):
        if one.shape.m == 1000 or len(prepared) == 4:
            raise torch.OutOfMemoryError
        prepared.append(one)
        return prepare(self, one)

    def cleared(self):
        prepared.clear()
        clear(self)

    monkeypatch.setattr(Bench, "prepare", limited)
    monkeypatch.setattr(Bench, "clear", cleared)
    small = [case(Gemm(m=side, n=2, k=2)) for side in range(1, 11)]
    large = case(Gemm(m=1000, n=2, k=2))
    found, ((skipped, why),) = measured([*small[:5], large, *small[5:]])
    assert [one.case for one in found] == small
    assert (skipped, "fit" in why) == (large, True)


def test_an_error_while_sampling_skips_its_batch(monkeypatch):
    def broken(_):
        raise RuntimeError("device-side fault\nand its trace")

    monkeypatch.setattr(Bench, "prepare", lambda *_: broken)
    one = case(Gemm(m=2, n=2, k=2))
    assert measured([one]) == ([], [(one, "device-side fault")])


def test_formats_do_not_share_a_batch(monkeypatch):
    """The precision of products is a setting of the process."""
    taken = []

    def timed(samples, *_):
        taken.append(len(samples))
        return [batches.Timing(1.0, 0.0)] * len(samples)

    monkeypatch.setattr(batches, "timed", timed)
    cases = [case(Gemm(m=side, n=2, k=2), dtype=d) for side in (1, 2) for d in ("fp32", "bf16")]
    found, _ = measured(cases)
    assert taken == [2, 2]
    assert len(found) == 4


def test_a_launch_is_one_of_its_row(monkeypatch):
    monkeypatch.setattr(batches, "timed", lambda *_: [batches.Timing(0.3, 0.0)] * 2)
    found, _ = measured([case(Launch(mode="eager")), case(Launch(mode="training"))])
    assert [one.seconds for one in found] == pytest.approx([0.003, 0.0015])


class Event:
    """A GPU's clock: work puts it forward."""

    now = 0.0

    def __init__(self, **_):
        self.at = 0.0

    def record(self):
        self.at = Event.now

    def synchronize(self):
        pass

    def elapsed_time(self, end):
        return (end.at - self.at) * 1e3


class Graph:
    def __init__(self, run, repeats):
        self.run, self.repeats = run, repeats

    def replay(self):
        for _ in range(self.repeats):
            self.run()


def test_kernels_are_timed_by_the_clock_of_the_device(monkeypatch):
    captured = []

    def capture(run, repeats):
        captured.append(repeats)
        return Graph(run, repeats)

    def run():
        Event.now += 6e-6

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(work, "_capture", capture)
    sample = work.graph_sample(work.Work(run))
    assert sample(5) == pytest.approx(30e-6)
    assert sample(5) == pytest.approx(30e-6)
    assert sample(7) == pytest.approx(42e-6)
    assert captured == [5, 7]


@pytest.mark.parametrize(("queued", "waits"), [(True, 2), (False, 5)])
def test_the_host_waits_for_a_call_but_not_for_each_of_a_row(monkeypatch, queued, waits):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(1))
    work.host_sample(work.Work(lambda: None, queued=queued), cuda=True)(3)
    assert len(waited) == waits


def test_a_bench_refuses_what_its_place_cannot_do():
    with pytest.raises(InputError, match="1 or 2"), Bench(HERE) as bench:
        bench.prepare(case(Gemm(m=2, n=2, k=2), devices=4))
