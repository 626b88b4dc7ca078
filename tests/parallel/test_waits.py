"""The host of a device issues kernels ahead: the longer of the two counts."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.priced import Pass, PricedOp, Seconds
from hwsim.parallel.waits import behind, waited

some = settings(deadline=None, max_examples=60)
seconds = st.sampled_from([0.0, 0.1, 1.0, 3.0])
passes = st.builds(
    Pass,
    st.builds(Seconds, seconds, seconds, seconds, st.just(0.0), seconds),
    issue=st.sampled_from([0.0, 0.0, 0.5, 2.0, 9.0]),
)
operators = st.builds(
    PricedOp,
    st.just("op"),
    passes,
    passes,
    passes,
    st.none() | passes,
    st.just(0.0),
    st.just(0.0),
)


def device(run):
    return sum(one.seconds.total for one in run)


def host(run):
    return sum(one.issue for one in run)


def back(op):
    return [op.again or Pass(), op.inputs]


@given(st.lists(passes, max_size=6))
@some
def test_the_longer_of_device_and_host_counts(run):
    found = behind(run)
    assert device(found) == pytest.approx(max(device(run), host(run)))
    for one, other in zip(run, found, strict=True):
        assert other.computed.launch >= one.computed.launch
        assert other.computed._replace(launch=one.computed.launch) == one.computed
        assert (other.said, other.issue) == (one.said, one.issue)


@given(st.lists(passes, min_size=1, max_size=6), st.integers(0, 5), st.floats(0, 5))
@some
def test_more_to_issue_is_never_faster(run, place, more):
    slower = list(run)
    place %= len(run)
    slower[place] = replace(slower[place], issue=slower[place].issue + more)
    assert device(behind(slower)) >= device(behind(run)) - 1e-12


@given(st.lists(operators, max_size=4), st.booleans())
@some
def test_a_host_that_issues_at_once_is_not_waited_for(ops, apart):
    prompt = [
        replace(
            op,
            forward=replace(op.forward, issue=0.0),
            inputs=replace(op.inputs, issue=0.0),
            weights=replace(op.weights, issue=0.0),
            again=op.again and replace(op.again, issue=0.0),
        )
        for op in ops
    ]
    assert waited(prompt, apart=apart) == tuple(prompt)


@given(st.lists(operators, max_size=4))
@some
def test_the_backward_pass_is_one_run(ops):
    found = waited(ops, apart=False)

    def run(some):
        return [one for op in some for one in (*back(op), op.weights)]

    ahead, after = [op.forward for op in ops], [op.forward for op in found]
    assert device(after) == pytest.approx(max(device(ahead), host(ahead)))
    assert device(run(found)) == pytest.approx(max(device(run(ops)), host(run(ops))))


@given(st.lists(operators, max_size=4))
@some
def test_weights_gradients_that_a_schedule_puts_off_are_a_run_of_their_own(ops):
    found = waited(ops, apart=True)
    own, after = [op.weights for op in ops], [op.weights for op in found]
    assert device(after) == pytest.approx(max(device(own), host(own)))
    rest, left = ([one for op in some for one in back(op)] for some in (ops, found))
    assert device(left) == pytest.approx(max(device(rest), host(rest)))


@given(st.lists(operators, max_size=4), st.booleans())
@some
def test_what_is_not_computed_again_stays_so(ops, apart):
    for one, other in zip(ops, waited(ops, apart=apart), strict=True):
        assert (one.again is None) == (other.again is None)
        assert one.name == other.name
