"""Which links keep time per step from growing faster than steps fall?

The paper's models at growing width: twice the parameters on twice the devices, from one device to
eight, at the same global batch, shared by data, pipeline or tensor parallelism. Steps fall as
parameters^-0.585 (the exponent measured for charlm-small, its plateau left aside, assumed for the
others), so that time per step may grow by 2^0.585 = 1.5 each time the model doubles.

Printed is the least power of two of GB/s with which it doesn't grow faster than that: what a
device has in one direction, all its links together. (In a mesh like volta's two devices see a
sixth of it, eight all of it.) Where none is enough, `-` and what bounds the step then: arithmetic,
memory traffic, waiting for other stages (bubble), the latency of exchanges, too few layers for the
stages, or memory that is too small. A pipeline cuts charlm's single layer inside its time step; the
others it cuts between layers, in micro-batches or as a wave along time.
"""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import hwsim
from hwsim import Plan, Workload
from hwsim.convergence import law
from hwsim.study.subject import Subject

MACHINES = {name: hwsim.load_system(name) for name in ("maxwell", "volta", "hopper")}
MODELS = {name: hwsim.load_workload(name) for name in ("charlm", "wordlm", "speech")}
WAYS = ("data", "pipeline", "tensor")
# Times the square root of two each: parameters double.
WIDTHS = {1: 1024, 2: 1448, 4: 2048, 8: 2896}
SHARED = (2, 4, 8)
STEPS_FALL = law.load("charlm-small").parameters["k2"].value
GIGABYTES = [2.0**power for power in range(-3, 13)]
WIDTH = 17


class Step(NamedTuple):
    """The fastest plan's seconds, and what most of them go to."""

    seconds: float
    bound: str


class Case(NamedTuple):
    machine: str
    model: str
    way: str
    devices: int


class Answer(NamedTuple):
    """The least bandwidth that is enough, in GB/s; or None, and what bounds the step then."""

    least: float | None
    bound: str

    def __str__(self) -> str:
        if self.least is None:
            return f"- {self.bound}"
        return f"{'<= ' if self.least == GIGABYTES[0] else ''}{self.least:g} GB/s"


def plans(way: str, devices: int, workload: Workload) -> Iterator[dict[str, object]]:
    """The plans of one way that are tried; the fastest counts."""
    if devices == 1:
        yield {}
    elif way == "data":
        yield from ({"dp": devices, "zero": zero} for zero in (0, 1))
    elif way == "tensor":
        yield {"tp": devices}
    elif workload.rings(1):  # cut inside its time step
        size = workload.batch // devices
        yield {"pp": devices, "micro_batch": size, "time_chunks": workload.items_per_sample}
    else:
        # More than one chunk is a wave along time.
        for micro_batches, chunks in ((devices, 1), (4 * devices, 1), (1, 10), (devices, 10)):
            size = workload.batch // micro_batches
            plan = {"pp": devices, "micro_batch": size, "time_chunks": chunks}
            yield {**plan, "schedule": "gpipe"}


@lru_cache(None)
def step(case: Case, gigabytes: float | None) -> Step:
    """A step of the model that is as many times as large as there are devices."""
    system, workload = MACHINES[case.machine], MODELS[case.model]
    settings = {"workload.hidden": str(WIDTHS[case.devices])}
    if gigabytes is not None:
        links = ["node.link", *(["node.host_link"] if system.node.host_link else [])]
        settings |= {f"{link}.bandwidth": f"{gigabytes} GB/s" for link in links}
    found, bound = [], "too small"
    subject = Subject(system, workload).with_settings(settings)
    for plan in plans(case.way, case.devices, workload):
        try:
            answer = hwsim.estimate(
                subject.system, subject.workload, Plan.model_validate(plan), steps=1
            )
        except hwsim.InputError as error:
            if "layers" in error.what:
                bound = "too few layers"
            continue  # or layers that can't be cut along time
        if answer.memory.fits:
            found.append(Step(answer.step.seconds, answer.step.bound))
    return min(found, default=Step(float("inf"), bound))


def asked(case: Case) -> Answer:
    """The least bandwidth with which the step is no longer than it may be."""
    alone = step(case._replace(devices=1), None)
    allowed = alone.seconds * case.devices**STEPS_FALL
    best = step(case, GIGABYTES[-1])
    if best.seconds > allowed:
        return Answer(None, "latency" if best.bound == "communication" else best.bound)
    low, high = -1, len(GIGABYTES) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if step(case, GIGABYTES[middle]).seconds <= allowed:
            high = middle
        else:
            low = middle
    return Answer(GIGABYTES[high], "")


def conclusion(machine: str, answers: dict[Case, Answer]) -> str:
    """What the table says of one machine."""
    link = MACHINES[machine].node.link
    own = link.bandwidth / 1e9 if link else 0.0
    needs = {case: answer.least for case, answer in answers.items() if answer.least is not None}
    enough = sum(least <= own for least in needs.values())
    most = max(needs, key=lambda case: needs[case])
    bounds = Counter(answer.bound for answer in answers.values() if answer.least is None)
    where = f"{most.model}, {most.way}, {most.devices} devices"
    others = ", ".join(f"{bound} {count}" for bound, count in bounds.most_common())
    return (
        f"{machine}: its {own:g} GB/s are enough in {enough} of {len(answers)} cases; "
        f"the most that one needs is {needs[most]:g} GB/s\n"
        f"  ({where}); no bandwidth is enough in {sum(bounds.values())} ({others})"
    )


def main() -> None:
    print(f"{'machine':8} {'model':7} {'way':9}" + "".join(f"{n:>9} devices" for n in SHARED))
    conclusions = []
    for machine in MACHINES:
        answers = {
            case: asked(case)
            for case in (Case(machine, *rest) for rest in product(MODELS, WAYS, SHARED))
        }
        for model, way in product(MODELS, WAYS):
            cells = [answers[Case(machine, model, way, devices)] for devices in SHARED]
            print(
                f"{machine:8} {model:7} {way:9}" + "".join(f"{cell!s:>{WIDTH}}" for cell in cells)
            )
        conclusions.append(conclusion(machine, answers))
    print("\n" + "\n".join(conclusions))


if __name__ == "__main__":
    main()
