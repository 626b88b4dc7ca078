"""Estimates that were saved."""

import json

import numpy as np
import pytest

from hwsim.convergence.law import Luck
from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.study.saved import read
from workloads.charlm import CharLM

SMALL = estimate(catalog.load("volta"), CharLM(hidden=64))


def test_a_file_is_the_estimate_without_its_draws():
    found = read(json.dumps(SMALL.record()), "saved.json")
    assert found.record() == SMALL.record()
    assert found.luck == Luck(np.empty(0))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{}", "saved.json"),
        ('{"points": []}', "saved.json"),
        ('{"schema": "hwsim.law/1"}', "saved.json: schema"),
        ("[1]", "saved.json"),
        ("", "saved.json"),
    ],
)
def test_another_file_is_refused(text, where):
    with pytest.raises(InputError) as error:
        read(text, "saved.json")
    assert where in {fault.where for fault in error.value.each}


def test_a_file_of_impossible_figures_is_refused():
    for path, value in [
        (("step", "low"), 0.0),
        (("step", "high"), 0.0),
        (("total", "seconds"), -1.0),
        (("total", "high"), 1e300),
        (("step", "parts"), {"<b>": 1.0}),
        (("total", "parts"), {}),
        (("plan", "devices"), "many"),
    ]:
        record = SMALL.record()
        record[path[0]][path[1]] = value
        with pytest.raises(InputError, match=path[0]):
            read(json.dumps(record), "saved.json")
