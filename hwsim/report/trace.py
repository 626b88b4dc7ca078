"""A timeline in the trace event format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

Each device is a process and each of its streams a thread; one more process shows the critical path.
The format: "Trace Event Format", Google, 2016.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hwsim.jsonfile import replaced
from hwsim.parallel.plan import Plan
from hwsim.report.tracks import kind, tracks
from hwsim.simulate.timeline import Span, Timeline

# Microseconds are written in multiples of 2**-10: floats add such numbers without rounding, so that
# spans which don't overlap don't overlap in a reader's arithmetic either.
TICKS = 1024
CRITICAL = 10**9  # the process of the critical path, beyond all devices


def write(path: Path, timeline: Timeline, plan: Plan) -> None:
    """Write the file, whole or not at all. Raises SurroundingsError if the disk refuses."""
    with replaced(path) as stream:
        stream.write('{"displayTimeUnit": "ns", "traceEvents": [')
        for number, event in enumerate(events(timeline, plan)):
            stream.write(",\n" if number else "\n")
            stream.write(json.dumps(event))
        stream.write("\n]}\n")


def events(timeline: Timeline, plan: Plan) -> Iterator[dict[str, Any]]:
    """Names of processes and threads, and a complete event for each span."""
    path = timeline.critical_path()
    critical = {(span.stream, span.begin, span.end) for span in path}
    devices: dict[int, int] = {}
    for thread, track in enumerate(tracks(timeline, plan)):
        process = track.stream.device
        if process not in devices:
            devices[process] = len(devices)
            yield from _process(process, track.device, devices[process])
        yield from _thread(process, thread, track.stream.kind)
        for span in track.spans:
            on_path = (span.stream, span.begin, span.end) in critical
            yield _complete(span, process, thread, on_path)
    yield from _process(CRITICAL, "critical path", len(devices))
    yield from _thread(CRITICAL, 0, "what the step waits for")
    for span in path:
        event = _complete(span, CRITICAL, 0, True)
        event["args"]["device"] = span.stream.device
        event["args"]["stream"] = span.stream.kind
        yield event


def _complete(span: Span, process: int, thread: int, critical: bool) -> dict[str, Any]:
    begin, end = _ticks(span.begin), _ticks(span.end)
    args: dict[str, Any] = {"seconds": span.end - span.begin, "parts": dict(span.work.parts)}
    if span.micro >= 0:
        args["micro_batch"] = span.micro
    if critical:
        args["critical"] = True
    return {
        "ph": "X",
        "name": span.name if span.micro < 0 else f"{span.name} {span.micro}",
        "cat": kind(span).name,
        "pid": process,
        "tid": thread,
        "ts": begin / TICKS,
        "dur": (end - begin) / TICKS,
        "args": args,
    }


def _ticks(seconds: float) -> int:
    return round(seconds * 1e6 * TICKS)


def _process(process: int, name: str, place: int) -> Iterator[dict[str, Any]]:
    yield _named("process_name", process, 0, {"name": name})
    yield _named("process_sort_index", process, 0, {"sort_index": place})


def _thread(process: int, thread: int, name: str) -> Iterator[dict[str, Any]]:
    yield _named("thread_name", process, thread, {"name": name})
    yield _named("thread_sort_index", process, thread, {"sort_index": thread})


def _named(what: str, process: int, thread: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": args}
