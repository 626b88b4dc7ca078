"""Points per second of hardware sweeps against a scalar loop over `hwsim.estimate`, on one core.

A grid of six figures (peak rate, memory bandwidth, multiprocessors, cache, links inside and between
nodes), ten values each from half to twice the present one, in blocks of 100,000 points: GPT-3 175B
on 1,024 A100 (8 tensor parallel; 16 or 8 stages), as Megatron-LM of 2021 runs it and without a
profile, and the recurrent models on 8 V100. `random` are points that share no value. The baseline
estimates points one by one in the same process; `off` is the largest relative difference to it, and
`events` that to the event simulation, over points at random. `points` shows seconds and peak memory
of more and more points, `devices` those of more and more replicas. Prints one JSON object.
"""

import json
import resource
import time
from collections.abc import Iterator, Mapping

import numpy as np

import hwsim
from hwsim import Plan
from hwsim.estimation import Engine, estimate
from hwsim.graph import workload as workloads
from hwsim.study import many
from hwsim.study.figures import Floats, text_of
from hwsim.study.subject import Subject

SEED = 1
VALUES = 10
SAMPLE, SIMULATED = 30, 3
BLOCK = 100_000
GPT3 = {
    "workload.layers": "96",
    "workload.hidden": "12288",
    "workload.heads": "96",
    "workload.vocabulary": "51200",
    "workload.sequence": "2048",
    "workload.attention": "eager",
    "workload.dropout": "true",
    "workload.dtype": "fp16",
    "workload.batch": "1536",
}
FIGURES = (
    "device.memory.bandwidth",
    "device.multiprocessors",
    "device.caches.l2.capacity",
    "node.link.bandwidth",
    "network.0.bandwidth",
)


def gpt3(stages: int, software: str | None, replicas: int = 0) -> Subject:
    system, workload = hwsim.load_system("dgx-a100-80gb"), workloads.load("transformer")
    plan = Plan(tp=8, pp=stages, dp=replicas or 128 // stages, micro_batch=1, recompute="full")
    profile = hwsim.load_software(software) if software else None
    return Subject(system, workload, plan, profile).with_settings(GPT3)


def recurrent(name: str) -> Subject:
    return Subject(hwsim.load_system("volta"), workloads.load(name), Plan(dp=8)).with_settings({})


def present(subject: Subject) -> dict[str, float]:
    """The figures of a machine that are varied."""
    dtype = subject.workload.dtype
    peak = f"device.{'vector' if dtype == 'fp32' else 'matrix'}.{dtype}"
    found = {}
    for path in (peak, *FIGURES):
        value: object = subject.system
        try:
            for part in path.split("."):
                value = value[int(part)] if part.isdecimal() else getattr(value, part)
        except IndexError:  # a single node has no network
            continue
        found[path] = float(value)
    return found


def whole(path: str, values: Floats) -> Floats:
    return np.round(values) if path.endswith("multiprocessors") else values


def grid(subject: Subject, values: int = VALUES) -> Iterator[dict[str, Floats]]:
    """Its blocks: some values of the first figure with all of the others."""
    figures = present(subject)
    axes = len(figures)
    arrays = {
        path: whole(path, np.geomspace(one / 2, 2 * one, values)).reshape(
            [-1 if axis == place else 1 for axis in range(axes)]
        )
        for place, (path, one) in enumerate(figures.items())
    }
    first = next(iter(figures))
    step = max(1, BLOCK // values ** (axes - 1))
    for begin in range(0, values, step):
        yield arrays | {first: arrays[first][begin : begin + step]}


def scattered(subject: Subject, points: int) -> Iterator[dict[str, Floats]]:
    random = np.random.default_rng(SEED)
    for begin in range(0, points, BLOCK):
        some = min(BLOCK, points - begin)
        yield {
            path: whole(path, one * np.exp(random.uniform(-np.log(2), np.log(2), some)))
            for path, one in present(subject).items()
        }


def rate(subject: Subject, blocks: Iterator[Mapping[str, Floats]]) -> tuple[float, int]:
    """Points per CPU second, and how many have an answer."""
    begun, points, answered = time.process_time(), 0, 0
    for block in blocks:
        found = many.answers(subject, block)
        points += found.seconds.size
        answered += int(np.count_nonzero(~np.isnan(found.seconds)))
    return points / (time.process_time() - begun), answered


def alone(subject: Subject, figures: Mapping[str, Floats], place: int, engine: Engine) -> float:
    one = subject.with_settings({p: text_of(p, float(v[place])) for p, v in figures.items()})
    return estimate(
        one.system, one.workload, one.plan, software=one.software, engine=engine
    ).step.seconds


def compared(subject: Subject) -> dict[str, float]:
    """Points per second of the scalar loop, and the differences to it and to the simulation."""
    (figures,) = scattered(subject, SAMPLE)
    found = many.answers(subject, figures).seconds
    begun = time.process_time()
    closed = np.array([alone(subject, figures, place, "closed") for place in range(SAMPLE)])
    scalar = SAMPLE / (time.process_time() - begun)
    events = np.array([alone(subject, figures, place, "events") for place in range(SIMULATED)])
    return {
        "scalar": scalar,
        "off": float(np.max(np.abs(found / closed - 1))),
        "events": float(np.max(np.abs(found[:SIMULATED] / events - 1))),
    }


def measured(subject: Subject) -> dict[str, float]:
    many.answers(subject, next(grid(subject, 2)))  # what is loaded once
    found, answered = rate(subject, grid(subject))
    other = compared(subject)
    shared = {"grid": found, "answered": answered, **other, "ratio": found / other["scalar"]}
    return shared | {"random": rate(subject, scattered(subject, BLOCK))[0]}


def by_points(subject: Subject) -> list[dict[str, float]]:
    """More and more points of the grid, in blocks."""
    rows = []
    for points in (10_000, 100_000, 1_000_000, 10_000_000):
        blocks = list(grid(subject))
        size = VALUES ** len(present(subject)) // len(blocks)
        begun, done = time.process_time(), 0
        while done < points:
            block = blocks[done // size % len(blocks)]
            last = "network.0.bandwidth"
            if points - done < size:  # a part of a block
                share = max(1, VALUES * (points - done) // size)
                block = block | {last: block[last][..., :share]}
            done += many.answers(subject, block).seconds.size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append(
            {"points": done, "seconds": time.process_time() - begun, "peak MiB": round(peak)}
        )
    return rows


def main() -> None:
    subjects = {
        "gpt3, 16 stages, megatron-2021": gpt3(16, "megatron-2021"),
        "gpt3, 16 stages": gpt3(16, None),
        "gpt3, 8 stages, megatron-2021": gpt3(8, "megatron-2021"),
        "gpt3, 8 stages": gpt3(8, None),
        **{name: recurrent(name) for name in ("charlm", "wordlm", "speech")},
    }
    # First, while no other block has been in memory.
    found: dict[str, object] = {"points": by_points(gpt3(16, "megatron-2021"))}
    for name, subject in subjects.items():
        found[name] = row = measured(subject)
        print(name, {key: f"{value:.4g}" for key, value in row.items()})
    devices = {}
    for replicas in (1, 8, 64, 512):
        subject = gpt3(16, "megatron-2021", replicas)
        subject = subject.with_settings({"workload.batch": str(192 * replicas)})
        devices[128 * replicas] = rate(subject, grid(subject))[0]
    found["devices"] = devices
    print(json.dumps(found))


if __name__ == "__main__":
    main()
