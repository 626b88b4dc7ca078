"""`hwsim validate`: what it prints and writes, and the faults of its options."""

import json

import pytest
from typer.testing import CliRunner

from calibration.validate_cli import app
from hwsim.errors import InputError

RUN = CliRunner()
TABLE = (
    "source,device,dtype,engine,batch,m,n,k,transpose_a,transpose_b,timing,seconds\n"
    "lab,p4,fp32,vector,1,512,512,512,0,0,kernel,{}\n"
    "lab,v100-pcie-16gb,fp32,vector,1,512,512,512,0,0,kernel,{}\n"
    "lab,unheard-of,fp32,vector,1,512,512,512,0,0,kernel,{}\n"
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "some.csv"
    path.write_text(TABLE.format("1e-4", "5e-5", "1e-5"))
    return path


def ran(*words):
    done = RUN.invoke(app, [str(word) for word in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_the_json_has_the_stable_keys(table):
    found = json.loads(ran(table, "--json").stdout)
    (suite,) = found["suites"]
    assert suite["name"] == "gemm/lab"
    assert suite["cases"] == 2
    assert len(suite["skipped"]) == 1
    for name in ("hwsim", "roofline", "null"):
        assert set(suite[name]) == {"mape", "median", "p90", "max", "bias"}
    assert suite["null"]["max"] == pytest.approx(0.0, abs=1e-9)


def test_the_split_fits_to_other_devices(table):
    plain, split = (
        json.loads(ran(table, "--json", "--split", how).stdout)["suites"][0]
        for how in ("none", "device")
    )
    assert plain["roofline"] == split["roofline"]
    assert plain["hwsim"] != split["hwsim"]
    assert split["null"]["max"] > 0.01


def test_the_table_says_what_the_errors_are_compared_with(table):
    shown = ran(table, "--split", "device").stdout
    for words in ("gemm/lab", "roofline", "null", "every other device", "skipped 1: unheard-of"):
        assert words in shown


def test_results_do_not_change_the_predictions(table, tmp_path):
    written = []
    for results in (("1e-4", "5e-5", "1e-5"), ("", "", "")):
        table.write_text(TABLE.format(*results))
        out = tmp_path / "out.csv"
        done = ran(table, "--predictions", out)
        written.append(out.read_text())
    assert "2 cases are predicted but not measured" in done.stdout
    assert written[0] == written[1]
    assert written[0].splitlines()[0] == "row,predicted,low,high,roofline,why"
    assert written[0].splitlines()[3].startswith("2,,,,,")


@pytest.mark.parametrize("option", ["--predictions", "--assumptions"])
def test_rows_are_counted_in_one_file(table, tmp_path, option):
    with pytest.raises(InputError) as error:
        ran(table, table, option, tmp_path / "out.csv")
    assert "2 files" in error.value.what


STEP = {
    **{"source": "vtrain", "device": "a100-sxm-80gb", "devices": 2, "devices_per_node": 8},
    **{"intra_link": "nvlink3-nvswitch", "inter_link": "", "layers": 2, "hidden": 64, "heads": 4},
    **{"kv_heads": 4, "ffn": 256, "gated_mlp": 0, "experts": "", "topk": "", "vocab": 100},
    **{"seq": 16, "dtype": "fp16", "global_batch": 8, "micro_batch": "", "dp": 2, "tp": 1},
    **{"pp": 1, "virtual_pp": "", "cp": 1, "sequence_parallel": "", "zero_stage": ""},
    **{"recompute": "full", "attention": "unknown", "seconds": 0.1},
}


def test_what_rows_leave_open_is_told(tmp_path):
    path, out = tmp_path / "steps.csv", tmp_path / "assumed.csv"
    path.write_text("\n".join(",".join(map(str, line)) for line in zip(*STEP.items(), strict=True)))
    printed = ran(path, "--assumptions", out).stdout
    assert "assumed in 1: micro-batches are of one sequence" in printed
    lines = out.read_text().splitlines()
    assert lines[0] == "row,assumed"
    assert "0,eager attention" in lines
    (suite,) = json.loads(ran(path, "--json").stdout)["suites"]
    assert [f"0,{one['assumed']}".replace(",", ";") for one in suite["assumed"]] == [
        line.replace('"', "").replace(",", ";") for line in lines[1:]
    ]


RUNS = (
    "source,benchmark,model,device,devices,devices_per_node,global_batch,seq,steps,run_seconds\n"
    "mlperf,resnet,resnet50,a100-sxm-80gb,8,8,3264,,{},2400\n"
)
STEPS = (
    "source,workload,model_params,dataset,target,target_kind,batch,batch_unit,steps\n"
    "mlperf-rcp,resnet,,imagenet-1k,0.759,metric,3264,samples,13798\n"
)


def test_steps_of_a_run_can_come_from_another_table(tmp_path):
    runs, steps, out = (tmp_path / name for name in ("runs.csv", "steps.csv", "out.csv"))
    steps.write_text(STEPS)
    found = []
    for count in ("16093", "7"):
        runs.write_text(RUNS.format(count))
        ran(runs, "--steps-from", steps, "--predictions", out)
        found.append(out.read_text())
    assert found[0] == found[1]
    assert ",,,," not in found[0]


def test_steps_of_runs_need_runs_and_no_split(table, tmp_path):
    steps = tmp_path / "steps.csv"
    steps.write_text(STEPS)
    with pytest.raises(InputError, match="--steps-from: found it without a table of training runs"):
        ran(table, "--steps-from", steps)
    with pytest.raises(InputError, match="--steps-from: found it with --split device"):
        ran(table, "--steps-from", steps, "--split", "device")


def test_a_file_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="of no known table"):
        ran(path)


def test_a_picture_is_drawn(table, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "picture.svg"
    ran(table, "--plot", out)
    assert "<svg" in out.read_text()


def test_a_picture_wants_a_known_type_and_a_measured_case(table, tmp_path):
    with pytest.raises(InputError, match="svg"):
        ran(table, "--plot", tmp_path / "picture.bmp")
    table.write_text(TABLE.format("", "", ""))
    with pytest.raises(InputError, match="measured"):
        ran(table, "--plot", tmp_path / "picture.svg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--by", "device"), "v100-pcie-16gb"),
        (("--by", "cluster"), "clustered 80 %"),
        (("--worst", "1"), "product"),
        (("--markdown",), "## By device"),
    ],
)
def test_suites_are_taken_apart(table, words, said):
    assert said in ran(table, *words).stdout


def test_strata_are_shown_where_there_are_two(table):
    assert "A B'" not in ran(table, "--by", "stratum").stdout
    table.write_text(table.read_text() + "lab,p4,fp32,vector,1,512,512,512,0,1,kernel,1e-4\n")
    assert "A B'" in ran(table, "--by", "stratum").stdout


def test_markdown_has_a_row_for_each_suite_and_nothing_else(table):
    lines = ran(table, "--markdown").stdout.splitlines()
    assert sum(line.startswith("| gemm/lab |") for line in lines) == 4  # two of them devices
    assert all(line == "" or line[:1] in "#|" for line in lines)


def test_the_device_of_a_table_without_one_is_an_option(tmp_path):
    header, *rows = TABLE.format("1e-4", "5e-5", "1e-5").replace("p4,", "").splitlines()
    path = tmp_path / "bare.csv"
    path.write_text("\n".join([header.replace("device,", ""), rows[0], ""]))
    with pytest.raises(InputError, match="--device"):
        ran(path)
    (suite,) = json.loads(ran(path, "--device", "p4", "--json").stdout)["suites"]
    assert [one["device"] for one in suite["devices"]] == ["p4"]
