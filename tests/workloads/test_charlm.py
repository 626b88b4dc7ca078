"""The character model at the published sizes."""

from __future__ import annotations

import pytest

from workloads.charlm import CharLM, CharLMSmall


@pytest.mark.parametrize("hidden", [2004, 2048])
def test_flops_per_parameter_are_those_published(hidden):
    # Hestness et al., PPoPP 2019: 900 x batch FLOPs per parameter and step = 6 x 150 x batch.
    graph = CharLM(hidden=hidden).graph()
    assert graph.matrix_flops / (graph.batch * graph.parameters) == pytest.approx(900, rel=0.02)


def test_sizes_of_the_paper():
    workload = CharLM()
    assert (workload.depth, workload.sequence, workload.batch) == (10, 150, 128)
    assert (workload.optimizer, workload.learning_rate) == ("adam", 1e-3)
    assert workload.dataset == 3.48e9 * 0.01 / 100


def test_the_small_setting():
    assert CharLMSmall().setting() == {
        "depth": 2,
        "sequence": 30,
        "vocabulary": 103,
        "batch": 32,
        "dtype": "fp32",
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "corpus": "pydoc-topics",
    }
