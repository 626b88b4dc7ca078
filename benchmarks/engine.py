"""Task rate of the simulation against a bare simpy loop with as many events, and bytes per span.

The baseline runs `yield environment.timeout(dt)` in as many processes as the program computes in,
right before each measurement; the ratio of CPU seconds is the median over rounds, with its range.
`flat` is tasks that wait for nothing, `pipeline` a 1F1B schedule whose stages pass activations on
over streams of their own, `shared` the same with transfers that share a link. Prints a table and
one JSON object.
"""

import json
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

import simpy

from hwsim.parallel.program import Link, Program, Stream, Task, Work
from hwsim.simulate.engine import run

ROUNDS = 7
FLAT = 200_000  # tasks
STAGES, MICRO = 64, 512
HOP = 0.05
FORWARD = Work(1.0, (("compute", 0.8), ("memory", 0.2)))
BACKWARD = Work(2.0, (("compute", 1.6), ("memory", 0.4)))


def bare(events: int, processes: int) -> float:
    """Seconds that simpy alone takes."""
    environment = simpy.Environment()

    def loop(seconds: float) -> Iterator[simpy.Event]:
        for _ in range(events // processes):
            yield environment.timeout(seconds)

    for number in range(processes):
        environment.process(loop(1.0 + number / 1000))
    begun = time.process_time()
    environment.run()
    return time.process_time() - begun


def flat(tasks: int, devices: int) -> Program:
    def kernels(device: int) -> Iterator[Task]:
        seconds = 1.0 + device / 1000
        task = Task("kernel", Work(seconds, (("compute", seconds),)))
        for _ in range(tasks // devices):
            yield task

    return Program({Stream(n, "compute"): partial(kernels, n) for n in range(devices)}, devices)


def pipeline(stages: int, micro: int, shared: bool = False) -> Program:
    def computed(stage: int) -> Iterator[Task]:
        for kind, number in one_forward_one_backward(stages - stage - 1, micro):
            if kind == "F":
                takes = (("to", stage, number),) if stage else ()
                gives = (("from", stage, number),) if stage < stages - 1 else ()
                yield Task("forward", FORWARD, takes, gives, number)
            else:
                takes = (("back", stage, number),) if stage < stages - 1 else ()
                gives = (("gone", stage, number),) if stage else ()
                yield Task("backward", BACKWARD, takes, gives, number)

    def sent(stage: int, taken: str, given: str, to: int) -> Iterator[Task]:
        loads = ((Link(stage, "network"), 1.0),) if shared else ()
        hop = Work(HOP, (("communication", HOP),), loads=loads)
        for number in range(micro):
            yield Task("send", hop, ((taken, stage, number),), ((given, to, number),), number)

    streams: dict[Stream, Callable[[], Iterator[Task]]] = {}
    for stage in range(stages):
        streams[Stream(stage, "compute")] = partial(computed, stage)
        if stage < stages - 1:
            streams[Stream(stage, "pp.forward")] = partial(sent, stage, "from", "to", stage + 1)
        if stage:
            streams[Stream(stage, "pp.backward")] = partial(sent, stage, "gone", "back", stage - 1)
    return Program(streams, stages)


def one_forward_one_backward(ahead: int, micro: int) -> Iterator[tuple[str, int]]:
    """A stage's order: `ahead` micro-batches forward, then one forward and one backward in turn."""
    for number in range(micro + ahead):
        if number < micro:
            yield "F", number
        if number >= ahead:
            yield "B", number - ahead


def seconds(program: Program, trace: bool) -> float:
    begun = time.process_time()
    run(program, trace=trace)
    return time.process_time() - begun


def bytes_at_most(program: Program, trace: bool) -> int:
    tracemalloc.start()
    run(program, trace=trace)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    sends = 2 * (STAGES - 1) * MICRO
    cases = {
        "flat, 1 device": (flat(FLAT, 1), FLAT, 1),
        "flat, 64 devices": (flat(FLAT, STAGES), FLAT, STAGES),
        "pipeline": (pipeline(STAGES, MICRO), 2 * STAGES * MICRO + sends, STAGES),
        "pipeline, shared": (pipeline(STAGES, MICRO, True), 2 * STAGES * MICRO + sends, STAGES),
    }
    found = {}
    for name, (program, tasks, processes) in cases.items():
        for trace in (False, True):
            pairs = [(bare(tasks, processes), seconds(program, trace)) for _ in range(ROUNDS)]
            ratios = sorted(simulated / alone for alone, simulated in pairs)
            found[f"{name}, traced" if trace else name] = {
                "tasks_per_second": round(tasks / statistics.median(s for _, s in pairs)),
                "time_ratio": round(statistics.median(ratios), 2),
                "time_ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
                "rate_ratio": round(1 / statistics.median(ratios), 2),
            }
    short, long = pipeline(8, 200), pipeline(8, 2000)
    spans = (2 * 8 + 2 * 7) * 1800  # between the two
    grown = {
        trace: (bytes_at_most(long, trace) - bytes_at_most(short, trace)) / spans
        for trace in (False, True)
    }
    for name, row in found.items():
        low, high = row["time_ratio_range"]
        print(
            f"{name:26}{row['tasks_per_second']:>11,} tasks/s"
            f"{row['time_ratio']:7.2f} x simpy ({low:.2f} to {high:.2f})"
        )
    print(f"bytes per span: {grown[True]:.0f} traced, {grown[False]:.1f} otherwise")
    print(
        json.dumps(
            {
                "cases": found,
                "bytes_per_span": round(grown[True], 1),
                "bytes_per_task_untraced": round(grown[False], 2),
                "rounds": ROUNDS,
            }
        )
    )


if __name__ == "__main__":
    main()
