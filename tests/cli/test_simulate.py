"""`hwsim simulate`: tables, JSON, files, disturbed machines, options that exclude each other."""

import json

import pytest

from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from workloads.speech import Speech

BASE = ("simulate", "--hw", "volta", "--model", "speech", "--set", "workload.batch=32")
PIPE = (*BASE, "--pp", "2", "--micro-batch", "8")


@pytest.fixture
def answer(hwsim):
    """The JSON of a command line that succeeds."""

    def call(*words):
        code, out, err = hwsim(*words, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return call


def test_a_step_is_shown(hwsim):
    code, out, err = hwsim(*PIPE)
    assert (code, err) == (0, "")
    for words in ("time per step", "critical path", "stage 1 (device 1)", "F forward"):
        assert words in out
    assert "\x1b" not in out


def test_the_step_is_the_estimate_s(answer):
    asked = estimate(catalog.load("volta"), Speech(batch=32), Plan(pp=2, micro_batch=8), steps=1)
    assert answer(*PIPE)["seconds"] == pytest.approx(asked.step.seconds)
    assert answer(*PIPE)["parts"] == pytest.approx(asked.step.parts)


def test_short_forms_are_fields_of_the_plan(answer):
    short = answer(*PIPE, "--dp", "2", "--schedule", "gpipe", "--zero", "1", "--recompute", "full")
    settings = (
        *("plan.pp=2", "plan.micro_batch=8", "plan.dp=2"),
        *("plan.schedule=gpipe", "plan.zero=1", "plan.recompute=full"),
    )
    assert answer(*BASE, *(word for s in settings for word in ("--set", s))) == short
    assert short["plan"]["devices"] == 4


def test_tensor_parallelism_shares_operators(answer):
    found = answer(*BASE, "--tp", "2")
    assert found["plan"]["tp"] == 2
    assert found["parts"]["communication"] > 0


def test_files_are_written_first_and_told_on_stderr(hwsim, tmp_path):
    trace, plot = tmp_path / "step.json", tmp_path / "step.svg"
    code, out, err = hwsim(*PIPE, "--trace", str(trace), "--plot", str(plot), "--json")
    assert code == 0
    assert err.splitlines() == [f"wrote {plot}", f"wrote {trace}"]
    assert json.loads(out)["schema"] == "hwsim.simulation/1"
    assert "traceEvents" in json.loads(trace.read_text())
    assert "speech on 2 x v100" in plot.read_text()


@pytest.mark.parametrize(
    ("option", "name", "code"),
    [("--trace", "no/step.json", 4), ("--plot", "no/step.svg", 4), ("--plot", "step.gif", 2)],
)
def test_a_file_that_can_not_be_written_leaves_nothing(hwsim, tmp_path, option, name, code):
    result = hwsim(*PIPE, option, str(tmp_path / name))
    assert result[:2] == (code, "")
    assert name in result.err
    assert list(tmp_path.iterdir()) == []


def test_without_a_trace_all_but_the_path_is_told(answer):
    kept, dropped = answer(*PIPE), answer(*PIPE, "--no-trace")
    assert dropped["critical_path"] is None
    assert dropped | {"critical_path": kept["critical_path"]} == kept


def test_detail_changes_no_time(answer, hwsim):
    assert answer(*PIPE, "--detail")["seconds"] == pytest.approx(answer(*PIPE)["seconds"])
    assert "K other kernels" not in hwsim(*PIPE, "--detail").out


def test_everyone_simulates_all_devices(answer):
    assert len(answer(*PIPE, "--dp", "2")["devices"]) == 2
    assert len(answer(*PIPE, "--dp", "2", "--everyone")["devices"]) == 4


def test_a_straggler_and_a_slow_link_cost_time(answer):
    even = answer(*PIPE)["seconds"]
    assert answer(*PIPE, "--straggler", "0=2")["seconds"] > 1.5 * even
    assert answer(*PIPE, "--straggler", "0=1")["seconds"] == pytest.approx(even)
    assert answer(*PIPE, "--slow-link", "0=0.001")["seconds"] > even


def test_jitter_follows_its_seed(answer):
    varied = (*PIPE, "--jitter", "0.1")
    assert answer(*varied) == answer(*varied, "--seed", "0")
    assert answer(*varied, "--seed", "1")["seconds"] != answer(*varied)["seconds"]
    spread = answer(*varied, "--runs", "5")["expected"]
    assert spread["runs"] == 5
    assert spread["deviation"] > 0
    assert answer(*PIPE, "--jitter", "0")["seconds"] == answer(*PIPE)["seconds"]


def test_rows_take_the_width_that_is_asked(hwsim):
    out = hwsim(*PIPE, "--width", "150").out
    rows = [line for line in out.splitlines() if line.startswith("stage 0 (device")]
    assert [len(row) for row in rows] == [150]


def test_what_does_not_fit_prints_its_json_alone(hwsim, tmp_path):
    words = ("simulate", "--hw", "volta", "--model", "charlm", "--set", "workload.hidden=65536")
    trace = tmp_path / "step.json"
    code, out, err = hwsim(*words, "--trace", str(trace))
    assert (code, out) == (3, "")
    assert "parameters" in err
    assert not trace.exists()
    code, out, err = hwsim(*words, "--json")
    assert code == 3
    assert json.loads(out)["memory"]["fits"] is False


FAULTS = {
    "pp": (("--pp", "0"), ("plan.pp", "0", "at least 1")),
    "pp-word": (("--pp", "two"), ("plan.pp", "two", "whole number")),
    "pp-layers": (("--pp", "99"), ("plan",)),
    "tp-twice": (("--tp", "2", "--set", "plan.tp=2"), ("--tp", "plan.tp", "one of")),
    "micro": (("--micro-batch", "5"), ("plan.micro_batch", "5", "4 or 8")),
    "micro-twice": (
        ("--micro-batch", "8", "--set", "plan.micro_batch=8"),
        ("--micro-batch", "plan.micro_batch", "one of"),
    ),
    "schedule": (("--schedule", "1f2b"), ("plan.schedule", "1f2b", "1f1b")),
    "zero": (("--zero", "4"), ("plan.zero", "4", "3")),
    "recompute": (("--recompute", "some"), ("plan.recompute", "some", "selective")),
    "ep": (("--ep", "2"), ("plan.ep", "2")),
    "cp": (("--cp", "x"), ("plan.cp", "x")),
    "plot": (("--plot", "x.doc"), ("--plot", "x.doc", ".svg")),
    "plot-alone": (("--plot", "x.svg", "--no-trace"), ("--plot", "--no-trace")),
    "trace-alone": (("--trace", "x.json", "--no-trace"), ("--trace", "--no-trace")),
    "width-alone": (("--width", "80", "--no-trace"), ("--width", "--no-trace")),
    "width": (("--width", "10"), ("--width", "10", "40")),
    "width-huge": (("--width", "1000000"), ("--width", "2,000")),
    "width-word": (("--width", "wide"), ("--width", "integer")),
    "jitter": (("--jitter", "-1"), ("--jitter", "-1", "0.03")),
    "jitter-nan": (("--jitter", "nan"), ("--jitter", "nan", "0 to 1")),
    "jitter-huge": (("--jitter", "1e9"), ("--jitter", "1e+09", "0 to 1")),
    "seed": (("--jitter", "0.1", "--seed", "-1"), ("--seed", "-1", "from 0")),
    "seed-huge": (("--jitter", "0.1", "--seed", "9" * 30), ("--seed", "from 0")),
    "seed-alone": (("--seed", "1"), ("--seed", "--jitter")),
    "runs-alone": (("--runs", "5"), ("--runs", "--jitter")),
    "runs": (("--jitter", "0.1", "--runs", "0"), ("--runs", "0", "2 to")),
    "runs-huge": (("--jitter", "0.1", "--runs", "1000000"), ("--runs", "10,000")),
    "straggler": (("--straggler", "fast"), ("--straggler", "fast", "DEVICE=")),
    "straggler-none": (("--straggler", "9=2"), ("--straggler", "9=2", "0, the only one")),
    "straggler-zero": (("--straggler", "0=0"), ("--straggler", "0=0", "above 0")),
    "straggler-nan": (("--straggler", "0=nan"), ("--straggler", "0=nan", "above 0")),
    "straggler-word": (("--straggler", "0=two"), ("--straggler", "0=two", "DEVICE=")),
    "straggler-twice": (
        ("--straggler", "0=2", "--straggler", "0=3"),
        ("--straggler", "device 0 twice"),
    ),
    "straggler-long": (("--straggler", "9" * 5000 + "=2"), ("--straggler", "DEVICE=")),
    "link": (("--slow-link", "0=2"), ("--slow-link", "0=2", "up to 1")),
    "borrow": (("--borrow",), ("--borrow", "--calibration")),
    "many": (
        ("--micro-batch", "1", "--set", "workload.batch=400000", "--pp=2", "--dp=4", "--everyone"),
        ("--no-trace",),
    ),
    "everyone": (
        ("--dp", "8192", "--set", "workload.batch=8192", "--everyone", "--set", "nodes=1024"),
        ("8,192 devices", "4,096"),
    ),
    "unknown": (("--nonsense",), ("--nonsense", "--help")),
}


@pytest.mark.parametrize(("words", "fragments"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_has_one_clear_message(hwsim, words, fragments):
    base = BASE[:5] if any("workload.batch" in word for word in words) else BASE
    code, out, err = hwsim(*base, *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert [text for text in fragments if text not in err] == []
