"""Bounds are bounds: nothing takes less time, or fewer bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.formula import attempt
from hwsim.parallel.lower import lower
from hwsim.parallel.memory import how
from hwsim.parallel.needs import needed
from hwsim.parallel.priced import total
from hwsim.simulate.engine import run
from hwsim.study.search.bounds import (
    always_seconds,
    copied_seconds,
    cut_seconds,
    least_bytes,
    pipeline_seconds,
    step_seconds,
    summed_seconds,
)
from hwsim.study.search.costs import EASED, Costs
from hwsim.study.subject import Subject

ROUNDING = 1 + 1e-12


def costs_of(made):
    asked = made.asked
    subject = Subject(asked.system, asked.workload, asked.plan, made.software)
    return Costs(subject, asked.calibration)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_no_step_takes_less(profiled_steps, data):
    step = data.draw(profiled_steps()).staged
    pipeline = pipeline_seconds(step)
    least = step_seconds(step, summed_seconds(step, pipeline))
    assert pipeline.through <= least * ROUNDING
    assert least <= run(lower(step), trace=False).seconds * ROUNDING
    assert least <= getattr(attempt(step), "seconds", np.inf) * ROUNDING


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_no_cut_takes_less(profiled_steps, data):
    made = data.draw(profiled_steps(time_chunks=1))
    step, plan, costs = made.staged, made.staged.plan, costs_of(made)
    through = pipeline_seconds(step).through
    least = costs.least_seconds(plan)
    busy = costs.seconds(plan)
    ways = ("forward", "inputs", "weights")
    every = total(getattr(one, way) for chunk in step.chunks for one in chunk for way in ways)
    assert busy.total == pytest.approx(every.total, rel=1e-12)
    assert least.total <= busy.total * ROUNDING
    assert cut_seconds(busy.total, step.slots, plan.pp, plan.schedule) <= through * ROUNDING


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_sharded_parameters_are_said_wherever_layers_are_cut(profiled_steps, data):
    made = data.draw(profiled_steps(time_chunks=1, zero=3))
    step, costs = made.staged, costs_of(made)
    if step.plan.dp * step.plan.cp == 1:
        return
    plan = step.plan.model_copy(update=EASED)
    whole = costs.whole(plan)
    mean = whole.slots * costs.least_seconds(step.plan).total / plan.pp
    least = always_seconds(whole, whole.chunks, mean, mean, plan.pp)
    assert least <= run(lower(step), trace=False).seconds * (1 + 1e-9)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_no_plan_needs_fewer_bytes(profiled_steps, data):
    made = data.draw(profiled_steps(time_chunks=1))
    step, costs = made.staged, costs_of(made)
    used = needed(made.asked.workload, step.plan, step.cuts)
    assert costs.needed(step).bytes == pytest.approx(used.bytes, rel=1e-12)
    layers = costs.memories(step.plan)
    least = least_bytes(layers, np.zeros(1), how(step.plan), step.graph, step.plan.pp)
    assert least.item() <= used.bytes


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_steps_are_those_that_are_made_one_by_one(profiled_steps, data):
    made = data.draw(profiled_steps())
    step, costs = made.staged, costs_of(made)
    other = made.asked.plan.model_copy(update={"recompute": "full", "tensor_overlap": False})
    costs.least_seconds(other)  # what was priced before changes nothing
    again = costs.staged(step.plan)
    assert (again.cuts, again.slots, again.ring) == (step.cuts, step.slots, step.ring)
    assert again.chunks == step.chunks
    assert again.hops == step.hops
    assert again.update(0) == step.update(0)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_activations_go_and_come_back(profiled_steps, data):
    pp = data.draw(st.sampled_from([1, 1, 2]))
    step = data.draw(profiled_steps(offload="activations", pp=pp)).staged
    seconds = run(lower(step), trace=False).seconds
    for stage in range(step.plan.pp):
        assert 0 < copied_seconds(step, stage) <= seconds * (1 + 1e-9)
