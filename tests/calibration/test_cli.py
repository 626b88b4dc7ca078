"""`hwsim converge`: what it prints, what it writes, and what it answers to a bad line."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from hwsim.cli.main import run
from hwsim.convergence.law import parse

LAW_KEYS = {"workload", "target", "form", "parameters", "plateau", "runs", "held_out"}
SCORES = {"cases", "median", "p90", "coverage80", "coverage95"}


@pytest.fixture
def hwsim(capsys):
    """Runs a command line: its exit code, standard output and standard error."""

    def call(*words):
        code = run(["converge", *map(str, words)])
        return code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    """Curves of 4 models on 3 data sizes, whose steps to the target are a power law."""
    header = {
        "schema": "hwsim.curves/1",
        "workload": "charlm-small",
        "setting": {"depth": 2},
        "corpus": {
            "name": "help",
            "sha256": "00",
            "characters": 370_382,
            "validation": 24_000,
            "vocabulary": 103,
        },
        "stop": {"patience": 1.6, "least": 400, "most": 40_000},
        "versions": {},
        **dict.fromkeys(("date", "machine", "command"), ""),
    }
    records = [header]
    for hidden in (32, 64, 128, 256):
        for data in (8000, 25_000, 75_000):
            name, parameters = f"h{hidden}-d{data}-s0", 10 * hidden**2
            met = 1000.0 * (data / 25_000) ** 0.7 / (parameters / 1e5) ** 0.5
            for step in np.unique(np.geomspace(met / 8, 3.4 * met, 100).round().astype(int)):
                loss = 2.0 + 0.02 * (math.log(step / (2.0 * met)) / math.log(2.0)) ** 2
                records.append({"run": name, "step": int(step), "loss": loss})
            sizes = {"hidden": hidden, "dataset": data, "seed": 0, "parameters": parameters}
            records.append({"run": name, "end": "minimum", **sizes})
    path = tmp_path_factory.mktemp("converge") / "curves.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture(scope="module")
def law(curves):
    return pytest.importorskip("calibration.converge.fit").fit_law(curves)


@pytest.fixture
def fitted(law, monkeypatch):
    """The fit, which takes seconds, is at hand already."""
    monkeypatch.setattr("calibration.converge.fit.law_of", lambda *_: law)


def test_fit_as_json_and_its_law(hwsim, curves, tmp_path):
    pytest.importorskip("scipy")
    code, out, err = hwsim("fit", curves, "--json", "--out", tmp_path / "law.json")
    assert code == 0
    found = json.loads(out)
    assert found.keys() == {"laws", "prediction"}
    assert found["prediction"] is None
    (record,) = found["laws"]
    assert record.keys() >= LAW_KEYS
    assert record["held_out"]["forms"].keys() == {"power", "power-plateau"}
    assert record["workload"] == "charlm-small"
    assert record["form"] == "power-plateau"
    assert record["plateau"] in ("seen", "not seen")
    assert record["runs"] == 12
    assert record["parameters"].keys() == {"a", "k1", "k2", "b"}
    for parameter in record["parameters"].values():
        assert parameter.keys() == {"value", "low", "high"}
        assert parameter["low"] <= parameter["value"] <= parameter["high"]
    assert record["parameters"]["k1"]["value"] == pytest.approx(0.7, abs=0.02)
    assert record["parameters"]["k2"]["value"] == pytest.approx(0.5, abs=0.02)
    assert f"wrote {tmp_path / 'law.json'}" in err
    law = parse((tmp_path / "law.json").read_text(), "law.json")
    assert law.parameters["k1"].model_dump() == record["parameters"]["k1"]
    assert law.runs == 12


@pytest.mark.usefixtures("fitted")
def test_fit_for_a_reader(hwsim, curves):
    code, out, err = hwsim("fit", curves)
    assert (code, err) == (0, "")
    for word in ("k1", "k2", "95 %", "12 runs, 0 censored", "slope of ln S", "own minimum"):
        assert word in out


@pytest.mark.parametrize("where", [".", "none/law.json"])
@pytest.mark.usefixtures("fitted")
def test_fit_writes_to_a_file_only(hwsim, curves, tmp_path, where):
    code, _, err = hwsim("fit", curves, "--out", tmp_path / where)
    assert code == 2
    assert "--out" in err
    assert "write a file's path" in err


@pytest.mark.usefixtures("fitted")
def test_fit_to_a_full_disk_is_the_surroundings(hwsim, curves):
    code, _, err = hwsim("fit", curves, "--out", "/dev/full")
    assert code == 4
    assert "No space left" in err


@pytest.mark.usefixtures("fitted")
def test_other_runs_are_predicted_and_compared(hwsim, curves, tmp_path):
    out = tmp_path / "predicted.csv"
    code, told, err = hwsim("fit", curves, "--predict", curves, "--predictions", out, "--json")
    assert code == 0
    assert f"wrote {out}" in err
    scores = json.loads(told)["prediction"]
    assert scores.keys() == SCORES
    assert scores["cases"] == 12
    assert scores["median"] < 0.02
    header, *rows = out.read_text().splitlines()
    assert header == "row,predicted,low,high,why"
    assert [row.split(",")[0] for row in rows] == [str(i) for i in range(12)]
    code, told, _ = hwsim("fit", curves, "--predict", curves)
    assert code == 0
    assert "other runs: 12, median error" in told


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["--loss", "0"], "--loss"),
        (["--loss", "nan"], "--loss"),
        (["--within", "-0.1"], "--within"),
        (["--loss", "2", "--within", "0.01"], "--within"),
        (["--patience", "1"], "--patience"),
        (["--predictions", "out.csv"], "--predictions"),
        (["--predict", "{curves}", "--predictions", "none/out.csv"], "--predictions none/out.csv"),
        (["--predict", "none.csv"], "none.csv"),
    ],
)
@pytest.mark.usefixtures("fitted")
def test_a_bad_option_of_fit_is_one_message(hwsim, curves, words, where):
    code, out, err = hwsim("fit", curves, *(word.format(curves=curves) for word in words))
    assert (code, out) == (2, "")
    assert where in err
    assert len(err.strip().splitlines()) == 1


def test_status(hwsim, curves):
    code, out, _ = hwsim("status", curves)
    assert code == 0
    assert "h64-d25000-s0" in out
    assert len(out.splitlines()) == 13
    code, out, _ = hwsim("status", curves, "--json")
    rows = json.loads(out)["runs"]
    assert code == 0
    assert [row["dataset"] for row in rows] == sorted(row["dataset"] for row in rows)
    assert rows[0]["run"] == "h32-d8000-s0"
    assert not any(row["censored"] for row in rows)
    assert all(row["steps"] < row["minimum_steps"] for row in rows)
    assert all(isinstance(row["minimum_steps"], int) for row in rows)


def test_status_shows_a_run_as_it_is_named(hwsim, curves, tmp_path):
    odd = tmp_path / "odd.jsonl"
    odd.write_text(curves.read_text().replace("h32-d8000-s0", "h32[/x] :smile:"))
    code, out, err = hwsim("status", odd)
    assert (code, err) == (0, "")
    assert "h32[/x] :smile:" in out


@pytest.mark.parametrize("command", ["fit", "status"])
def test_a_file_that_is_none_of_curves(hwsim, tmp_path, command):
    other = tmp_path / "other.jsonl"
    other.write_text("hello\n")
    for path in (other, tmp_path, tmp_path / "none.jsonl"):
        code, out, err = hwsim(command, path)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert str(path) in err


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--vary", "workload.bins=1,2"], "--vary workload.bins: found no such axis"),
        (["--vary", "hidden"], "--vary hidden: found no such axis"),
        (["--vary", "workload.hidden=8,many"], "write whole numbers above 0"),
        (["--vary", "workload.hidden=0,8"], "write whole numbers above 0"),
        (["--vary", "workload.hidden=1.5"], "write whole numbers above 0"),
        (["--vary", "workload.hidden="], "write whole numbers above 0"),
        (["--vary", "workload.hidden=64:8:3"], "write lo:hi:n"),
        (["--vary", "workload.hidden=8:64:1"], "write lo:hi:n"),
        (["--vary", "workload.dataset=400000"], "found 400000 characters"),
        (["--vary", "workload.dataset=10"], "found 10 characters"),
        (["--model", "charlm-tiny"], "charlm-tiny"),
        (["--model", "transformer"], "write charlm, wordlm or speech"),
        (["--set", "device.name=x"], "write workload.FIELD=VALUE"),
        (["--set", "workload.widht=3"], "widht"),
        (["--set", "workload.batch=-1"], "workload.batch"),
        (["--set", "workload.hidden=64"], "write --vary workload.hidden=64"),
        (["--set", "workload.dataset=9000"], "write --vary workload.dataset="),
        (["--set", "workload.corpus=mine"], "write --corpus FILE"),
        (["--set", "workload.vocabulary=50"], "it is the corpus's"),
        (["--patience", "1"], "--patience"),
        (["--patience", "0.5"], "--patience"),
        (["--patience", "nan"], "--patience"),
        (["--patience", "inf"], "--patience"),
        (["--min-steps", "500", "--max-steps", "400"], "--min-steps"),
        (["--seeds", "0"], "--seeds"),
        (["--jobs", "0"], "--jobs"),
        (["--corpus", "none.txt"], "none.txt"),
        (["--out", "."], "is a directory"),
    ],
)
def test_a_bad_line_trains_nothing(hwsim, tmp_path, monkeypatch, words, fault):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    model = [] if "--model" in words else ["--model", "charlm-small"]
    out = [] if "--out" in words else ["--out", "curves.jsonl"]
    code, printed, err = hwsim("run", *model, *out, *words)
    assert code == 2
    assert printed == ""
    assert err.startswith("error: ")
    assert fault in err
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_too_small_to_cut(hwsim, tmp_path):
    pytest.importorskip("torch")
    text = tmp_path / "small.txt"
    text.write_text("A few words only.")
    where = tmp_path / "curves.jsonl"
    words = ("--model", "charlm-small", "--out", where, "--corpus", text)
    code, _, err = hwsim("run", *words)
    assert code == 2
    assert "small.txt: found 17 characters" in err
    assert not where.exists()


def test_a_corpus_too_small_for_the_data_size(hwsim, tmp_path):
    pytest.importorskip("torch")
    text = tmp_path / "short.txt"
    text.write_text("\n\n".join(f"Line {i} of the text." for i in range(3000)))
    where = tmp_path / "curves.jsonl"
    words = ("--model", "charlm-small", "--out", where, "--corpus", text)
    code, _, err = hwsim("run", *words, "--vary", "workload.dataset=8000,75000")
    assert code == 2
    assert "found 75000 characters, but corpus 'short.txt' has" in err
    assert not where.exists()


@pytest.mark.parametrize("command", ["run", "fit", "status"])
def test_each_command_shows_an_example(hwsim, command):
    code, out, _ = hwsim(command, "--help")
    assert code == 0
    assert "Example: hwsim converge" in out
