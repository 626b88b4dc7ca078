"""A law against runs that it has not seen."""

from __future__ import annotations

import csv

import pytest

pytest.importorskip("scipy")

from calibration.converge.fit import fit_law
from calibration.converge.predictions import predictions, scores, write


@pytest.fixture(scope="module")
def law(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("law") / "curves.jsonl"
    return fit_law(made.write(path, made.synthetic()))


@pytest.fixture
def others(made):
    return made.synthetic(seed=9, models=made.models[1:5] * 1.3, data=made.data[:3] * 1.5)


def test_runs_of_the_same_law_are_predicted_and_covered(made, law, others, tmp_path):
    found = predictions(law, made.table(tmp_path / "other.csv", others))
    told = scores(found)
    assert told["cases"] == len(others)
    assert told["median"] < 0.08 < told["p90"] + 0.08
    assert 0.6 < told["coverage80"] < told["coverage95"]


def test_no_prediction_reads_a_loss(made, law, others, tmp_path):
    whole = predictions(law, made.table(tmp_path / "whole.csv", others))
    empty = predictions(law, made.table(tmp_path / "empty.csv", others, tell=lambda _: ""))
    assert [one.value for one in empty] == [one.value for one in whole]
    assert [one.interval80 for one in empty] == [one.interval80 for one in whole]
    assert scores(empty) == {
        "cases": 0,
        "median": None,
        "p90": None,
        "coverage80": None,
        "coverage95": None,
    }


def test_censored_runs_are_predicted_and_not_scored(made, law, others, tmp_path):
    path = made.write(tmp_path / "other.jsonl", others, censored={0, 1})
    found = predictions(law, path)
    assert all(one.value for one in found)
    assert scores(found)["cases"] == len(others) - 2
    assert "before" in found[0].why


def test_the_file_has_a_line_for_every_run(made, law, others, tmp_path):
    path = made.write(tmp_path / "other.jsonl", others, censored={0})
    write(tmp_path / "out.csv", predictions(law, path))
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["row"]) for row in rows] == list(range(len(others)))
    for row in rows:
        assert float(row["low"]) < float(row["predicted"]) < float(row["high"])
        assert row["why"] == ""


def test_a_model_below_the_pole_has_no_prediction(made, law, others, tmp_path):
    parameters = dict(law.parameters)
    parameters["pole"] = parameters.pop("b").model_copy(update={"value": 1e5})
    poled = law.model_copy(update={"form": "pole", "parameters": parameters})
    found = predictions(poled, made.write(tmp_path / "other.jsonl", others))
    write(tmp_path / "out.csv", found)
    small = [one for one in found if one.value is None]
    assert 0 < len(small) < len(found)
    assert all("reaches" in one.why for one in small)
    assert "reaches" in (tmp_path / "out.csv").read_text()
