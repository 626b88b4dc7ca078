"""The law of a file, on campaigns whose law is known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from calibration.converge.fit import fit_law
from hwsim.convergence.law import parse, predict
from hwsim.convergence.target import Target
from hwsim.errors import InputError

TRUTH = {"k1": 0.7, "k2": 0.5}


def covers(parameter, truth):
    return parameter.low <= truth <= parameter.high


@pytest.fixture(scope="module")
def flattened(made, tmp_path_factory):
    return fit_law(made.write(tmp_path_factory.mktemp("seen") / "curves.jsonl", made.synthetic()))


@pytest.fixture(scope="module")
def straight(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("straight") / "curves.jsonl"
    return fit_law(made.write(path, made.synthetic(a=4000.0, b=10.0)), "mine")


@pytest.fixture(scope="module")
def batched(made, tmp_path_factory):
    rows = made.synthetic(batches=(8.0, 32.0, 128.0), critical=64.0, models=made.models[::2])
    return fit_law(made.write(tmp_path_factory.mktemp("batch") / "curves.jsonl", rows))


def test_a_known_law_comes_back(flattened):
    p = flattened.parameters
    assert all(covers(p[name], truth) for name, truth in TRUTH.items())
    assert covers(p["b"], 150.0)
    assert flattened.plateau == "seen"
    assert p["b"].low > 100.0
    assert p["k2"].high - p["k2"].low < 0.15
    assert flattened.scatter == pytest.approx(0.05, rel=0.4)
    assert flattened.seed_noise == pytest.approx(0.05, rel=0.3)


def test_sizes_that_stop_before_the_plateau_do_not_see_it(straight):
    p = straight.parameters
    assert all(covers(p[name], truth) for name, truth in TRUTH.items())
    assert straight.plateau == "not seen"
    assert (p["b"].value, p["b"].low) == (0.0, 0.0)
    assert p["b"].high >= 10.0


def test_batches_that_vary_give_a_critical_batch(batched):
    p = batched.parameters
    assert covers(p["batch_critical"], 64.0)
    assert p["batch_critical"].value == pytest.approx(64.0, rel=0.2)
    assert all(covers(p[name], truth) for name, truth in TRUTH.items())
    assert batched.range["batch"] == (8.0, 128.0)
    assert "batch" not in batched.setting
    assert {len(row) for row in batched.draws} == {5}
    assert batched.left_out["power-plateau"]["batch"] < 0.1


def test_batches_alone_are_a_law_of_batches(made, tmp_path):
    rows = made.synthetic(
        batches=(8.0, 32.0, 128.0, 512.0), critical=64.0, models=made.models[:1], data=made.data[:1]
    )
    law = fit_law(made.write(tmp_path / "curves.jsonl", rows))
    assert covers(law.parameters["batch_critical"], 64.0)
    assert law.parameters["k1"].value == law.parameters["k2"].value == 0.0


def test_a_law_tells_what_it_was_fitted_to(flattened, straight):
    assert flattened.name == flattened.workload == "charlm-small"
    assert straight.name == "mine"
    assert (flattened.runs, flattened.censored) == (72, 0)
    assert flattened.range["model"] == (5000, 2_000_000)
    assert flattened.goal.model_dump() == {"kind": "within_pct_of_min", "value": 1.0}
    assert "own minimum" in flattened.target
    assert flattened.provenance["curves"] == "curves.jsonl"


def test_every_form_tells_its_error_at_the_largest_sizes(flattened):
    assert flattened.left_out.keys() == flattened.held_out.keys() == {"power", "power-plateau"}
    best, worst = flattened.left_out["power-plateau"], flattened.left_out["power"]
    assert best.keys() == {"model", "data"}
    assert best["model"] < 0.1 < worst["model"]
    assert flattened.aicc["power-plateau"] < flattened.aicc["power"]


@pytest.mark.parametrize("which", ["flattened", "straight", "batched"])
def test_a_law_reads_back_and_predicts(which, request):
    law = request.getfixturevalue(which)
    assert parse(law.model_dump_json(by_alias=True), "law.json") == law
    steps = predict(law, 1e5, 4e4, {"depth": 2, "batch": 32})
    truth = 4010.0 if which == "straight" else 550.0
    assert steps.value == pytest.approx(truth, rel=0.05)
    assert steps.low < truth < steps.high
    assert not steps.warnings


def test_a_wider_target_is_another_law(made, tmp_path, flattened):
    path = made.write(tmp_path / "curves.jsonl", made.synthetic())
    wide = fit_law(path, target=Target(value=4.0))
    assert wide.goal.value == 4.0
    assert wide.parameters["a"].value < 0.6 * flattened.parameters["a"].value


def test_an_absolute_loss_leaves_out_runs_that_never_get_there(made, tmp_path):
    rows = made.synthetic(noise=0.0)
    path = made.write(tmp_path / "curves.jsonl", rows, censored={0})
    law = fit_law(path, target=Target("absolute_loss", 1.0101))
    assert law.goal.model_dump() == {"kind": "absolute_loss", "value": 1.0101}
    assert (law.runs, law.never) == (72, 0)
    assert law.parameters["k2"].value == pytest.approx(0.5, abs=0.03)
    with pytest.raises(InputError, match="0 model sizes"):
        fit_law(path, target=Target("absolute_loss", 0.9))


def test_runs_of_another_setting_are_left_out(made, tmp_path):
    rows = made.synthetic(seeds=2)
    path = made.write(
        tmp_path / "curves.jsonl", rows, varied=lambda i: {"depth": 4} if i < 9 else {}
    )
    law = fit_law(path)
    assert (law.runs, law.other_settings) == (len(rows) - 9, 9)


@pytest.mark.parametrize(
    ("models", "data", "fault"),
    [(slice(2), slice(None), "2 model sizes"), (slice(None), slice(1), "1 data sizes")],
)
def test_a_law_needs_several_sizes(made, tmp_path, models, data, fault):
    rows = made.synthetic(models=made.models[models], data=made.data[data], seeds=1)
    path = made.write(tmp_path / "curves.jsonl", rows)
    with pytest.raises(InputError, match=fault) as caught:
        fit_law(path)
    assert "hwsim converge run" in caught.value.instead


def test_censored_runs_alone_are_no_size(made, tmp_path):
    rows = made.synthetic(models=made.models[:3], data=made.data[:2], seeds=1)
    path = made.write(tmp_path / "curves.jsonl", rows, censored={4, 5})
    with pytest.raises(InputError, match=r"2 model sizes \(2 runs ended before"):
        fit_law(path)


def test_a_file_without_a_finished_run_has_no_law(made, tmp_path):
    none = np.zeros(0, dtype=int)
    path = made.write(tmp_path / "curves.jsonl", made.synthetic().take(none))
    with pytest.raises(InputError, match="0 model sizes"):
        fit_law(path)


def test_a_csv_gives_the_law_that_a_campaign_gives(made, tmp_path):
    rows = made.synthetic(b=60.0)
    ours = fit_law(made.write(tmp_path / "curves.jsonl", rows, censored={3}))
    theirs = fit_law(made.table(tmp_path / "mine.csv", rows, censored={3}))
    assert (theirs.runs, theirs.censored, theirs.workload) == (72, 1, "mine")
    for name, parameter in ours.parameters.items():
        assert theirs.parameters[name].value == pytest.approx(parameter.value, rel=0.02)
    assert theirs.setting == {"batch": 32}
