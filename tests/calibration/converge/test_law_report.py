"""A law for a reader."""

from __future__ import annotations

import pytest

pytest.importorskip("scipy")

from calibration.converge.fit import fit_law
from calibration.converge.law_report import lines, record, score_line


@pytest.fixture(scope="module")
def law(made, tmp_path_factory):
    rows = made.synthetic(batches=(8.0, 32.0, 128.0), critical=64.0, seeds=1)
    path = tmp_path_factory.mktemp("law") / "curves.jsonl"
    return fit_law(made.write(path, rows, varied=lambda i: {"depth": 4} if i == 0 else {}))


def test_a_law_of_batches_in_words(law):
    told = "\n".join(lines(law, []))
    assert "b) x (1 + batch_critical / B) / (1 + batch_critical / 32)" in told
    for word in ("batch_critical =", "left out", "AICc", "71 runs, 0 censored", "1 runs left out"):
        assert word in told


def test_errors_of_every_form_are_in_the_record(law):
    held = record(law)["held_out"]
    assert held["forms"].keys() == {"power", "power-plateau"}
    for errors in held["forms"].values():
        assert errors.keys() == {"model", "data", "batch", "aicc"}
    assert held["seed_noise"] is None


def test_what_was_not_seen_is_said(law):
    unseen = law.model_copy(update={"plateau": "not seen", "never": 3})
    told = "\n".join(lines(unseen, [(8e3, -0.5, 0.02, 18)]))
    assert "no plateau seen" in told
    assert "3 runs left out: their own minimum lies above the loss" in told
    assert "at D = 8,000: -0.500 +- 0.020 (95 %, 18 runs)" in told


def test_a_score_without_cases_says_so():
    assert "none that met the target" in score_line({"cases": 0, "median": None})
