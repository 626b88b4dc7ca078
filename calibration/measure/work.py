"""Something that can be run again and again, and how to sample it on the host and on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat
from typing import NamedTuple

import torch

from calibration.measure.clock import Sample

# The number formats of tensors; tf32 is a mode of products on fp32 tensors.
TYPES = {
    "fp64": torch.float64,
    "fp32": torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
MILLI = 1e-3  # events count milliseconds


class Work(NamedTuple):
    """What is run. On a GPU the host waits after each run unless `queued`."""

    run: Callable[[], object]
    queued: bool = False


def host_sample(work: Work, *, cuda: bool) -> Sample:
    """Seconds by the host's clock: framework calls."""
    run = work.run

    def sample(repeats: int) -> float:
        begun = time.perf_counter()
        for _ in repeat(None, repeats):
            run()
        return time.perf_counter() - begun

    def device_sample(repeats: int) -> float:
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in repeat(None, repeats):
            run()
            if not work.queued:
                torch.cuda.synchronize()
        torch.cuda.synchronize()
        return time.perf_counter() - begun

    return device_sample if cuda else sample


def graph_sample(work: Work) -> Sample:
    """Seconds by a GPU's clock: back-to-back kernels, replayed from a captured graph."""
    captured: dict[int, torch.cuda.CUDAGraph] = {}
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]

    def sample(repeats: int) -> float:
        if repeats not in captured:
            captured.clear()
            captured[repeats] = _capture(work.run, repeats)
        begin.record()
        captured[repeats].replay()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) * MILLI

    return sample


def _capture(run: Callable[[], object], repeats: int) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    run()  # libraries set themselves up at first, which can't be captured
    torch.cuda.synchronize()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
        for _ in repeat(None, repeats):
            run()
    graph.replay()  # the first replay sends the graph to the device
    torch.cuda.synchronize()
    return graph
