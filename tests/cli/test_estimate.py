"""`hwsim estimate`: counts, JSON, sweeps, pictures, and a step that doesn't fit."""

import json
import math

import pytest

from hwsim.graph.workload import load as load_workload
from hwsim.hardware import catalog
from workloads.charlm import CharLM

BASE = ("estimate", "--hw", "volta", "--model", "charlm")
SMALL = (*BASE, "--set", "workload.hidden=64")


@pytest.fixture
def answer(hwsim):
    """The JSON of a command line that succeeds."""

    def call(*words, stdin=""):
        code, out, err = hwsim(*words, "--json", stdin=stdin)
        assert (code, err) == (0, "")
        return json.loads(out)

    return call


def test_a_table_by_default(hwsim):
    code, out, err = hwsim(*SMALL, "--steps", "10")
    assert (code, err) == (0, "")
    assert "time per step" in out
    assert "\x1b" not in out


def test_a_machine_and_a_model_are_enough(hwsim):
    code, out, err = hwsim("estimate", "--hw", "volta.json", "--model", "charlm")
    assert (code, err) == (0, "")
    for word in ("steps", "time per step", "total training time", "law: charlm-small"):
        assert word in out


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM"])
def test_no_codes_in_a_pipe(hwsim, monkeypatch, name):
    monkeypatch.setenv(name, {"NO_COLOR": "1", "TERM": "xterm-256color"}[name])
    assert "\x1b" not in hwsim(*SMALL, "--steps", "10", "--vary", "workload.batch=64,128").out


def test_sources_on_request(hwsim):
    assert "source:" in hwsim(*SMALL, "--steps", "10", "--cite").out


def test_json_is_the_record(answer):
    found = answer(*SMALL, "--steps", "10")
    assert found["schema"] == "hwsim.estimate/1"
    assert found["total"]["seconds"] == 10 * found["step"]["seconds"]
    assert found["memory"]["fits"] is True


@pytest.mark.parametrize("steps", ["10", "1e6", "0.5"])
def test_steps_are_taken_as_given(answer, steps):
    assert answer(*SMALL, "--steps", steps)["convergence"]["steps"] == float(steps)


def test_tokens_and_epochs_become_steps(answer):
    workload = CharLM(hidden=64)
    per_step = workload.batch * workload.sequence
    tokens = answer(*SMALL, "--tokens", "1.92e6")["convergence"]
    assert tokens["steps"] == pytest.approx(1.92e6 / per_step) == pytest.approx(100)
    epochs = answer(*SMALL, "--epochs", "3")["convergence"]
    assert epochs["steps"] == math.ceil(3 * workload.dataset / per_step)
    larger = answer(*SMALL, "--tokens", "1.92e6", "--set", "workload.batch=256")["convergence"]
    assert larger["steps"] == pytest.approx(50)


def test_tokens_go_by_the_global_batch(answer):
    words = (*SMALL, "--tokens", "1.92e6", "--dp", "2", "--set", "plan.scaling=weak")
    assert answer(*words)["convergence"]["steps"] == pytest.approx(50)


def test_a_law_is_named_or_read(answer, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("size,steps\n1e4,1000\n1e6,100\n")
    tabled = answer(*SMALL, "--law", str(path))["convergence"]
    assert tabled["law"] == "mine.csv"
    assert 100 < tabled["steps"] < 1000
    named = answer(*SMALL, "--law", "charlm-small")
    assert named == answer(*SMALL)


def test_a_critical_batch_tells_samples_and_efficiency(answer):
    found = answer(*SMALL, "--critical-batch", "128")["convergence"]
    assert found["critical_batch"] == 128
    assert found["efficiency"] == 0.5
    assert found["samples"] == found["steps"] * 128
    assert answer(*SMALL)["convergence"]["efficiency"] is None


def test_a_loss_is_reached_by_a_published_law(answer):
    words = ("estimate", "--hw", "hopper", "--model", "transformer", "--set", "plan.micro_batch=4")
    found = answer(*words, "--law", "chinchilla", "--target-loss", "3.3")
    assert found["convergence"]["law"] == "hoffmann2022"
    assert "nats" in found["convergence"]["target"]
    assert any("2203.15556" in source for source in found["sources"])


def test_dp_shares_the_batch(answer):
    one, eight = answer(*BASE, "--steps", "1"), answer(*BASE, "--steps", "1", "--dp", "8")
    assert (one["plan"]["devices"], eight["plan"]["devices"]) == (1, 8)
    assert eight["step"]["seconds"] < one["step"]["seconds"]
    assert eight["workload"]["flops_per_step"] == one["workload"]["flops_per_step"]
    assert answer(*BASE, "--steps", "1", "--set", "plan.dp=8") == eight


def test_set_reaches_hardware_workload_and_plan(answer):
    found = answer(
        *(*SMALL, "--steps", "1"),
        *("--set", "device.memory.capacity=32 GiB"),
        *("--set", "workload.batch=64"),
        *("--set", "plan.bucket=1 MiB"),
    )
    assert found["memory"]["capacity"] == 32 * 2**30
    assert found["workload"]["sizes"]["batch"] == 64
    assert found["plan"]["bucket"] == 2**20


def test_hardware_from_standard_input_and_from_a_file(answer, tmp_path):
    text = json.dumps(catalog.file_form(catalog.load("volta")))
    path = tmp_path / "mine.json"
    path.write_text(text)
    rest = ("--model", "charlm-small", "--steps", "1")
    shipped = answer("estimate", "--hw", "volta", *rest)
    assert answer("estimate", "--hw", "-", *rest, stdin=text) == shipped
    assert answer("estimate", "--hw", str(path), *rest) == shipped
    assert answer("estimate", "--hw", "volta.json", *rest) == shipped


def test_an_existing_file_wins_over_a_shipped_name(answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "volta.json").write_text(json.dumps(catalog.file_form(catalog.load("l4"))))
    found = answer("estimate", "--hw", "volta.json", "--model", "charlm-small", "--steps", "1")
    assert found["hardware"]["device"] == "l4"


def test_a_workload_from_standard_input_and_from_a_file(answer, tmp_path):
    text = json.dumps(load_workload("charlm-small").file_form())
    path = tmp_path / "mine.json"
    path.write_text(text)
    head = ("estimate", "--hw", "volta", "--steps", "1", "--model")
    named = answer(*head, "charlm-small")
    assert answer(*head, "-", stdin=text) == named
    assert answer(*head, str(path)) == named


def test_a_device_alone_is_a_machine(answer):
    found = answer("estimate", "--hw", "l4", "--model", "charlm-small", "--steps", "1")
    assert found["hardware"]["devices_per_node"] == 1


def test_points_of_a_sweep(answer):
    found = answer(*BASE, "--steps", "1", "--vary", "workload.hidden=32:128:3")
    assert list(found) == ["vary", "points", "optimum", "flat"]
    assert found["vary"] == {"path": "workload.hidden", "values": ["32", "64", "128"]}
    assert [p["workload"]["sizes"]["hidden"] for p in found["points"]] == [32, 64, 128]
    alone = answer(*BASE, "--steps", "1", "--set", "workload.hidden=64")
    assert found["points"][1] == alone


def test_a_sweep_says_how_sure_its_optimum_is(answer):
    found = answer(*BASE, "--vary", "workload.hidden=256:2048:4")
    best = found["optimum"]
    assert best.keys() == {"index", "value", "low", "high", "fastest", "within", "ratios"}
    assert best["value"] == found["vary"]["values"][best["index"]]
    assert int(best["low"]) <= int(best["value"]) <= int(best["high"])
    assert best["index"] in found["flat"]
    assert best["ratios"][best["index"]] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert sum(best["fastest"]) == pytest.approx(1)
    words = answer(*BASE, "--vary", "workload.dtype=fp32,fp16")["optimum"]
    assert words["low"] is words["high"] is None


def test_what_a_run_spends_is_set_by_name(answer, hwsim):
    words = (*SMALL, "--steps", "1000", "--set", "run.startup=5min")
    found = answer(*words, "--set", "run.evaluation=2s", "--set", "run.evaluation_every=100")
    assert found["total"]["parts"]["startup"] == 300.0
    assert found["total"]["parts"]["evaluation"] == 20.0
    assert found["run"]["startup"] == 300.0
    out = hwsim(*words).out
    assert "startup" in out
    assert "checkpoint " not in out


def test_a_site_charges_what_it_is_set_to(answer):
    words = (*SMALL, "--steps", "1000", "--set", "site.hour=2USD", "--set", "site.carbon=400g/kWh")
    found = answer(*words)
    assert found["site"]["hour"] == found["cost"]["hour"] == 2.0
    assert found["cost"]["total"]["value"] == pytest.approx(2 * found["total"]["seconds"] / 3600)
    carbon, energy = found["energy"]["carbon"]["total"], found["energy"]["total"]
    assert carbon["value"] == pytest.approx(0.4 * energy["value"] / 3.6e6)


def test_a_batch_for_each_device_grows_with_them(answer, hwsim):
    words = (*SMALL, "--steps", "10", "--set", "workload.batch=32", "--set", "plan.scaling=weak")
    varied = ("--vary", "plan.dp=1,2,4")
    points = answer(*words, *varied)["points"]
    assert [point["workload"]["sizes"]["batch"] for point in points] == [32, 64, 128]
    out = hwsim(*words, *varied).out
    assert "samples" in out
    assert " 1.28k " in out


def test_a_sweep_as_a_table(hwsim):
    code, out, _ = hwsim(*BASE, "--steps", "1", "--vary", "workload.hidden=32:128:3")
    assert code == 0
    assert "optimum at workload.hidden = 32" in out


def test_more_than_fits_says_where_bytes_go(hwsim):
    code, out, err = hwsim(*BASE, "--steps", "1", "--set", "workload.hidden=65536")
    assert (code, out) == (3, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    for part in ("parameters", "gradients", "optimizer", "activations", "16 GiB"):
        assert part in err


def test_more_than_fits_still_prints_its_json(hwsim):
    code, out, err = hwsim(*BASE, "--steps", "1", "--set", "workload.hidden=65536", "--json")
    assert code == 3
    assert json.loads(out)["memory"]["fits"] is False
    assert err.startswith("error: ")


def test_the_advice_for_what_does_not_fit_is_right(hwsim):
    words = ("estimate", "--hw", "volta", "--model", "transformer", "--steps", "1")
    code, _, err = hwsim(*words)
    assert code == 3
    size = int(err.split("--micro-batch ")[1].split()[0])
    assert hwsim(*words, "--set", f"plan.micro_batch={size}").code == 0
    assert hwsim(*words, "--set", f"plan.micro_batch={2 * size}").code == 3


def test_a_sweep_keeps_what_does_not_fit(hwsim):
    words = (*BASE, "--steps", "1", "--vary", "workload.hidden=64,65536")
    code, out, _ = hwsim(*words, "--json")
    assert code == 0
    assert [p["memory"]["fits"] for p in json.loads(out)["points"]] == [True, False]
    assert "does not fit" in hwsim(*words).out


def test_a_sweep_in_which_nothing_fits(hwsim):
    words = (*BASE, "--steps", "1", "--vary", "workload.hidden=65536,131072")
    assert hwsim(*words)[:2] == (3, "")
    code, out, err = hwsim(*words, "--json")
    assert code == 3
    assert [p["memory"]["fits"] for p in json.loads(out)["points"]] == [False, False]
    assert "no point fits" in err


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_is_written_and_said_on_stderr(hwsim, tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    words = (*BASE, "--steps", "1", "--vary", "workload.hidden=32,64", "--plot", str(path))
    code, out, err = hwsim(*words, "--json")
    assert (code, err) == (0, f"wrote {path}\n")
    assert len(json.loads(out)["points"]) == 2
    assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "code"), [("nowhere/picture.png", 4), ("picture.gif", 2), ("picture", 2)]
)
def test_a_picture_that_can_not_be_written_leaves_nothing_on_stdout(hwsim, tmp_path, name, code):
    path = tmp_path / name
    result = hwsim(*BASE, "--steps", "1", "--vary", "workload.hidden=32,64", "--plot", str(path))
    assert result[:2] == (code, "")
    assert str(path) in result.err
    assert not path.exists()


@pytest.mark.parametrize("text", ["[/b]", "[red]x"])
def test_text_of_the_user_is_shown_as_it_stands(hwsim, text):
    code, out, _ = hwsim(*BASE, "--steps", "1", "--vary", f"workload.corpus={text},other")
    assert code == 0
    assert text in out


def test_a_picture_of_one_step_has_its_operators(hwsim, tmp_path):
    path = tmp_path / "step.svg"
    code, out, err = hwsim(*BASE, "--steps", "1", "--plot", str(path))
    assert (code, err.strip()) == (0, f"wrote {path}")
    assert "time per step" in out
    for words in ("recurrence.rhn", "products in fp32", "bound by"):
        assert words in path.read_text(encoding="utf-8")


def test_factors_are_numbers_of_a_picture(hwsim, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "factors.svg"
    words = ("--steps", "1", "--vary", "device.memory.bandwidth=1x,2x", "--plot", str(path))
    assert hwsim(*SMALL, *words).code == 0
    assert "device.memory.bandwidth" in path.read_text()


def test_devices_are_drawn_with_their_efficiency(hwsim, tmp_path):
    words = (*SMALL, "--steps", "10", "--vary", "plan.dp=1,2,4")
    assert hwsim(*words, "--plot", str(tmp_path / "a.svg")).code == 0
    assert "efficiency" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    weak = hwsim(*words, "--set", "plan.scaling=weak", "--plot", str(tmp_path / "b.svg"))
    assert weak.code == 0
    assert "weak efficiency" in (tmp_path / "b.svg").read_text(encoding="utf-8")
