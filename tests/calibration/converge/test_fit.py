"""The fit, on steps whose law is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("scipy")

from calibration.converge import curves, fit
from hwsim.convergence.law import PER_LOG_UNIT, parse, predict
from hwsim.errors import InputError

K1, K2 = 0.7, 0.5
MODELS, DATA, SEEDS = np.geomspace(5e3, 2e6, 6), np.geomspace(8e3, 2e5, 4), 3
CENTER = (float(np.sqrt(5e3 * 2e6)), float(np.sqrt(8e3 * 2e5)))
PATIENCE = 1.6


def synthetic(seed=0, a=400.0, b=150.0, noise=0.05, models=MODELS, data=DATA, seeds=SEEDS):
    """Steps of every cell and seed, with log-normal noise."""
    random = np.random.default_rng(seed)
    model, amount, _ = (x.ravel() for x in np.meshgrid(models, data, range(seeds), indexing="ij"))
    steps = a * (amount / CENTER[1]) ** K1 / (model / CENTER[0]) ** K2 + b
    steps *= np.exp(noise * random.standard_normal(len(steps)))
    return fit.Points(model, amount, steps, np.zeros(len(steps), dtype=bool))


def write(path, rows, censored=()):
    """A file of curves that meet the target at `rows.steps`, the minimum at twice that."""
    stop = {"patience": PATIENCE, "least": 1, "most": 10**9}
    about = {"name": "help", "sha256": "", "characters": 9, "validation": 1, "vocabulary": 3}
    header = curves.Header(
        workload="charlm-small",
        setting={"depth": 2},
        corpus=curves.Corpus(**about),
        stop=curves.StopRule(**stop),
        date="",
        machine="",
        versions={},
        command="",
    )
    records = [header.line()]
    for i, (model, data, steps) in enumerate(zip(rows.model, rows.data, rows.steps, strict=True)):
        last = 2.0 * steps * (1.1 if i in censored else 1.7)
        for step in np.unique(np.geomspace(steps / 8, last, 120).round().astype(int)):
            away = np.log(step / (2.0 * steps)) / np.log(2.0)
            records.append({"run": str(i), "step": int(step), "loss": 1.0 + 0.01 * away**2})
        sizes = {"hidden": 1, "dataset": round(data), "seed": i, "parameters": round(model)}
        records.append({"run": str(i), "end": "minimum", **sizes})
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def covers(parameter, truth):
    return parameter.low <= truth <= parameter.high


@pytest.fixture(scope="module")
def flattened(tmp_path_factory):
    path = tmp_path_factory.mktemp("seen") / "curves.jsonl"
    return fit.fit_law(write(path, synthetic()))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    path = tmp_path_factory.mktemp("straight") / "curves.jsonl"
    return fit.fit_law(write(path, synthetic(a=4000.0, b=10.0)), "mine")


def test_steps_to_the_target_are_read_off_the_curves(tmp_path):
    rows = synthetic(seeds=1)
    found = fit.points(curves.read(write(tmp_path / "curves.jsonl", rows, censored={3, 7})))
    assert found.steps == pytest.approx(rows.steps, rel=0.01)
    assert np.flatnonzero(found.censored).tolist() == [3, 7]
    assert found.model == pytest.approx(rows.model, rel=1e-3)


def test_a_known_law_comes_back(flattened):
    p = flattened.parameters
    assert covers(p["k1"], K1)
    assert covers(p["k2"], K2)
    assert covers(p["b"], 150.0)
    assert flattened.plateau == "seen"
    assert p["b"].low > 100.0
    assert p["k2"].high - p["k2"].low < 0.1
    assert flattened.scatter == pytest.approx(0.05, rel=0.4)


def test_sizes_that_stop_before_the_plateau_do_not_see_it(straight):
    p = straight.parameters
    assert covers(p["k1"], K1)
    assert covers(p["k2"], K2)
    assert straight.plateau == "not seen"
    assert (p["b"].value, p["b"].low) == (0.0, 0.0)
    assert p["b"].high >= 10.0


def test_a_law_tells_what_it_was_fitted_to(flattened, straight):
    assert flattened.name == flattened.workload == "charlm-small"
    assert straight.name == "mine"
    assert (flattened.runs, flattened.censored) == (72, 0)
    assert flattened.range["model"] == (5000, 2_000_000)
    assert "own minimum" in flattened.target
    assert flattened.provenance["curves"] == "curves.jsonl"


@pytest.mark.parametrize("which", ["flattened", "straight"])
def test_a_law_reads_back_and_predicts(which, request):
    law = request.getfixturevalue(which)
    assert parse(law.model_dump_json(by_alias=True), "law.json") == law
    steps = predict(law, 1e5, 4e4, {"depth": 2})
    a, b = (400.0, 150.0) if law.plateau == "seen" else (4000.0, 10.0)
    assert steps.value == pytest.approx(a + b, rel=0.05)
    assert steps.low < a + b < steps.high


@pytest.mark.parametrize("run", [0, 20, 40, 71])
def test_one_stray_run_does_not_move_the_exponent(run):
    rows = synthetic()
    rows.steps[run] *= 5.0
    theta = fit.fit(rows, CENTER, plateau=True).theta
    assert theta[2] == pytest.approx(K2, abs=0.1)


def test_censored_runs_only_push_from_below():
    rows = synthetic(b=0.0)
    slow = rows.steps > np.quantile(rows.steps, 0.8)
    bounds = fit.Points(rows.model, rows.data, np.where(slow, 0.6, 1.0) * rows.steps, slow)
    mistaken = fit.Points(bounds.model, bounds.data, bounds.steps, ~slow & slow)
    truth = fit.fit(rows.take(~slow), CENTER, plateau=False).theta
    assert fit.fit(bounds, CENTER, plateau=False).theta == pytest.approx(truth, abs=0.01)
    assert fit.fit(mistaken, CENTER, plateau=False).theta[2] < truth[2] - 0.03
    higher = fit.Points(rows.model, rows.data, np.where(slow, 3.0, 1.0) * rows.steps, slow)
    assert fit.fit(higher, CENTER, plateau=False).theta[2] > truth[2] + 0.03


def test_without_a_plateau_it_is_zero():
    assert fit.fit(synthetic(), CENTER, plateau=False).theta[3] == 0.0


def test_residuals_are_measured_over_fitted():
    rows = synthetic(noise=0.0)
    rows.steps[5] *= np.exp(0.3)
    found = fit.fit(rows, CENTER, plateau=True)
    assert found.residuals[5] == pytest.approx(0.3, abs=0.01)
    assert np.abs(np.delete(found.residuals, 5)).max() < 0.02


@pytest.mark.parametrize("b", [0.0, 30.0, 150.0])
def test_a_start_nearby_finds_what_all_starts_find(b):
    near = fit.fit(synthetic(b=b), CENTER, plateau=True).theta
    other = synthetic(seed=1, b=b)
    quick = fit.fit(other, CENTER, plateau=True, near=near)
    slow = fit.fit(other, CENTER, plateau=True)
    assert quick.residuals == pytest.approx(slow.residuals, abs=2e-3)


def test_the_bootstrap_is_deterministic_and_spread_around_the_fit():
    rows = synthetic(b=50.0)
    theta = fit.fit(rows, CENTER, plateau=True).theta
    first, again = (fit.bootstrap(rows, CENTER, theta, resamples=40) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.shape == (40, 4)
    assert (first.std(axis=0) > 0).all()
    assert (np.abs(first.mean(axis=0) - theta) < first.std(axis=0)).all()


def test_cells_hold_their_seeds():
    cells = synthetic().cells()
    assert len(cells) == len(MODELS) * len(DATA)
    assert all(len(cell) == SEEDS for cell in cells)
    assert sorted(np.concatenate(cells)) == list(range(72))


@pytest.mark.parametrize(
    ("models", "data", "fault"),
    [(MODELS[:2], DATA, "2 model sizes"), (MODELS, DATA[:1], "1 data sizes")],
)
def test_a_law_needs_several_sizes(tmp_path, models, data, fault):
    path = write(tmp_path / "curves.jsonl", synthetic(models=models, data=data, seeds=1))
    with pytest.raises(InputError, match=fault) as caught:
        fit.fit_law(path)
    assert "hwsim converge run" in caught.value.instead


def test_censored_runs_alone_are_no_size(tmp_path):
    rows = synthetic(models=MODELS[:3], data=DATA[:2], seeds=1)
    path = write(tmp_path / "curves.jsonl", rows, censored={4, 5})
    with pytest.raises(InputError, match="2 model sizes"):
        fit.fit_law(path)


def test_a_file_without_a_finished_run_has_no_law(tmp_path):
    none = np.zeros(0, dtype=int)
    path = write(tmp_path / "curves.jsonl", synthetic().take(none))
    with pytest.raises(InputError, match="0 model sizes"):
        fit.fit_law(path)


def test_slopes_fall_with_size_and_hold_the_truth():
    rows = synthetic(b=0.0)
    table = fit.slopes(rows)
    assert [data for data, *_ in table] == pytest.approx(DATA)
    for _, slope, half, count in table:
        assert slope < 0.0 < half
        assert abs(slope + K2) < 1.5 * half
        assert count == len(MODELS) * SEEDS


def test_slopes_leave_out_what_is_censored_or_too_little():
    rows = synthetic(b=0.0, seeds=1)
    rows.censored[rows.data == DATA[0]] = True
    rows.censored[0] = False
    assert [round(data) for data, *_ in fit.slopes(rows)] == [round(d) for d in DATA[1:]]


def test_a_true_power_law_extrapolates_well():
    rows = synthetic(b=0.0, noise=0.02)
    assert fit.left_out(rows, CENTER, rows.model, plateau=False) < 0.03
    assert fit.left_out(rows, CENTER, rows.data, plateau=False) < 0.03
    assert fit.left_out(synthetic(), CENTER, rows.model, plateau=False) > 0.05


def test_what_extrapolation_costs_is_assumed_where_it_can_not_be_measured():
    rows = synthetic(data=DATA[:2])
    assert fit.left_out(rows, CENTER, rows.data, plateau=False) == PER_LOG_UNIT
    late = synthetic()
    late.censored[late.model == MODELS[-1]] = True
    assert fit.left_out(late, CENTER, late.model, plateau=False) == PER_LOG_UNIT
