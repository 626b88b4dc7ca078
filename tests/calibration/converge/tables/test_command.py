"""`hwsim converge fit` of a table: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import json

import pytest

from hwsim.cli.main import run

LAW_KEYS = {"workload", "target", "form", "parameters", "plateau", "runs"}


@pytest.fixture
def fit(capsys):
    """Runs `hwsim converge fit`: its exit code, standard output and standard error."""

    def call(*words):
        code = run(["converge", "fit", *map(str, words)])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def file(groups, tmp_path):
    path = tmp_path / "anything.txt"
    path.write_text(groups.text)
    return path


def written(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_laws_and_prediction_as_json(fit, file):
    code, out, err = fit(file, "--predict", file, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert len(found["laws"]) == 8
    for law in found["laws"]:
        assert law.keys() == LAW_KEYS
        for parameter in law["parameters"].values():
            assert parameter["low"] <= parameter["value"] <= parameter["high"]
    prediction = found["prediction"]
    assert prediction.keys() == {"cases", "median", "p90", "coverage80", "coverage95"}
    assert prediction["cases"] == len(file.read_text().splitlines()) - 1
    assert prediction["median"] < 0.05
    assert prediction["coverage80"] <= prediction["coverage95"]


def test_without_another_table_there_is_no_prediction(fit, file):
    code, out, _ = fit(file, "--json")
    assert code == 0
    assert json.loads(out)["prediction"] is None


def test_for_a_reader(fit, file):
    code, out, _ = fit(file, "--predict", file)
    assert code == 0
    for word in ("B_crit", "S_min", "model-a", "rows predicted", "80 % interval"):
        assert word in out


def test_no_prediction_reads_a_result(fit, file, groups, tmp_path):
    blank = tmp_path / "blank.csv"
    blank.write_text(groups.blank)
    answers = []
    for other in (file, blank):
        out = tmp_path / f"{other.name}.out"
        code, printed, err = fit(file, "--predict", other, "--predictions", out, "--json")
        assert code == 0
        assert f"wrote {out}" in err
        answers.append(out.read_text())
    assert answers[0] == answers[1]
    prediction = json.loads(printed)["prediction"]
    assert prediction.pop("cases") == len(groups.lines)
    assert set(prediction.values()) == {None}
    rows = written(tmp_path / "blank.csv.out")
    assert list(rows[0]) == ["row", "predicted", "low", "high", "why"]
    assert [row["row"] for row in rows] == [str(n) for n in range(len(groups.lines))]
    for row in rows:
        assert float(row["low"]) < float(row["predicted"]) < float(row["high"])
        assert row["why"] == ""


def test_rows_that_cannot_be_predicted_say_why(fit, file, table, tmp_path):
    other, out = tmp_path / "other.csv", tmp_path / "out.csv"
    made = table().add("model-z", 64, 10.0).add("model-a", 64, 10.0, target=2.0)
    made.add("model-a", 64, 10.0, source="elsewhere")
    other.write_text(made.text)
    code, printed, _ = fit(file, "--predict", other, "--predictions", out)
    assert code == 0
    rows = written(out)
    assert [row["predicted"] for row in rows] == ["", "", ""]
    assert rows[0]["why"] == "the table has no steps of model-z from lab"
    assert rows[1]["why"] == "the table has no steps of model-a with target 2.0"
    assert rows[2]["why"] == "the table has no steps of model-a from elsewhere"
    assert "not predicted, 1: the table has no steps of model-z" in printed


def test_a_file_with_nothing_to_fit(fit, groups, tmp_path):
    blank = tmp_path / "blank.csv"
    blank.write_text(groups.blank)
    code, out, err = fit(blank)
    assert (code, out) == (2, "")
    assert "found no row with steps; fill the column steps" in err


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("{HEAD}\n", "found no rows under the header"),
        ("{HEAD}\nlab,bert,,c4,3,absolute_loss,64,sequ", "found 8 cells"),
        ("{HEAD}\nlab,bert,,c4,3,absolute_loss,-64,sequences,5,,1", "batch"),
        ('{HEAD}\nlab,"bert,,c4,3,absolute_loss,64,sequences,5,,1', "no proper CSV"),
    ],
)
def test_half_a_file(fit, file, tmp_path, text, fault):
    bad = tmp_path / "bad.csv"
    bad.write_text(text.format(HEAD=file.read_text().splitlines()[0]))
    for words in ([bad], [file, "--predict", bad]):
        code, out, err = fit(*words)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert str(bad) in err
        assert fault in err or words == [bad]


@pytest.mark.parametrize("where", [".", "none/out.csv"])
def test_predictions_go_to_a_file(fit, file, tmp_path, where):
    code, _, err = fit(file, "--predict", file, "--predictions", tmp_path / where)
    assert code == 2
    assert "--predictions" in err


def test_a_full_disk_is_the_surroundings(fit, file):
    code, _, err = fit(file, "--predict", file, "--predictions", "/dev/full")
    assert code == 4
    assert "No space left" in err


def test_options_of_curves_are_no_tables(fit, file):
    for option, value in (("--out", "law.json"), ("--name", "x"), ("--loss", 2.0)):
        code, out, err = fit(file, option, value)
        assert (code, out) == (2, "")
        assert f"{option}: found it, but FILE isn't curves" in err


def test_predictions_are_of_another_table(fit, file):
    code, _, err = fit(file, "--predictions", "out.csv")
    assert code == 2
    assert "write --predict OTHER" in err


def test_a_large_table_is_thinned(fit, table, tmp_path):
    made = table()
    for copy in range(30):
        made.batches("bert", range(64, 64 + 40), 300.0, 500.0, noise=0.02, seed=copy)
    path = tmp_path / "large.csv"
    path.write_text(made.text)
    code, out, _ = fit(path, "--json")
    assert code == 0
    (law,) = json.loads(out)["laws"]
    assert law["runs"] == 200
