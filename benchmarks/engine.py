"""Task rate of the simulation against a bare simpy loop with as many events, and bytes per span.

The baseline runs `yield environment.timeout(dt)` in as many processes as the program computes in,
right before each measurement; the ratio of CPU seconds is the median over rounds, with its range.
`flat` is tasks that wait for nothing. `step` is a step of a 96-layer transformer in 64 stages and
512 micro-batches (1F1B), from its priced layers to its time: its tasks are made while it runs.
`devices` shows what a plan of more and more devices costs, of which one for each stage is
simulated: pricing, lowering and running it. Prints tables and one JSON object.
"""

import json
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import simpy

import hwsim
from hwsim.cost.calibration import load_for
from hwsim.parallel.lower import lower
from hwsim.parallel.program import Program, Stream, Task, Work
from hwsim.parallel.staged import Staged, staged
from hwsim.simulate.engine import run
from hwsim.simulate.step import simulate

ROUNDS = 7
FLAT = 200_000  # tasks
LAYERS, STAGES, MICRO = 96, 64, 512


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


def model(micro_batches: int, replicas: int = 1) -> hwsim.Workload:
    settings = {"layers": LAYERS, "hidden": 12288, "heads": 96, "sequence": 2048}
    batch = micro_batches * replicas
    return type(hwsim.load_workload("transformer")).model_validate(
        {**settings, "batch": batch, "dtype": "bf16"}
    )


def machine() -> hwsim.System:
    return hwsim.load_system("dgx-a100-80gb").model_copy(update={"nodes": None})


def step(micro_batches: int) -> Staged:
    plan, system = hwsim.Plan(tp=8, pp=STAGES, micro_batch=1), machine()
    return staged(model(micro_batches), system, plan, load_for(system.device))


def seconds(program: Callable[[], Program], trace: bool) -> float:
    begun = time.process_time()
    run(program(), trace=trace)
    return time.process_time() - begun


def bytes_at_most(program: Callable[[], Program], trace: bool) -> int:
    tracemalloc.start()
    run(program(), trace=trace)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def against_simpy() -> dict[str, Any]:
    """Each case beside the bare loop."""
    priced = step(MICRO)
    tasks = 2 * STAGES * MICRO + 2 * (STAGES - 1) * MICRO
    cases: dict[str, tuple[Callable[[], Program], int, int]] = {
        "flat, 1 device": (lambda: flat(FLAT, 1), FLAT, 1),
        "flat, 64 devices": (lambda: flat(FLAT, STAGES), FLAT, STAGES),
        "step": (lambda: lower(priced), tasks, STAGES),
    }
    found = {}
    for name, (program, events, processes) in cases.items():
        for trace in (False, True):
            pairs = [(bare(events, processes), seconds(program, trace)) for _ in range(ROUNDS)]
            ratios = sorted(simulated / alone for alone, simulated in pairs)
            row = {
                "tasks_per_second": round(events / statistics.median(s for _, s in pairs)),
                "time_ratio": round(statistics.median(ratios), 2),
                "time_ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
                "rate_ratio": round(1 / statistics.median(ratios), 2),
            }
            found[f"{name}, traced" if trace else name] = row
            low, high = row["time_ratio_range"]
            print(
                f"{name + ', traced' * trace:26}{row['tasks_per_second']:>11,} tasks/s"
                f"{row['time_ratio']:7.2f} x simpy ({low:.2f} to {high:.2f})"
            )
    return found


def memory() -> dict[str, float]:
    """Bytes for each further span, and for each further task where no spans are kept."""
    short, long = step(128), step(384)
    spans = (2 * STAGES + 2 * (STAGES - 1)) * 256  # between the two
    grown = {
        trace: (
            bytes_at_most(lambda: lower(long), trace) - bytes_at_most(lambda: lower(short), trace)
        )
        / spans
        for trace in (False, True)
    }
    print(f"bytes per span: {grown[True]:.0f} traced, {grown[False]:.1f} otherwise")
    return {"bytes_per_span": round(grown[True], 1), "untraced": round(grown[False], 2)}


def symmetric() -> list[dict[str, Any]]:
    """Milliseconds of a whole simulation while replicas and tensor neighbors grow in number."""
    found = []
    system = machine()
    calibration = load_for(system.device)
    for tp, dp in ((1, 1), (8, 1), (8, 8), (8, 32), (8, 128), (8, 1024)):
        plan = hwsim.Plan(tp=tp, dp=dp, pp=16, micro_batch=1)
        workload = model(128, dp)
        simulate(system, workload, plan, calibration, trace=False)
        times = []
        for _ in range(ROUNDS):
            begun = time.process_time()
            simulate(system, workload, plan, calibration, trace=False)
            times.append(time.process_time() - begun)
        row = {"devices": plan.devices, "tp": tp, "dp": dp, "pp": 16}
        found.append({**row, "milliseconds": round(1e3 * statistics.median(times), 1)})
        took = found[-1]["milliseconds"]
        print(f"{plan.devices:>8,} devices (tp {tp}, dp {dp:>4}, pp 16): {took} ms")
    return found


def main() -> None:
    found = {"cases": against_simpy(), "memory": memory(), "devices": symmetric()}
    print(json.dumps({**found, "rounds": ROUNDS}))


if __name__ == "__main__":
    main()
