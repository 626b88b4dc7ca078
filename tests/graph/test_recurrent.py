"""Structure of the recurrences: what is one product, what is a chain."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.graph.ops import matrix_flops
from hwsim.graph.recurrent import LSTM, RHN

SIZE = st.integers(1, 12)


def named(kernels):
    return {kernel.name: kernel for kernel in kernels}


@given(batch=SIZE, steps=SIZE, inputs=SIZE, hidden=SIZE)
@settings(deadline=None, max_examples=20)
def test_lstm_backward_is_twice_forward_less_one_step(batch, steps, inputs, hidden):
    op = LSTM("x", batch, steps, inputs, hidden)
    step = 2 * batch * 4 * hidden * hidden
    assert matrix_flops(op.forward()) == 2 * steps * batch * 4 * hidden * (inputs + hidden)
    assert matrix_flops(op.backward()) == 2 * matrix_flops(op.forward()) - step


@given(batch=SIZE, steps=SIZE, inputs=SIZE, hidden=SIZE, depth=SIZE)
@settings(deadline=None, max_examples=20)
def test_rhn_backward_is_twice_forward(batch, steps, inputs, hidden, depth):
    op = RHN("x", batch, steps, inputs, hidden, depth)
    assert matrix_flops(op.forward()) == 2 * steps * batch * 2 * hidden * (inputs + depth * hidden)
    assert matrix_flops(op.backward()) == 2 * matrix_flops(op.forward())


def test_lstm_input_is_one_product_and_its_state_a_chain():
    forward = named(LSTM("x", batch=2, steps=7, inputs=3, hidden=5).forward())
    assert forward["x.input.forward"].shape == (1, 14, 20, 3)
    assert not forward["x.input.forward"].sequential
    step = forward["x.step.forward"]
    assert (step.shape, step.repeat, step.sequential) == ((1, 2, 20, 5), 7, True)
    assert step.weights == 100


def test_lstm_has_one_weight_gradient_over_all_steps():
    backward = named(LSTM("x", batch=2, steps=7, inputs=3, hidden=5).backward())
    assert backward["x.wgrad"].shape == (1, 20, 8, 14)
    assert backward["x.wgrad"].repeat == 1
    assert backward["x.step.dgrad"].repeat == 6


def test_lstm_of_one_step_has_no_backward_chain():
    assert "x.step.dgrad" not in named(LSTM("x", 2, 1, 3, 5).backward())


def test_directions_are_two_lstms():
    one, two = LSTM("x", 2, 7, 3, 5), LSTM("x", 2, 7, 3, 5, bidirectional=True)
    assert two.parameters == 2 * one.parameters
    assert matrix_flops(two.backward()) == 2 * matrix_flops(one.backward())
    assert two.saved == 2 * one.saved - 2 * 7 * 3


def test_first_layers_need_no_input_gradient():
    for one in (LSTM("x", 2, 7, 3, 5, input_gradient=False), RHN("x", 2, 7, 3, 5, 4, False)):
        assert "x.input.dgrad" not in named(one.backward())


def test_rhn_matrices_take_turns():
    step = named(RHN("x", batch=2, steps=7, inputs=3, hidden=5, depth=4).forward())[
        "x.step.forward"
    ]
    assert step.repeat == 28
    assert step.weights * step.matrices == 4 * 10 * 5


def test_rhn_has_one_batched_weight_gradient():
    backward = named(RHN("x", batch=2, steps=7, inputs=3, hidden=5, depth=4).backward())
    assert backward["x.wgrad"].shape == (4, 10, 5, 14)
    assert backward["x.input.wgrad"].shape == (1, 10, 3, 14)
