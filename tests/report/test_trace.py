"""The trace: valid in its format, no two events of a thread at once, whole or not at all."""

import json
import os
import stat
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import SurroundingsError
from hwsim.parallel.plan import Plan
from hwsim.report import trace

REQUIRED = {"X": ("name", "cat", "ts", "dur", "args"), "M": ("name", "args")}


def check_trace(path):
    """The complete events of a trace by (process, thread), checked against the format."""
    tree = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    threads = {}
    for event in tree["traceEvents"]:
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert all(key in event for key in REQUIRED[event["ph"]])
        if event["ph"] == "X":
            assert event["ts"] >= 0 <= event["dur"]
            threads.setdefault((event["pid"], event["tid"]), []).append(event)
    for events in threads.values():
        for before, after in pairwise(events):
            assert before["ts"] + before["dur"] <= after["ts"]  # in floats
            decimals = [Fraction(str(number)) for number in (before["ts"], before["dur"])]
            assert sum(decimals) <= Fraction(str(after["ts"]))  # and as they are written
            nanoseconds = [int(1000 * number) for number in (before["ts"], before["dur"])]
            assert sum(nanoseconds) <= int(1000 * after["ts"])  # and cut to nanoseconds
    named = [event for event in tree["traceEvents"] if event["ph"] == "M"]
    for key in threads:
        assert any((e["pid"], e["tid"]) == key and e["name"] == "thread_name" for e in named)
        assert any(e["pid"] == key[0] and e["name"] == "process_name" for e in named)
    return threads


def devices_of(threads):
    return {key: events for key, events in threads.items() if key[0] != trace.CRITICAL}


SECONDS = st.floats(1e-10, 1e-3)


@settings(deadline=None, max_examples=40)
@given(tasks=st.lists(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=8), min_size=1))
def test_no_two_events_of_a_thread_overlap(scattered, tmp_path_factory, tasks):
    path = tmp_path_factory.mktemp("trace") / "step.json"
    timeline = scattered(tasks)
    trace.write(path, timeline, Plan(dp=len(tasks)))
    threads = devices_of(check_trace(path))
    assert sum(map(len, threads.values())) == len(timeline.spans)
    written = sum(event["args"]["seconds"] for events in threads.values() for event in events)
    assert written == pytest.approx(sum(span.end - span.begin for span in timeline.spans))


def test_every_span_is_written_where_it_ran(pipeline, tmp_path):
    timeline = pipeline(3, 4, apart=8)
    trace.write(tmp_path / "step.json", timeline, Plan(pp=3, dp=8))
    threads = devices_of(check_trace(tmp_path / "step.json"))
    assert {process for process, _ in threads} == {0, 8, 16}
    end = max(event["ts"] + event["dur"] for events in threads.values() for event in events)
    assert end == pytest.approx(1e6 * timeline.seconds)
    first = threads[0, 0][0]
    assert (first["name"], first["cat"], first["args"]["micro_batch"]) == (
        "forward 0",
        "forward",
        0,
    )
    assert first["args"]["parts"] == {"compute": 0.75, "memory": 0.25}


def test_the_critical_path_fills_the_step(pipeline, tmp_path):
    timeline = pipeline(3, 4)
    trace.write(tmp_path / "step.json", timeline, Plan(pp=3))
    threads = check_trace(tmp_path / "step.json")
    path = threads[trace.CRITICAL, 0]
    assert sum(event["dur"] for event in path) == pytest.approx(1e6 * timeline.seconds)
    marked = [
        e for events in devices_of(threads).values() for e in events if "critical" in e["args"]
    ]
    assert len(marked) == len(path)


def test_devices_and_streams_have_names(pipeline, tmp_path):
    trace.write(tmp_path / "step.json", pipeline(2, 2, apart=4), Plan(pp=2, dp=4))
    events = json.loads((tmp_path / "step.json").read_text())["traceEvents"]
    names = [event["args"]["name"] for event in events if event["name"] == "process_name"]
    assert names == ["stage 0 (device 0)", "stage 1 (device 4)", "critical path"]
    threads = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert {"compute", "forward", "backward", "sum"} < threads


def test_a_folder_that_is_not_there_is_named(pipeline, tmp_path):
    with pytest.raises(SurroundingsError, match="nowhere"):
        trace.write(tmp_path / "nowhere" / "step.json", pipeline(1, 1), Plan())


def test_a_fault_on_the_way_leaves_the_old_file(pipeline, tmp_path, monkeypatch):
    path = tmp_path / "step.json"
    path.write_text("old")
    before = trace.events

    def failing(*arguments):
        yield from list(before(*arguments))[:3]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trace, "events", failing)
    with pytest.raises(SurroundingsError, match="No space left"):
        trace.write(path, pipeline(1, 1), Plan())
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["step.json"]


def test_a_full_device_is_told_and_stays_a_device(pipeline):
    full = trace.Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    with pytest.raises(SurroundingsError, match="No space left"):
        trace.write(full, pipeline(1, 1), Plan())
    assert stat.S_ISCHR(full.stat().st_mode)
