"""Power and energy of published trainings (examples/energy_published.py prints every cell)."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "energy_published.py"


@pytest.fixture(scope="module")
def published():
    spec = importlib.util.spec_from_file_location("energy_published", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, *module.cells()


def test_watts_of_gpus_lie_within_a_fifth(published):
    _, watts, _ = published
    errors = {cell.name: cell.error for cell in watts}
    tpu = errors.pop("PaLM 540B")
    assert len(errors) == 5
    assert max(map(abs, errors.values())) < 0.2
    assert tpu < -0.2  # a TPU's host draws more than a share of its chips' limits


def test_watts_are_nearer_than_the_limit_alone(published):
    module, watts, _ = published
    found = module.mape(cell.error for cell in watts)
    assert found < module.mape(cell.limit_error for cell in watts)


def test_joules_per_token_are_those_of_undisturbed_steps(published):
    # What trainings wait for, restart and evaluate is in the published figures.
    _, _, joules = published
    assert all(-0.5 < cell.error < 0 for cell in joules)
