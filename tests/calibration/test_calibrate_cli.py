"""`hwsim calibrate`: files that are read back, and faults."""

import json

import pytest
from typer.testing import CliRunner

from calibration.calibrate_cli import app
from hwsim.cost.calibration import Layer
from hwsim.errors import InputError

HEADER = "source,device,dtype,engine,batch,m,n,k,transpose_a,transpose_b,timing,seconds"
ROWS = [
    f"lab,{device},fp32,vector,1,{m},{n},1024,0,0,kernel,{2 * m * n * 1024 / 5e12 + 1e-5}"
    for device in ("p4", "titanv")
    for m in (512, 2048)
    for n in (64, 512, 2048)
]


def ran(*words):
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "gemm.csv"
    path.write_text("\n".join([HEADER, *ROWS]) + "\n")
    return path


def test_a_fit_of_one_device_is_one_file_that_is_read_back(table, tmp_path):
    out = tmp_path / "fitted"
    done = ran("fit", table, "--device", "p4", "--out", out)
    assert (done.exit_code, [path.name for path in out.iterdir()]) == (0, ["p4.json"])
    layer = Layer.model_validate_json((out / "p4.json").read_text())
    assert layer.rows == {"gemm/lab": 6}
    assert layer.products["vector fp32"]["kernel"].reach > 0
    assert "hwsim calibrate fit gemm.csv --device p4" in layer.sources["fitted"]
    assert "p4" in done.stdout


def test_all_devices_come_with_architectures_and_the_default(table, tmp_path):
    out = tmp_path / "fitted"
    assert ran("fit", table, "--out", out).exit_code == 0
    names = {path.stem for path in out.iterdir()}
    assert names == {"p4", "titanv", "pascal", "volta", "default"}


def test_output_of_deepbench_is_fitted_to_the_device_that_is_named(tmp_path):
    lines = ["m n k a_t b_t precision time (usec)"]
    lines += [
        f"{m} {n} 1024 0 0 float {m * n // 1200 + 10}" for m in (512, 2048) for n in (64, 512)
    ]
    log, out = tmp_path / "gemm.log", tmp_path / "fitted"
    log.write_text("\n".join(lines))
    assert ran("fit", log, "--device", "p4", "--out", out).exit_code == 0
    layer = Layer.model_validate_json((out / "p4.json").read_text())
    assert layer.rows == {"gemm/deepbench-output": 4}
    assert "--device" in str(ran("fit", log, "--out", out).exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--device", "p5", "--out", "x"), "p4"), (("--out", "gemm.csv"), "folder")],
)
def test_a_fault_is_said(table, words, said):
    words = [str(table) if word == "gemm.csv" else word for word in words]
    done = ran("fit", table, *words)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def test_a_shipped_calibration_is_shown():
    done = ran("show", "volta")
    assert json.loads(done.stdout)["name"] == "volta"
    assert "default" in str(ran("show", "volat").exception)


def test_what_can_not_be_right_is_left_out_and_said(table, tmp_path):
    fast = "lab,p4,fp32,vector,1,4096,4096,4096,0,0,kernel,0.001"  # 137 TFLOP/s
    twice = [f"lab,p4,fp32,vector,1,640,640,640,0,0,kernel,{t}" for t in (0.001, 0.004)]
    table.write_text("\n".join([HEADER, *ROWS, fast, *twice]) + "\n")
    done = ran("fit", table, "--device", "p4", "--out", tmp_path / "fitted")
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert len(warnings) == 3
    assert f"{table}: row {len(ROWS)}: p4" in warnings[0]
    assert "times as fast as the datasheet allows" in warnings[0]
    assert all("4 times apart" in warning for warning in warnings[1:])
    assert "fitting 6 cases" in done.stderr


def test_few_cases_of_an_entry_are_drawn_to_its_kin_and_said(table, tmp_path):
    done = ran("fit", table, "--device", "p4", "--out", tmp_path / "fitted")
    assert "products vector fp32 kernel: 6 cases are too few" in done.stderr
    layer = Layer.model_validate_json((tmp_path / "fitted" / "p4.json").read_text())
    assert "drawn to p4" in layer.sources["products.vector fp32.kernel"]


def test_two_cases_are_no_fit(table, tmp_path):
    table.write_text("\n".join([HEADER, *ROWS[:2]]) + "\n")
    done = ran("fit", table, "--out", tmp_path / "fitted")
    assert isinstance(done.exception, InputError)
    assert "found 2 usable" in str(done.exception)
