"""Steps to a target, read off curves."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.converge import runs
from calibration.converge.fitting.points import one_setting, points
from hwsim.convergence.target import Target


def test_steps_to_the_target_are_read_off_the_curves(made, tmp_path):
    rows = made.synthetic(seeds=1)
    found = runs.read(made.write(tmp_path / "curves.jsonl", rows, censored={3, 7}))
    taken, never = points(found.runs, Target(), found.patience)
    assert taken.steps == pytest.approx(rows.steps, rel=0.01)
    assert np.flatnonzero(taken.censored).tolist() == [3, 7]
    assert taken.model == pytest.approx(rows.model, rel=1e-3)
    assert (taken.batch == 32.0).all()
    assert never == 0


def test_runs_above_an_absolute_loss_are_never_points(made, tmp_path):
    rows = made.synthetic(seeds=1)
    found = runs.read(made.write(tmp_path / "curves.jsonl", rows, censored={3, 7}))
    taken, never = points(found.runs, Target("absolute_loss", 0.5), found.patience)
    assert never == len(rows) - 2
    assert taken.censored.all()


def test_cells_hold_their_seeds(made):
    cells = made.synthetic(batches=(8.0, 32.0)).cells()
    assert len(cells) == 2 * len(made.models) * len(made.data)
    assert all(len(cell) == 3 for cell in cells)
    assert sorted(np.concatenate(cells)) == list(range(144))


def test_the_commonest_setting_is_taken(made, tmp_path):
    rows = made.synthetic(seeds=1)
    path = made.write(tmp_path / "a.jsonl", rows, varied=lambda i: {"depth": 1 + (i > 4)})
    kept = one_setting(runs.read(path).runs)
    assert [run.varied for run in kept] == [(("depth", 2),)] * 19
    assert one_setting(()) == ()
