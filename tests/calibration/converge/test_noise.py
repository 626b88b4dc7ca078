"""The gradient noise scale, on gradients whose covariance is known."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from calibration.converge.noise import MEMORY, NoiseScale, estimates, squared

MEAN, SPREAD, SIZE = 0.5, 2.0, 50
SCALE = SPREAD**2 / MEAN**2  # tr(S) / |G|^2, the same for any SIZE


class Drawn:
    """The gradient of one sample's loss is its own draw: a mean plus noise."""

    def __init__(self, spread=SPREAD):
        self.model = torch.nn.Linear(SIZE, 1, bias=False)
        self.spread = spread

    def batch(self, samples, random=None):
        return MEAN + self.spread * torch.randn(samples, SIZE, generator=random), None

    def loss(self, batch):
        return self.model(batch[0]).mean()


def test_the_known_scale_is_found():
    noise = NoiseScale(Drawn(), batch=64, seed=0)
    found = [noise.measure() for _ in range(40)][MEMORY:]
    assert sum(found) / len(found) == pytest.approx(SCALE, rel=0.15)


def test_without_noise_it_is_nothing():
    assert NoiseScale(Drawn(spread=1e-9), batch=64, seed=0).measure() in (None, pytest.approx(0.0))


def test_training_goes_on_as_without_it():
    task = Drawn()
    state = torch.get_rng_state()
    NoiseScale(task, batch=8, seed=0).measure()
    assert torch.equal(torch.get_rng_state(), state)
    assert task.model.weight.grad is None
    assert task.model.training


def test_estimates_are_the_inverse_of_what_batches_have():
    trace, square = 12.0, 3.0
    small, large = (square + trace / size for size in (5, 20))
    assert estimates(small, large, 5, 20) == pytest.approx((trace, square))


def test_the_norm_is_over_all_tensors():
    assert squared([torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])]) == 14.0
