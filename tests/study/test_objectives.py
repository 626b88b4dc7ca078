"""Figures to choose by, and the front of estimates."""

import pytest

from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.study.objectives import OBJECTIVES, best, chosen, figures
from workloads.charlm import CharLM

VOLTA = catalog.load("volta")
SMALL = estimate(VOLTA, CharLM(hidden=64))
SPREAD = estimate(VOLTA, CharLM(hidden=64), Plan(dp=4))


def timed(answer, seconds, *, fits=True):
    total = answer.total.model_copy(update={"seconds": seconds})
    memory = answer.memory.model_copy(update={"fits": fits})
    return answer.model_copy(update={"total": total, "memory": memory})


def test_the_front_leaves_out_what_does_not_fit():
    answers = [timed(SMALL, 3.0), timed(SMALL, 1.0, fits=False), timed(SMALL, 2.0)]
    assert best(answers, ["total"]) == [2]
    assert best([SMALL, SPREAD], ["total", "devices"]) == [0, 1]


def test_objectives_are_named():
    assert chosen("total, cost") == ("total", "cost")
    assert set(figures(SMALL)) == set(OBJECTIVES)
    for text in ("time", "", "step,total,cost,energy,memory"):
        with pytest.raises(InputError, match="--pareto"):
            chosen(text)


def test_an_objective_that_no_one_knows_is_refused():
    bare = SMALL.model_copy(update={"cost": None})
    with pytest.raises(InputError, match="cost"):
        best([bare], ["total", "cost"])
