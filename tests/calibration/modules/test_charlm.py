"""The recurrence's backward pass, written by hand, against plain autograd."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from calibration.modules.charlm import _Recurrence, build, example
from workloads.charlm import CharLMSmall


def plain(driven, matrices, biases):
    """The module docstring's equations, one time step and micro-layer after another."""
    hidden = matrices.shape[2]
    state, states = driven.new_zeros(driven.shape[1], hidden), []
    for x in driven:
        for layer, (matrix, bias) in enumerate(zip(matrices, biases, strict=True)):
            gate = state @ matrix.t() + bias + (x if layer == 0 else 0.0)
            h, t = gate[:, :hidden].tanh(), gate[:, hidden:].sigmoid()
            state = h * t + state * (1 - t)
        states.append(state)
    return torch.stack(states)


@pytest.fixture(params=[(1, 1, 1, 1), (4, 3, 5, 1), (6, 2, 3, 3), (1, 4, 2, 5)])
def tensors(request):
    """Inputs of the recurrence; parameters are (steps, batch, hidden, depth)."""
    steps, batch, hidden, depth = request.param
    generator = torch.Generator().manual_seed(1)
    shapes = (steps, batch, 2 * hidden), (depth, 2 * hidden, hidden), (depth, 2 * hidden)
    return [
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in shapes
    ]


def test_states_are_the_equations(tensors):
    torch.testing.assert_close(_Recurrence.apply(*tensors), plain(*tensors), rtol=0, atol=1e-14)


def test_gradients_are_autograds(tensors):
    upstream = torch.randn_like(plain(*tensors))
    ours = torch.autograd.grad(_Recurrence.apply(*tensors), tensors, upstream)
    theirs = torch.autograd.grad(plain(*tensors), tensors, upstream)
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-12, atol=1e-13)


def test_gradients_are_finite_differences(tensors):
    assert torch.autograd.gradcheck(_Recurrence.apply, tensors)


def test_the_whole_model_learns_the_same_gradients():
    workload = CharLMSmall(hidden=6, depth=3, sequence=7, batch=4, vocabulary=11)
    torch.manual_seed(0)
    model = build(workload).double()
    text = torch.randint(11, (8, 4))
    model(text[:-1], text[1:]).backward()
    ours = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    driven = model.input(model.embedding(text[:-1]))
    logits = model.output(plain(driven, model.matrices, model.biases).flatten(0, 1))
    torch.nn.functional.cross_entropy(logits, text[1:].flatten()).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, rtol=1e-11, atol=1e-13)


def test_mixed_precision_gives_nearly_the_same_gradients():
    torch.manual_seed(2)
    workload = CharLMSmall(hidden=16, batch=4, sequence=5)
    model = build(workload)
    inputs = example(workload, workload.batch)
    whole = torch.autograd.grad(model(*inputs), list(model.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(*inputs)
    narrow = torch.autograd.grad(loss, list(model.parameters()))
    for a, b in zip(whole, narrow, strict=True):
        assert a.dtype == b.dtype
        assert torch.linalg.norm(a - b) < 0.05 * torch.linalg.norm(a)
