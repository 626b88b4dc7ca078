"""Jitter, stragglers and slow links."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.parallel.program import Link, Stream, Task, Work
from hwsim.simulate.disturbance import Disturbance
from hwsim.simulate.engine import run
from hwsim.simulate.expected import expected

COMPUTE = Stream(0, "compute")
LINK = Link(0, "network")


def task(seconds, part="compute", loads=()):
    return Task("task", Work(seconds, ((part, seconds),), loads=loads))


@pytest.fixture
def pair(make):
    """Two devices that compute and then sum."""
    return make.program(
        {
            Stream(device, kind): [
                task(1.0)._replace(gives=((device, n),))
                if kind == "compute"
                else task(0.5, "communication")._replace(takes=((device, n),))
                for n in range(50)
            ]
            for device in (0, 1)
            for kind in ("compute", "dp")
        }
    )


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_nothing_disturbed_changes_nothing(make, seed):
    program = make.program(make.drawn(seed))
    plain, still = run(program), run(program, disturbance=Disturbance(stragglers={0: 1.0}, seed=3))
    assert (still.seconds, list(still.spans)) == (plain.seconds, list(plain.spans))


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_jitter_is_the_same_in_any_order_of_streams(make, seed):
    lists = make.drawn(seed)
    luck = Disturbance(jitter=0.2, seed=seed)
    first = run(make.program(lists), disturbance=luck)
    turned = run(make.program(dict(reversed(lists.items()))), disturbance=luck)
    assert turned.seconds == first.seconds
    assert sum(first.parts().values()) == pytest.approx(first.seconds, rel=1e-9)


def test_jitter_has_the_deviation_that_it_says(make):
    program = make.program({COMPUTE: [task(1.0)] * 4000})
    spans = run(program, disturbance=Disturbance(jitter=0.1, seed=1)).spans
    logs = [math.log(span.work.seconds) for span in spans]
    mean = sum(logs) / len(logs)
    assert mean == pytest.approx(0.0, abs=0.01)
    assert math.sqrt(sum((x - mean) ** 2 for x in logs) / len(logs)) == pytest.approx(0.1, rel=0.05)


def test_seeds_and_devices_have_their_own_luck(pair):
    one, again, other = (
        run(pair, disturbance=Disturbance(jitter=0.1, seed=seed)) for seed in (1, 1, 2)
    )
    assert one.seconds == again.seconds
    assert one.seconds != other.seconds
    assert one.busy(COMPUTE) != one.busy(Stream(1, "compute"))
    assert one.busy(Stream(0, "dp")) == pytest.approx(25.0)


def test_a_straggler_computes_longer_and_communicates_as_before(make):
    tasks = [task(2.0), task(1.0, "communication")]
    program = make.program({COMPUTE: tasks, Stream(1, "compute"): tasks})
    line = run(program, disturbance=Disturbance(stragglers={1: 1.5}))
    assert (line.busy(COMPUTE), line.busy(Stream(1, "compute"))) == (3.0, 4.0)
    assert line.parts(1)["compute"] == 3.0


def test_a_slow_link_carries_less(make):
    program = make.program({Stream(0, "dp"): [task(2.0, "communication", ((LINK, 0.8),))]})
    line = run(program, disturbance=Disturbance(slow_links={LINK: 0.4}))
    assert line.seconds == pytest.approx(4.0)
    assert line.utilisation()[LINK] == pytest.approx(1.0)
    assert run(program, disturbance=Disturbance(slow_links={LINK: 0.8})).seconds == 2.0


def test_waiting_for_the_slower_of_two_costs_more_than_the_mean(make):
    lists = {Stream(n, "compute"): [task(1.0)] for n in range(16)}
    found = expected(make.program(lists), Disturbance(jitter=0.1), runs=40)
    # The largest of 16 normal draws lies at 1.77 standard deviations (Tippett 1925).
    assert found.mean == pytest.approx(math.exp(0.177), rel=0.03)
    assert found.quantiles[0.1] < found.quantiles[0.5] < found.quantiles[0.9]
    assert found.deviation > 0
    assert found == expected(make.program(lists), Disturbance(jitter=0.1), runs=40)


def test_one_run_has_no_deviation(pair):
    assert expected(pair, Disturbance(), runs=1).deviation == 0.0


@pytest.mark.parametrize(
    ("figures", "where"),
    [
        ({"jitter": -0.1}, "jitter"),
        ({"jitter": math.nan}, "jitter"),
        ({"seed": -1}, "seed"),
        ({"stragglers": {3: 0.0}}, "straggler 3"),
        ({"stragglers": {3: math.inf}}, "straggler 3"),
        ({"slow_links": {LINK: -1.0}}, "slow link network of device 0"),
    ],
)
def test_impossible_figures_are_refused(figures, where):
    with pytest.raises(InputError) as caught:
        Disturbance(**figures)
    assert caught.value.where == where


def test_no_run_is_refused(pair):
    with pytest.raises(InputError, match="runs: found 0"):
        expected(pair, Disturbance(), runs=0)
