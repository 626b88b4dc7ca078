"""Anyone's curves in a CSV, and what is wrong with them."""

from __future__ import annotations

import math

import pytest

from calibration.converge import runs
from calibration.converge.user_curves import PATIENCE, parse
from hwsim.errors import InputError

HEADER = "run,parameters,data,batch,step,loss\n"
TWO = HEADER + "a,1000,8000,32,20,3.5\nb,2000,8000,64,20,3.0\na,1000,8000,32,10,4.0\n"


def test_curves_are_grouped_by_run_and_sorted_by_step():
    a, b = parse(TWO, "mine.csv")
    assert (a.name, a.model, a.data, a.batch) == ("a", 1000.0, 8000.0, 32.0)
    assert (a.steps, a.losses) == ([10, 20], [4.0, 3.5])
    assert (b.name, b.steps, b.width) == ("b", [20], 2000.0)


def test_columns_go_by_name():
    text = "loss , note,step,batch,data,parameters,run\n3.5,x,20,32,8e3,1e3,a\n"
    (run,) = parse(text, "mine.csv")
    assert (run.model, run.data, run.losses) == (1000.0, 8000.0, [3.5])


@pytest.mark.parametrize("loss", ["nan", "NaN", "inf"])
def test_a_run_that_diverged_keeps_its_place(loss):
    (run,) = parse(f"{HEADER}a,1,1,1,10,2.0\na,1,1,1,20,{loss}\n", "mine.csv")
    assert run.steps == [10, 20]
    assert not math.isfinite(run.losses[1])


@pytest.mark.parametrize("last", ["a,1,1,1,20,1", "a,1,1,1,20,", "a,1,1", "a,1,1,1,20,1.999"])
def test_a_last_line_without_its_end_is_no_evaluation(last):
    (run,) = parse(f"{HEADER}a,1,1,1,10,2.0\n{last}", "mine.csv")
    assert run.steps == [10]


def test_without_results_every_run_is_there():
    text = HEADER + "a,1000,8000,32,,\nb,2000,8000,64,20,\nc,2000,8000,64,,"
    assert [run.name for run in parse(text, "mine.csv", measured=False)] == ["a", "b", "c"]
    with pytest.raises(InputError, match="line 2: step"):
        parse(text, "mine.csv")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty file"),
        (HEADER, "found no evaluations"),
        (HEADER.replace("loss", "accuracy"), "no column 'loss'"),
        (HEADER.replace("batch", "step"), "no column 'batch'"),
        (HEADER.replace("\n", ",loss\n"), "column 'loss' twice"),
        (f"{HEADER}a,1,1,1,10\n", "line 2: found 5 cells under 6 columns"),
        (f"{HEADER}a,1,1,1,10,2,2\n", "line 2: found 7 cells"),
        (f"{HEADER},1,1,1,10,2.0\n", "line 2: run"),
        (f"{HEADER}a,big,1,1,10,2.0\n", 'line 2: parameters: found "big"'),
        (f"{HEADER}a,1,-1,1,10,2.0\n", "line 2: data"),
        (f"{HEADER}a,1,1,0,10,2.0\n", "line 2: batch"),
        (f"{HEADER}a,1,1,1,nan,2.0\n", "line 2: step"),
        (f"{HEADER}a,1,1,1,1.5,2.0\n", "line 2: step"),
        (f"{HEADER}a,1,1,1,10,-2.0\n", "line 2: loss"),
        (f"{HEADER}a,1,1,1,10,low\n", "line 2: loss"),
        (f"{HEADER}a,1,1,1,10,2.0\na,1,1,1,10,2.0\n", "found step 10 twice"),
        (f"{HEADER}a,1,1,1,10,2.0\na,2,1,1,20,2.0\n", "line 3: run a"),
    ],
)
def test_what_is_wrong_is_one_message(text, fault):
    with pytest.raises(InputError, match=r"^mine\.csv") as caught:
        parse(text, "mine.csv")
    assert fault in str(caught.value)
    assert caught.value.instead


def test_a_file_of_curves_is_told_by_its_first_line(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(TWO)
    found = runs.read(path)
    assert (found.workload, found.patience, found.setting) == ("mine", PATIENCE, {})
    assert runs.read(path, patience=3.0).patience == 3.0


def test_a_campaign_gives_its_batch_and_what_varies(made, tmp_path):
    rows = made.synthetic(batches=(16.0, 64.0), seeds=1)
    path = made.write(tmp_path / "a.jsonl", rows, varied=lambda i: {"batch": 16, "depth": i % 2})
    found = runs.read(path)
    assert [run.batch for run in found.runs] == rows.batch.tolist()
    assert found.runs[1].varied == (("depth", 1),)
    assert (found.patience, found.setting["batch"]) == (made.patience, 32)
