"""`hwsim calibrate run`: plans, options, files, interruption."""

import json
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch")

from typer.testing import CliRunner

from calibration.calibrate_cli import app
from calibration.measure.design import KINDS
from calibration.measurement import read
from hwsim.errors import InputError, SurroundingsError

PATIENCE = 120.0  # seconds, for what must happen at last on a busy machine


def ran(*words):
    return CliRunner().invoke(app, ["run", *map(str, words)])


@pytest.fixture
def cases(tmp_path):
    """Blanks to be filled."""
    path = tmp_path / "cases.jsonl"
    lines = [
        {
            **{"device": "local", "dtype": "fp32", "timing": "call"},
            "shape": {"kind": "gemm", "m": side, "n": 2, "k": 2},
            "provenance": {"source": "asked"},
        }
        for side in (2, 4)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_plan_measures_nothing(tmp_path):
    out = tmp_path / "x.jsonl"
    done = ran(out, "--device", "cpu", "--plan")
    assert done.exit_code == 0, done.output
    rows = [line.split()[0] for line in done.stdout.splitlines()]
    assert rows == ["kind", *KINDS, "all"]
    assert list(tmp_path.iterdir()) == []


def test_the_cases_of_a_file_are_measured_once(tmp_path, cases):
    out = tmp_path / "x.jsonl"
    done = ran(out, "--device", "cpu", "--cases", cases)
    assert done.exit_code == 0, done.output
    assert "2 of 2 cases" in done.stdout
    first = out.read_bytes()
    assert [one.shape.m for one in read(str(out))] == [2, 4]
    assert "--cases cases.jsonl" in read(str(out))[0].provenance.note
    assert str(tmp_path) not in first.decode()
    assert "0 of 2 cases" in ran(out, "--device", "cpu", "--cases", cases).stdout
    assert out.read_bytes() == first


def test_what_is_there_is_not_planned_again(tmp_path, cases):
    out = tmp_path / "x.jsonl"
    ran(out, "--device", "cpu", "--cases", cases)
    cases.write_text(cases.read_text() + cases.read_text().replace('"n": 2', '"n": 3'))
    last = ran(out, "--device", "cpu", "--cases", cases, "--plan").stdout.splitlines()[-1]
    assert last.split()[:3] == ["all", "4", "2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "gem"), "did you mean 'gemm'"),
        (("--dtype", "fp64"), "fp32"),
        (("--dtype", "tf32"), "lacks"),
        (("--device", "gpu"), "cuda:N"),
        (("--threads", "1024"), "cores"),
        (("--cases", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_bad_options_are_said(tmp_path, words, said):
    device = () if "--device" in words else ("--device", "cpu")
    done = ran(tmp_path / "x.jsonl", *device, *words)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_case_of_no_measurable_kind_is_said(tmp_path, cases):
    shape = '{"kind": "training-run", "benchmark": "b", "model": "m"}'
    line = f'{{"device": "local", "shape": {shape}, "provenance": {{"source": "asked"}}}}\n'
    cases.write_text(cases.read_text() + line)
    done = ran(tmp_path / "x.jsonl", "--device", "cpu", "--cases", cases)
    assert isinstance(done.exception, InputError)
    assert "row 2: shape.kind: training-run" in str(done.exception)


def test_nothing_that_could_be_measured_is_a_fault(tmp_path, cases):
    cases.write_text(cases.read_text().replace("local", "p4"))
    done = ran(tmp_path / "x.jsonl", "--device", "cpu", "--cases", cases)
    assert isinstance(done.exception, SurroundingsError)
    assert "found p4, but this is local" in done.stderr


def test_ctrl_c_keeps_what_was_measured(tmp_path):
    out = tmp_path / "x.jsonl"
    command = [sys.executable, "-m", "hwsim", "calibrate", "run", str(out)]
    command += ["--device", "cpu", "--kind", "launch", "--kind", "workload-step"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        if out.exists() and out.stat().st_size:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "interrupted"
    assert read(str(out))
