"""`hwsim sweep`: rows on stdout or in a file, a summary on stderr."""

import json

import pytest

from hwsim.cli import sweep as command
from hwsim.errors import DoesNotFit

SMALL = ("sweep", "--hw", "volta", "--model", "charlm-small")
SIZES = ("--grid", "workload.hidden=16,32", "--grid", "plan.dp=1,3,4")


def test_rows_on_stdout_and_a_summary_on_stderr(hwsim):
    found = hwsim(*SMALL, *SIZES, "--columns", "seconds,fits,why")
    header, *rows = found.out.splitlines()
    assert found.code == 0
    assert header == "workload.hidden,plan.dp,seconds,fits,why"
    assert len(rows) == 6
    assert [row.split(",")[:2] for row in rows[:3]] == [["16", "1"], ["16", "3"], ["16", "4"]]
    assert "6 points in" in found.err
    assert "4 answered, 4 fit in memory" in found.err
    assert "shortest training:" in found.err


def test_json_lines_on_stdout(hwsim):
    found = hwsim(*SMALL, *SIZES, "--json")
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert [row["plan.dp"] for row in rows] == [1, 3, 4, 1, 3, 4]
    assert "divide" in rows[1]["why"]


def test_a_file_a_table_of_the_best_and_a_summary(hwsim, tmp_path):
    path = tmp_path / "rows.jsonl"
    found = hwsim(*SMALL, *SIZES, "--out", str(path), "--best", "2")
    assert len(path.read_text().splitlines()) == 6
    assert found.out.splitlines()[0].split()[:3] == ["#", "workload.hidden", "plan.dp"]
    assert len(found.out.splitlines()) == 3
    again = hwsim(*SMALL, *SIZES, "--out", str(path), "--best", "2", "--resume", "--json")
    summary = json.loads(again.out)
    assert (summary["points"], summary["before"]) == (0, 6)


def test_the_summary_as_json(hwsim, tmp_path):
    path = tmp_path / "rows.csv"
    found = hwsim(*SMALL, *SIZES, "--out", str(path), "--json", "--events", "2")
    summary = json.loads(found.out)
    assert (summary["points"], summary["answered"], summary["fit"]) == (6, 4, 4)
    assert summary["best"][0]["settings"]["plan.dp"] in ("1", "4")
    assert summary["events"]["points"] == 2
    assert "closed form against the events of 2 points" in found.err


def test_the_best_and_chosen_rows_are_simulated(hwsim, tmp_path):
    words = (*SMALL, *SIZES, "--columns", "seconds")
    found = hwsim(*words, "--best", "2", "--events", "best")
    assert found.err.count("%") >= 4
    path = tmp_path / "rows.csv"
    found = hwsim(*words, "--out", str(path), "--json", "--events", "rows:0,1")
    each = json.loads(found.out)["events"]["each"]
    assert [one["row"] for one in each] == [0, 1]
    assert each[0]["events"] == pytest.approx(each[0]["closed"], rel=0.01)
    assert "divide" in each[1]["why"]


@pytest.mark.parametrize("style", ["csv", "jsonl"])
def test_a_sweep_that_goes_on_tells_of_all_rows(hwsim, tmp_path, style):
    path = tmp_path / f"rows.{style}"
    words = (*SMALL, *SIZES, "--out", str(path), "--best", "2", "--json")
    whole = json.loads(hwsim(*words).out)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]))
    again = json.loads(hwsim(*words, "--resume").out)
    assert (again["points"], again["before"], again["whole"]) == (2, 4, True)
    for name in ("answered", "fit"):
        assert again[name] == whole[name]
    for one, other in zip(again["best"], whole["best"], strict=True):
        assert one["settings"] == other["settings"]
        assert one["memory_bytes"] == pytest.approx(other["memory_bytes"])


def test_what_never_fits_is_told_again(hwsim, tmp_path):
    large = ("--hw", "volta", "--model", "charlm", "--grid", "workload.hidden=20000,21000")
    words = ("sweep", *large, "--out", str(tmp_path / "rows.csv"))
    assert [hwsim(*words).code, hwsim(*words, "--resume").code] == [3, 3]


def test_rows_that_were_lost_or_added_are_noticed(hwsim, tmp_path):
    path = tmp_path / "rows.csv"
    words = (*SMALL, *SIZES, "--out", str(path))
    hwsim(*words)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[-1]]))
    found = hwsim(*words, "--resume")
    assert (found.code, "found 7 rows of a sweep of 6 points" in found.err) == (2, True)
    path.write_bytes(b"".join([*lines[:2], *lines[4:]]))
    found = hwsim(*words, "--resume")
    assert (found.code, "row 4 is not that of its point" in found.err) == (2, True)
    path.write_bytes(b"".join([*lines[:3], b"1,2,3\n", *lines[4:]]))
    found = hwsim(*words, "--resume")
    assert (found.code, "can't be read" in found.err) == (2, True)
    path.write_bytes(lines[0][:20])
    assert hwsim(*words, "--resume").code == 0
    assert path.read_bytes() == b"".join(lines)


def test_an_interrupted_sweep_goes_on(hwsim, tmp_path, monkeypatch):
    whole, path = tmp_path / "whole.csv", tmp_path / "rows.csv"
    words = (*SMALL, "--grid", "workload.hidden=8:80:40", "--columns", "seconds")
    hwsim(*words, "--out", str(whole))
    shown = command._show

    def interrupt(bar, task, found, rows):
        shown(bar, task, found, rows)
        if rows:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_show", interrupt)
    found = hwsim(*words, "--out", str(path))
    assert found.code == 130
    assert "16 rows are in" in found.err
    assert len(path.read_text().splitlines()) == 17
    monkeypatch.setattr(command, "_show", shown)
    assert hwsim(*words, "--out", str(path), "--resume").code == 0
    assert path.read_bytes() == whole.read_bytes()
    other = hwsim(*words, "--out", str(path), "--resume", "--dp", "2")
    assert other.code == 2
    assert "another sweep, which differs in: plan" in other.err


def test_a_picture_of_two_axes(hwsim, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "heat.svg"
    found = hwsim(*SMALL, *SIZES, "--columns", "seconds", "--plot", str(path))
    assert found.code == 0
    assert f"wrote {path}" in found.err
    assert "workload.hidden" in path.read_text()


def test_nothing_fits(hwsim):
    found = hwsim(*SMALL, "--grid", "device.memory.capacity=1MB,2MB", "--columns", "fits")
    assert found.code == DoesNotFit.exit_code
    assert found.out.splitlines()[1:] == ["1MB,false", "2MB,false"]
    assert "no point fits in memory" in found.err


def test_nothing_has_an_answer(hwsim):
    found = hwsim(*SMALL, "--grid", "plan.dp=3,5")
    assert found.code == DoesNotFit.exit_code
    assert "no point has an answer" in found.err
    assert "doesn't divide" in found.err


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        ((), ["nothing to vary"]),
        (("--grid", "workload.hiden=8,16"), ["workload.hiden", "hidden"]),
        ((*SIZES, "--engine", "fast"), ["--engine", "fast", "closed"]),
        ((*SIZES, "--columns", "secnds"), ["--columns", "secnds", "seconds"]),
        ((*SIZES, "--resume"), ["--resume", "--out"]),
        ((*SIZES, "--out", "rows.txt"), ["--out", "rows.txt", ".csv or .jsonl"]),
        ((*SIZES, "--jobs", "0"), ["--jobs", "0"]),
        ((*SIZES, "--jobs", "2", "--scheduler", "tcp://a:1"), ["--jobs and --scheduler"]),
        ((*SIZES, "--best", "-1"), ["--best", "-1"]),
        ((*SIZES, "--plot", "heat.txt"), ["--plot", "heat.txt", ".svg"]),
        ((*SIZES[:2], "--plot", "heat.svg"), ["--plot", "1 axes", "two of --grid"]),
        ((*SIZES, "--out", "a.csv", "--resume", "--plot", "a.svg"), ["--plot and --resume"]),
        ((*SIZES, "--grid", "steps=10,20", "--law", "charlm"), ["--steps and --law"]),
    ],
)
def test_faults(hwsim, words, fragments):
    found = hwsim(*SMALL, *words)
    assert (found.code, found.out) == (2, "")
    for fragment in fragments:
        assert fragment in found.err
