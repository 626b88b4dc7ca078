"""Verdicts on campaigns for which the paper's claims hold, and for which they don't."""

from dataclasses import replace

import pytest

from calibration.reproduce import document
from calibration.reproduce.campaigns import CHAR, load
from calibration.reproduce.claims import convergence, sensitivity, time

# What runs can say; time per step with and without parallelism is simulated in any case.
MEASURED = (
    "fewer-steps",
    "same-loss",
    "power-law",
    "more-data",
    "linear-in-data",
    "flat-loss",
    "data-lowers-loss",
    "depth",
    "adam-lower",
    "adam-steeper",
    "batch-bound",
    "total-time",
)

pytestmark = pytest.mark.usefixtures("few_resamples")


def test_claims_that_hold_are_seen_to(agrees):
    claims = document.judged(agrees)
    verdicts = {(one.id, one.domain): one.verdict for one in claims if one.id in MEASURED}
    assert {name for name, _ in verdicts} == set(MEASURED)
    assert set(verdicts.values()) == {"holds"}


def test_claims_that_do_not_hold_are_not_seen(differs):
    claims = document.judged(differs)
    verdicts = {one.verdict for one in claims if one.id in (*MEASURED, "plateau")}
    assert verdicts == {"not seen"}


def test_nothing_is_measured_without_runs(tmp_path):
    claims = document.judged(load(tmp_path))
    verdicts = {one.verdict for one in claims if one.id in (*MEASURED, "plateau")}
    assert verdicts == {"not measured"}
    assert {one.verdict for one in claims if one.id == "parallel-growth"} >= {"holds"}


@pytest.mark.parametrize(
    ("plateau", "models", "verdict"), [(60.0, 1.0, "holds"), (0.0, 1.0, "not seen")]
)
def test_a_plateau_is_seen_where_there_is_one(tmp_path, campaign, truth, plateau, models, verdict):
    wide = (16, 64, 256, 1024)
    flat = replace(truth, plateau=plateau * models, noise=0.01)
    campaign(tmp_path / "charlm-small.jsonl", flat, hidden=wide, seeds=1)
    claim = convergence.plateau("character LM", load(tmp_path)[CHAR])
    assert claim.verdict == verdict


def test_steps_reciprocal_to_the_model_are_told_from_a_root(tmp_path, campaign, truth):
    for k2, verdict in ((1.0, "holds"), (0.5, "not seen")):
        campaign(tmp_path / "charlm-small.jsonl", replace(truth, k2=k2), seeds=1)
        claim = convergence.reciprocal("character LM", load(tmp_path)[CHAR])
        assert claim.verdict == verdict


def test_a_loss_that_falls_to_the_last_size_says_nothing_of_what_is_beyond(
    tmp_path, campaign, truth
):
    calm = replace(truth, noise=0.0)
    campaign(tmp_path / "charlm-small.jsonl", calm, hidden=(16, 32, 64, 128))
    claim = convergence.flat("character LM", load(tmp_path)[CHAR])
    assert claim.verdict == "not measured"
    assert "largest model is the best" in claim.note


@pytest.mark.parametrize(("step", "verdict"), [(1.0, "holds"), (0.5, "not seen")])
def test_time_per_step_on_the_cpu_is_judged(tmp_path, campaign, truth, step, verdict):
    campaign(tmp_path / "charlm-small.jsonl", replace(truth, step=step), data=(8000,))
    found = [one for one in time.claims(load(tmp_path)) if one.id == "linear-step"]
    measured = [one for one in found if time.MEASURED in one.statement]
    assert [one.verdict for one in measured] == [verdict, "not measured", "not measured"]


def test_the_law_of_batches_comes_back(agrees, truth):
    (fit,) = sensitivity.batches(agrees)
    assert fit.critical.low <= truth.critical <= fit.critical.high
    assert fit.steps(32) == pytest.approx(2.25 * fit.steps(1e9), rel=0.1)
    assert fit.noise_scale == 50.0


def test_optimizers_are_compared_where_both_were_run(agrees):
    pairs = sensitivity.paired(agrees)
    cells = {
        name: {(run.hidden, run.data) for run, other in pairs if other == name}
        for name in ("adam", "sgd")
    }
    assert cells["adam"] == cells["sgd"]
    assert {data for _, data in cells["adam"]} == {8000, 20_000}


def test_total_times_are_compared_at_equal_data():
    table = {(1, 10): 8.0, (1, 20): 4.0, (1, 40): 2.0, (2, 10): 8.0, (2, 20): 1.0, (3, 20): 9.0}
    assert time.over_smallest(table) == {10: 1.0, 20: 0.25}
    assert time.over_smallest({}) == {}
