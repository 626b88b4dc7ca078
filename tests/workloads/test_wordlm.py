"""The word model against the published count, tied and untied."""

from __future__ import annotations

import pytest

from workloads.wordlm import WordLM

# Hestness et al., PPoPP 2019: 481 x batch FLOPs per parameter and step; 6 x 80 = 480 of them are
# forward and backward of every matrix, the rest the cited graph's small operators.
PUBLISHED = 481


def per_parameter(**sizes: object) -> float:
    graph = WordLM(**sizes).graph()
    return graph.matrix_flops / (graph.batch * graph.parameters)


@pytest.mark.parametrize("hidden", [512, 2004, 2048, 8192])
def test_tied_meets_the_published_count_at_finite_width(hidden):
    assert per_parameter(hidden=hidden) == pytest.approx(PUBLISHED, rel=0.02)


def test_untied_meets_it_only_in_the_limit():
    ratios = [per_parameter(hidden=hidden, tied=False) for hidden in (512, 2048, 8192, 1 << 17)]
    assert ratios == sorted(ratios)
    assert ratios[1] < 0.85 * PUBLISHED
    assert ratios[-1] == pytest.approx(PUBLISHED, rel=0.02)


def test_tying_changes_parameters_and_no_flops():
    tied, untied = WordLM().graph(), WordLM(tied=False).graph()
    assert untied.parameters - tied.parameters == 10_000 * 2004
    assert untied.matrix_flops == tied.matrix_flops
