"""What a test of the training loop changes in its process ends with it."""

import sys

import pytest


@pytest.fixture(autouse=True)
def subnormal_numbers_come_back():
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)
