"""Which links keep time per step from growing faster than steps fall?

The paper's models at growing width: twice the parameters on twice the devices, from one device to
eight, spread by data, pipeline or tensor parallelism. Steps fall as parameters^-0.585 (the exponent
measured for charlm-small, assumed for the others), so that time per step may grow by 2^0.585 each
time the model doubles. Printed is the least bandwidth of every link of the node, per device and
direction, with which it does not grow faster than that; `-` where no bandwidth is enough, and what
then bounds the step.
"""

from functools import lru_cache

import hwsim
from hwsim.convergence import law
from hwsim.errors import InputError
from hwsim.study.subject import Subject

MACHINES = ("maxwell", "volta", "hopper")
WORKLOADS = ("charlm", "wordlm", "speech")
WAYS = ("data", "pipeline", "tensor")
# Times the square root of two each: parameters double.
WIDTHS = {1: 1024, 2: 1448, 4: 2048, 8: 2896}
STEPS_FALL = law.load("charlm-small").parameters["k2"].value
GIGABYTES = [2.0**power for power in range(-3, 14)]


def plans(way: str, devices: int, batch: int) -> list[dict[str, str]]:
    """The plans of one way that are tried; the fastest counts."""
    if way == "data":
        return [{"plan.dp": str(devices)}]
    if way == "tensor":
        return [{"plan.tp": str(devices)}]
    stages = {"plan.pp": str(devices)}
    sizes = [batch // (rounds * devices) for rounds in (1, 2, 4) if batch >= rounds * devices]
    tried = [{**stages, "plan.micro_batch": str(size)} for size in sizes]
    chunks = {"plan.schedule": "gpipe", "plan.time_chunks": "10"}  # a wavefront
    return tried + [{**one, **chunks} for one in [stages, *tried]]


@lru_cache(None)
def step(machine: str, name: str, way: str, devices: int, gigabytes: float | None) -> tuple:
    """Seconds of the fastest step, and what bounds it."""
    workload = hwsim.load_workload(name)
    settings = {"workload.hidden": str(WIDTHS[devices])}
    if gigabytes is not None:
        system = hwsim.load_system(machine)
        links = ["node.link", *(["node.host_link"] if system.node.host_link else [])]
        settings |= {f"{link}.bandwidth": f"{gigabytes} GB/s" for link in links}
    found = []
    for plan in plans(way, devices, workload.batch) if devices > 1 else [{}]:
        try:
            subject = Subject(hwsim.load_system(machine), workload)
            subject = subject.with_settings({**settings, **plan})
            answer = hwsim.estimate(subject.system, subject.workload, subject.plan, steps=1)
        except InputError:  # too few layers, or none that can be cut along time
            continue
        parts = answer.step.parts
        found.append((answer.step.seconds, max(parts, key=parts.get)))
    return min(found, default=(float("inf"), "too few layers"))


def least(machine: str, name: str, way: str, devices: int) -> str:
    """The least bandwidth that is enough."""
    alone, _ = step(machine, name, way, 1, None)
    allowed = alone * devices**STEPS_FALL
    if step(machine, name, way, devices, GIGABYTES[-1])[0] > allowed:
        return f"- {step(machine, name, way, devices, GIGABYTES[-1])[1]}"
    low, high = -1, len(GIGABYTES) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if step(machine, name, way, devices, GIGABYTES[middle])[0] <= allowed:
            high = middle
        else:
            low = middle
    return f"{GIGABYTES[high]:g} GB/s"


def main() -> None:
    print(
        f"{'machine':8} {'model':7} {'way':9}" + "".join(f"{n:>4} devices    " for n in (2, 4, 8))
    )
    for machine in MACHINES:
        for name in WORKLOADS:
            for way in WAYS:
                cells = "".join(f"{least(machine, name, way, n):>16}" for n in (2, 4, 8))
                print(f"{machine:8} {name:7} {way:9}{cells}")


if __name__ == "__main__":
    main()
