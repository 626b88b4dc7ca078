"""Memory against Korthikanti et al. 2022 (arXiv 2205.05198), figures 1 and 7, from 22B to 1T.

The published figures are transcribed in examples/memory_megatron.py, which prints every cell.
"""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "memory_megatron.py"


@pytest.fixture(scope="module")
def megatron():
    spec = importlib.util.spec_from_file_location("memory_megatron", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_parameters_and_optimizer(megatron):
    # 18 bytes for each parameter of the transformer layers.
    cells = megatron.figure_1_state()
    assert len(cells) == 4
    assert megatron.mape(cell.error for cell in cells) < 0.002
    assert all(cell.whole > cell.found for cell in cells)  # embeddings come on top


def test_activations(megatron):
    cells = megatron.figure_1_activations()
    assert len(cells) == 8
    assert megatron.mape(cell.error for cell in cells) < 0.05
    exact = [cell.error for cell in cells if "baseline" in cell.what]
    assert exact == pytest.approx([0.0] * 4, abs=1e-6)


def test_what_each_method_leaves(megatron):
    cells = megatron.figure_7()
    assert len(cells) == 16
    assert megatron.mape(cell.error for cell in cells) < 0.05


def test_what_is_off_is_the_layer_that_is_computed_again(megatron):
    # The paper counts what waits for the backward pass, not the one layer that is there meanwhile.
    for cell in megatron.figure_7():
        if cell.what == "sequence parallel":
            assert abs(cell.error) < 0.005
        else:
            assert cell.error > 0
