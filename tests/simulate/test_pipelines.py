"""Closed forms of pipelines against the event simulation of the same orders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.closed import Passes, Sum, step
from hwsim.parallel.program import COMPUTE, Program, Stream, Task, Work
from hwsim.parallel.schedule import order, sender
from hwsim.simulate.engine import run

SPLIT = "zero-bubble"
TIMES = (0.1, 1.0, 1.0, 2.0, 5.0)
UPDATE = 0.25


class Pipeline:
    """A program of passes, hops, one sum of gradients that half of each last pass hides, update."""

    def __init__(self, schedule, stages, micro, virtual, passes, hops, sums):
        self.schedule, self.stages, self.micro, self.virtual = schedule, stages, micro, virtual
        self.passes, self.hops, self.sums = passes, hops, sums

    def program(self):
        streams = {}
        for stage in range(self.stages):
            streams[Stream(stage, COMPUTE)] = lambda stage=stage: self.compute(stage)
            streams[Stream(stage, "dp")] = lambda stage=stage: self.reduce(stage)
            for kind, name in (("F", "pp.forward"), ("B", "pp.backward")):
                streams[Stream(stage, name)] = lambda s=stage, k=kind: self.send(s, k)
        return Program(streams, devices=self.stages)

    def order(self, stage):
        return order(self.schedule, self.stages, stage, self.micro, self.virtual)

    def comes(self, slot, stage):
        source = sender(slot, self.stages, stage, self.virtual)
        return source if source and source[0] != stage else None

    def seconds(self, slot, stage):
        chunk = slot.chunk * self.stages + stage
        forward, backward, weights = (times[chunk] for times in self.passes)
        whole = backward if self.schedule == SPLIT else backward + weights
        return {"F": forward, "B": whole, "W": weights}[slot.kind]

    def ends(self, stage):
        """The slot that ends each chunk's gradients."""
        return {slot.chunk: slot for slot in self.order(stage) if slot.kind != "F"}

    def compute(self, stage):
        ends = self.ends(stage)
        for slot in self.order(stage):
            takes = (("came", stage, slot),) if self.comes(slot, stage) else ()
            gives = (("made", stage, slot),) if self.goes(slot, stage) else ()
            seconds = self.seconds(slot, stage)
            if ends.get(slot.chunk) == slot:
                yield Task("pass", took(seconds / 2), takes, (("ready", stage, slot.chunk),))
                takes, seconds = (), seconds / 2
            yield Task("pass", took(seconds), takes, gives)
        summed = tuple(("summed", stage, chunk) for chunk in ends)
        yield Task("update", Work(UPDATE, (("update", UPDATE),)), summed)

    def goes(self, slot, stage):
        chunk = slot.chunk * self.stages + stage
        edge = {"F": self.stages * self.virtual - 1, "B": 0, "W": chunk}[slot.kind]
        return self.stages > 1 and chunk != edge

    def send(self, stage, kind):
        step = 1 if kind == "F" else -1
        work = took(self.hops[stage if kind == "F" else stage - 1], "communication")
        for slot in self.order(stage):
            if slot.kind == kind and self.goes(slot, stage):
                chunk = slot.chunk * self.stages + stage + step
                there = slot._replace(chunk=chunk // self.stages)
                arrives = ("came", chunk % self.stages, there)
                yield Task("hop", work, (("made", stage, slot),), (arrives,))

    def reduce(self, stage):
        for chunk in reversed(range(self.virtual)):
            work = took(self.sums[chunk * self.stages + stage], "communication")
            yield Task("sum", work, (("ready", stage, chunk),), (("summed", stage, chunk),))

    def closed(self):
        sums = []
        for chunk, seconds in enumerate(self.sums):
            stage = chunk % self.stages
            end = self.ends(stage)[chunk // self.stages]
            sums.append([Sum(-self.seconds(end, stage) / 2, seconds)])
        return step(
            self.schedule,
            self.stages,
            self.micro,
            self.passes,
            virtual=self.virtual,
            hop=self.hops,
            sums=sums,
            update=UPDATE,
        )


def took(seconds, part="compute"):
    return Work(seconds, ((part, seconds),))


@st.composite
def pipelines(draw):
    schedule = draw(st.sampled_from(["gpipe", "1f1b", "interleaved", SPLIT]))
    stages, micro, virtual = draw(st.integers(1, 4)), draw(st.integers(1, 8)), 1
    if schedule == "interleaved":
        micro, virtual = stages * draw(st.integers(1, 2)), draw(st.integers(2, 3))

    def times(number):
        many = st.lists(st.sampled_from(TIMES), min_size=number, max_size=number)
        return np.array(draw(many))

    chunks = stages * virtual
    passes = Passes(*(times(chunks) for _ in range(3)))
    hops = times(stages) * draw(st.sampled_from([0.0, 1.0]))
    return Pipeline(schedule, stages, micro, virtual, passes, hops, times(chunks))


@given(pipelines())
@settings(deadline=None, max_examples=60)
def test_closed_forms_are_what_the_simulation_gives(pipeline):
    assert run(pipeline.program()).seconds == pytest.approx(pipeline.closed().seconds, rel=1e-12)


@given(pipelines())
@settings(deadline=None, max_examples=20)
def test_busy_and_update_are_booked_alike(pipeline):
    parts, closed = run(pipeline.program()).parts(), pipeline.closed()
    assert parts["compute"] == pytest.approx(closed.busy)
    assert parts["update"] == pytest.approx(closed.update)
    waiting = closed.exposed + closed.bubble
    assert parts["communication"] + parts["bubble"] == pytest.approx(waiting, abs=1e-9)
