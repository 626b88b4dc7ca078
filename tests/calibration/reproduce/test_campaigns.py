"""Runs as they are read off files of curves."""

from dataclasses import replace

import pytest

from calibration.reproduce import campaigns
from calibration.reproduce.campaigns import CHAR, DEPTH, FILES, load
from hwsim.errors import InputError
from workloads.charlm import CharLMSmall


def test_the_shipped_folder_has_the_character_models():
    found = load(campaigns.shipped())
    assert len(found[CHAR].runs) > 40


def test_a_file_that_is_not_there_is_none(tmp_path, campaign, truth):
    campaign(tmp_path / "charlm-depth.jsonl", truth, hidden=(32,), data=(8000,), seeds=1)
    found = load(tmp_path)
    assert list(found) == list(FILES)
    assert [name for name in found if found[name]] == [DEPTH]


def test_a_run_has_its_steps_its_loss_and_its_seconds(tmp_path, campaign, truth):
    calm = replace(truth, noise=0.0)
    campaign(tmp_path / "charlm-small.jsonl", calm, hidden=(64,), data=(20_000,), seeds=1)
    (run,) = load(tmp_path)[CHAR].runs
    workload = CharLMSmall(hidden=64, dataset=20_000)
    assert run.parameters == workload.graph().parameters
    assert run.steps == pytest.approx(calm.steps(workload), rel=0.03)
    assert run.minimum == pytest.approx(calm.minimum(workload), rel=0.01)
    assert run.seconds_per_step == pytest.approx(calm.seconds_per_step(workload))
    assert run.seconds_to(run.steps) == pytest.approx(run.steps * run.seconds_per_step)
    assert not run.censored
    assert {scale for _, scale in run.noises} == {50.0}


def test_steps_to_a_loss_are_those_of_the_target_at_the_targets_loss(tmp_path, campaign, truth):
    campaign(tmp_path / "charlm-small.jsonl", truth, hidden=(64,), data=(20_000,), seeds=1)
    (run,) = load(tmp_path)[CHAR].runs
    assert run.steps_to(1.01 * run.minimum) == pytest.approx(run.steps)
    assert run.steps_to(2.0 * run.minimum) == run.at[0]
    assert run.steps_to(0.5 * run.minimum) is None


def test_runs_know_what_they_were_varied_in(tmp_path, campaign, truth):
    varied = ({"depth": 1}, {"depth": 4})
    path = tmp_path / "charlm-depth.jsonl"
    campaign(path, truth, hidden=(64,), data=(8000,), seeds=2, varied=varied)
    found = load(tmp_path)[DEPTH]
    assert len({run.cell for run in found.runs}) == 2
    assert {found.workload(run).depth for run in found.runs} == {1, 4}


def test_too_few_runs_have_no_law(tmp_path, campaign, truth):
    campaign(tmp_path / "charlm-small.jsonl", truth, hidden=(32, 64), seeds=1)
    assert load(tmp_path)[CHAR].law is None


def test_a_corrupt_file_is_told(tmp_path, campaign, truth):
    path = campaign(tmp_path / "charlm-small.jsonl", truth, hidden=(64,), data=(8000,))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], '{"run": ', *lines[5:]]))
    with pytest.raises(InputError, match=r"charlm-small.jsonl: line 6: not a JSON object"):
        load(tmp_path)


def test_a_file_of_another_workload_is_told(tmp_path, campaign, truth):
    path = campaign(tmp_path / "charlm-small.jsonl", truth, hidden=(64,), data=(8000,))
    path.write_text(path.read_text().replace('"charlm-small"', '"resnet"'))
    with pytest.raises(InputError, match="found 'resnet'; give curves of charlm-small"):
        load(tmp_path)
