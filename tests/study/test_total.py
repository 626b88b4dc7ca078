"""Times compared draw by draw: ratios, the optimum and how sure it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.law import DRAWS, Luck
from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.study import vary
from hwsim.study.subject import Subject
from hwsim.study.total import draws, optimum, ratio, time_of
from workloads.charlm import CharLM

VOLTA = catalog.load("volta")
ANSWER = estimate(VOLTA, CharLM(hidden=64), steps=1000)


def timed(seconds, *, fits=True, total=True, luck=None):
    """An estimate of a given total time, under a given luck."""
    step = ANSWER.step.model_copy(update={"seconds": seconds})
    whole = ANSWER.total.model_copy(update={"seconds": seconds}) if total else None
    memory = ANSWER.memory.model_copy(update={"fits": fits})
    fields = {"step": step, "total": whole, "memory": memory}
    return ANSWER.model_copy(update=fields | ({} if luck is None else {"luck": Luck(luck)}))


def answers(text, plan=None):
    """Estimates of the character model by its shipped law."""
    subject = Subject(VOLTA, CharLM(), plan or Plan())
    variation = vary.parse(text, subject)
    return vary.run(subject, variation, lambda s: estimate(s.system, s.workload, s.plan))


def test_over_itself_a_time_is_exactly_one():
    for answer in (ANSWER, *answers("workload.hidden=64,256")):
        found = ratio(answer, answer)
        assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_what_two_estimates_share_cancels_in_their_ratio():
    small, large = answers("workload.hidden=512,1024")
    found = ratio(small, large)
    assert found.value == small.total.seconds / large.total.seconds
    assert found.low < found.value < found.high
    assert found.high / found.low < 1.3 < small.total.high / small.total.low


def test_a_ratio_turned_around_is_its_inverse():
    small, large = answers("workload.hidden=64,1024")
    found, inverse = ratio(small, large), ratio(large, small)
    assert found.value * inverse.value == pytest.approx(1)
    assert found.low * inverse.high == pytest.approx(1, rel=1e-2)


def test_the_optimum_and_its_flat_region():
    times = [20.0, 10.9, 10.0, 11.0, 11.1, 10.5]
    found = optimum([timed(t) for t in times])
    assert (found.best, found.flat) == (2, (1, 2, 3, 5))
    assert (found.low, found.high) == (2, 2)
    assert found.fastest == (0, 0, 1, 0, 0, 0)
    assert [over.value for over in found.ratios] == [t / 10.0 for t in times]


def test_an_optimum_is_as_sure_as_its_draws():
    lucky = np.ones(DRAWS)
    lucky[: DRAWS // 4] = 0.5
    found = optimum([timed(10.0), timed(12.0, luck=lucky * ANSWER.luck.draws), timed(20.0)])
    assert found.fastest == (0.75, 0.25, 0.0)
    assert (found.best, found.low, found.high) == (0, 0, 1)
    assert found.within == (1.0, 0.25, 0.0)
    assert found.flat == (0,)


def test_the_law_makes_the_optimum_uncertain():
    found = optimum(answers("workload.hidden=362,512,724,1024,1448,2048"))
    assert found.low <= found.best <= found.high
    assert found.low < found.high
    assert sum(found.fastest) == pytest.approx(1)
    assert found.fastest[found.best] == max(found.fastest)


def test_what_does_not_fit_is_no_optimum():
    found = optimum([timed(1.0, fits=False), timed(10.0), timed(5.0)])
    assert (found.best, found.flat) == (2, (2,))
    assert found.fastest[0] == found.within[0] == 0


def test_nothing_that_fits_has_no_optimum():
    with pytest.raises(InputError, match="no point that fits"):
        optimum([timed(1.0, fits=False)])


def test_without_a_count_of_steps_the_step_is_compared():
    assert time_of(timed(3.0, total=False)) == 3.0
    found = optimum([timed(3.0, total=False), timed(2.0, total=False)])
    assert (found.best, found.flat) == (1, (1,))


@given(
    st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20),
    st.lists(st.floats(0.0, 1.0), min_size=20, max_size=20),
)
@settings(deadline=None, max_examples=50)
def test_the_interval_and_the_flat_region_hold_the_optimum(times, spreads):
    random = np.random.default_rng(0)
    points = [
        timed(t, luck=np.exp(s * random.standard_normal(DRAWS)))
        for t, s in zip(times, spreads, strict=False)
    ]
    found = optimum(points)
    assert times[found.best] == min(times)
    assert found.low <= found.best <= found.high
    assert found.best in found.flat
    assert sum(found.fastest) == pytest.approx(1)
    for number, point in enumerate(points):
        share = np.mean(draws(point) <= 1.1 * draws(points[found.best]))
        assert (share >= 0.5) == (number in found.flat)


@given(st.floats(1.0, 1000.0), st.sampled_from([{"dp": 8}, {"tp": 8}, {"tp": 4, "dp": 2}]))
@settings(deadline=None, max_examples=10)
def test_a_faster_link_never_makes_a_training_longer(factor, degrees):
    subject = Subject(VOLTA, CharLM(hidden=512), Plan(**degrees))
    rate = subject.system.node.link.bandwidth * factor
    faster = subject.with_settings({"node.link.bandwidth": f"{rate!r} B/s"})
    before, after = (estimate(s.system, s.workload, s.plan) for s in (subject, faster))
    assert ratio(after, before).high <= 1 + 1e-9
