"""What a run spends besides its steps: parts that sum up, and what failures add."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.overheads import PARTS, Overheads, repeated

HOUR = 3600.0
CHECKPOINTS = Overheads(checkpoint=30.0, checkpoint_every=500, mtbf=3 * HOUR, restart=120.0)


def spent(overheads, steps=10_000.0, step=0.5, devices=1):
    return overheads.parts(steps, step, devices)


def test_nothing_is_free_but_what_is_not_given():
    assert list(spent(Overheads()).values()) == [5000.0, 0, 0, 0, 0]
    assert tuple(spent(Overheads())) == PARTS


def test_each_part_is_what_was_given():
    found = spent(Overheads(startup=60.0, evaluation=2.0, evaluation_every=3000))
    assert (found["startup"], found["evaluation"]) == (60.0, 6.0)
    assert spent(CHECKPOINTS)["checkpoint"] == 20 * 30.0


def test_what_comes_behind_more_steps_than_there_are_never_comes():
    assert spent(Overheads(evaluation=2.0, evaluation_every=10_001))["evaluation"] == 0


@given(st.floats(1.0, 1e6), st.floats(1e-4, 1e2), st.floats(1e3, 1e9), st.integers(1, 10_000))
@settings(deadline=None, max_examples=50)
def test_failures_never_shorten_a_run(steps, step, mtbf, every):
    rare, often = (Overheads(checkpoint_every=every, mtbf=m, restart=1.0) for m in (2 * mtbf, mtbf))
    restarts = [spent(o, steps, step)["restart"] for o in (rare, often)]
    assert 0 <= restarts[0] <= restarts[1]


def test_without_failures_nothing_is_done_again():
    never = CHECKPOINTS.model_copy(update={"mtbf": 1e30})
    assert spent(never)["restart"] == pytest.approx(0, abs=1e-6)
    assert spent(Overheads(checkpoint=30.0, checkpoint_every=500))["restart"] == 0


@given(st.floats(1.0, 1e4), st.floats(0.0, 1e4))
@settings(deadline=None, max_examples=50)
def test_rare_failures_cost_half_a_stretch_and_a_restart(stretch, restart):
    rate = 1e-8
    first_order = 1e6 * rate * (restart + stretch / 2)
    assert repeated(1e6, stretch, restart, rate) == pytest.approx(first_order, rel=1e-3)


def test_what_failures_add_is_what_a_simulation_of_them_takes():
    work, every, rate, restart = 4000.0, 500.0, 1 / 1000.0, 100.0
    random = np.random.default_rng(3)
    times = []
    for _ in range(4000):
        spent = 0.0
        for _ in range(int(work / every)):
            while True:
                fails = random.exponential(1 / rate)
                if fails >= every:
                    spent += every
                    break
                spent += fails
                while (again := random.exponential(1 / rate)) < restart:
                    spent += again
                spent += restart
        times.append(spent)
    error = np.std(times) / math.sqrt(len(times))
    assert repeated(work, every, restart, rate) == pytest.approx(
        np.mean(times) - work, abs=4 * error
    )


def test_the_best_stretch_is_youngs():
    every = [2**n for n in range(4, 14)]
    runs = [CHECKPOINTS.model_copy(update={"checkpoint_every": n, "mtbf": 1e5}) for n in every]
    times = [sum(spent(run, 1e6, 0.5).values()) for run in runs]
    best = every[int(np.argmin(times))]
    assert best / math.sqrt(2) <= math.sqrt(2 * 30.0 * 1e5) / 0.5 <= best * math.sqrt(2)


def test_devices_fail_one_by_one():
    alone = Overheads(device_mtbf=1e6)
    assert alone.failures(8) == 8 / 1e6
    assert Overheads(device_mtbf=1e6, mtbf=1e5).failures(8) == pytest.approx(8 / 1e6 + 1e-5)
    assert Overheads().failures(8) == 0


def test_draws_are_taken_as_one():
    steps, luck = np.array([500.0, 5000.0, 123.0]), np.array([0.1, 0.2, 0.3])
    for name, values in spent(CHECKPOINTS, steps, luck).items():
        alone = [spent(CHECKPOINTS, s, x)[name] for s, x in zip(steps, luck, strict=True)]
        assert np.broadcast_to(values, 3) == pytest.approx(alone)


@pytest.mark.parametrize("fields", [{"startup": -1.0}, {"mtbf": 0.0}, {"restart": math.nan}])
def test_a_time_that_can_not_be_is_refused(fields):
    with pytest.raises(InputError, match=rf"^run\.{next(iter(fields))}"):
        Overheads(**fields)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"evaluation": 1.0}, "evaluation_every"),
        ({"checkpoint": 1.0}, "checkpoint_every"),
        ({"restart": 1.0}, "mtbf"),
    ],
)
def test_half_of_a_pair_is_refused(fields, named):
    with pytest.raises(InputError, match=named):
        Overheads(**fields).check()
