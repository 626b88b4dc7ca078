"""Small steps, simulated."""

import pytest

from hwsim.parallel.program import COMPUTE, Link, Program, Stream, Task, Work
from hwsim.parallel.schedule import order
from hwsim.simulate.engine import run


def kernels(seconds):
    return Work(seconds, (("compute", 0.75 * seconds), ("memory", 0.25 * seconds)))


def moving(seconds, device=0):
    return Work(seconds, (("communication", seconds),), loads=((Link(device, "node"), 0.5),))


@pytest.fixture(scope="session")
def pipeline():
    """The timeline of 1F1B: forward 1 s, backward 2 s, hops, a sum of 3 s and an update of 1 s."""

    def step(stages, micro_batches, hop=0.25, apart=1):
        def compute(stage):
            for slot in order("1f1b", stages, stage, micro_batches, 1):
                forward = slot.kind == "F"
                inner = stage > 0 if forward else stage < stages - 1
                outer = stage < stages - 1 if forward else stage > 0
                takes = (("in", slot.kind, stage, slot.micro),) if inner else ()
                gives = (("out", slot.kind, stage, slot.micro),) if outer else ()
                if not forward and slot.micro == micro_batches - 1:
                    gives = (*gives, ("ready", stage))
                name = "forward" if forward else "backward"
                work = kernels(1.0 if forward else 2.0)
                yield Task(name, work, takes, gives, slot.micro)
            yield Task("update", Work(1.0, (("update", 1.0),)), (("summed", stage),))

        def send(stage, kind, towards):
            for micro in range(micro_batches):
                takes = (("out", kind, stage, micro),)
                gives = (("in", kind, stage + towards, micro),)
                yield Task("send", moving(hop, stage * apart), takes, gives, micro)

        def sums(stage):
            work = moving(3.0, stage * apart)
            yield Task("sum", work, (("ready", stage),), (("summed", stage),))

        streams = {}
        for stage in range(stages):
            device = stage * apart
            streams[Stream(device, COMPUTE)] = lambda stage=stage: compute(stage)
            streams[Stream(device, "sum")] = lambda stage=stage: sums(stage)
            if stage < stages - 1:
                streams[Stream(device, "forward")] = lambda stage=stage: send(stage, "F", 1)
            if stage > 0:
                streams[Stream(device, "backward")] = lambda stage=stage: send(stage, "B", -1)
        return run(Program(streams, stages, apart))

    return step


@pytest.fixture(scope="session")
def scattered():
    """The timeline of devices whose kernels each give a transfer that takes its own time."""

    def step(devices):
        streams = {}
        for device, tasks in enumerate(devices):

            def compute(device=device, tasks=tasks):
                for number, (seconds, _) in enumerate(tasks):
                    gives = ((device, number),)
                    yield Task("forward", kernels(seconds), gives=gives, micro=number)

            def sums(device=device, tasks=tasks):
                for number, (_, seconds) in enumerate(tasks):
                    yield Task("sum", moving(seconds, device), ((device, number),), micro=number)

            streams[Stream(device, COMPUTE)] = compute
            streams[Stream(device, "sum")] = sums
        return run(Program(streams, len(devices)))

    return step
