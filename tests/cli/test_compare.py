"""`hwsim compare`: what a point can be, tables, JSON, pictures and faults."""

import json
from pathlib import Path

import pytest

BASE = ("compare", "--model", "charlm", "--set", "workload.hidden=64", "--engine", "closed")
VOLTA = (*BASE, "--hw", "volta")


@pytest.fixture
def told(hwsim):
    def call(*words):
        code, out, err = hwsim(*words, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return call


@pytest.fixture
def saved(hwsim, tmp_path):
    """A file of `hwsim estimate --json`."""
    words = ("--hw", "volta", "--model", "charlm", "--set", "workload.hidden=64")
    path = tmp_path / "saved.json"
    path.write_text(hwsim("estimate", *words, "--engine", "closed", "--json").out)
    return str(path)


def test_machines_side_by_side(hwsim):
    code, out, err = hwsim(*BASE, "volta", "hopper")
    assert (code, err) == (0, "")
    for word in ("volta", "hopper", "against volta", "<- fastest", "compute", "apart", "assumed"):
        assert word in out


def test_settings_side_by_side(told):
    found = told(*VOLTA, "plan.dp=1", "plan.dp=2 workload.hidden=128", "hw=hopper")
    assert found["schema"] == "hwsim.compare/1"
    estimates = [point["estimate"] for point in found["points"]]
    assert [one["plan"]["dp"] for one in estimates] == [1, 2, 1]
    assert [one["workload"]["sizes"]["hidden"] for one in estimates] == [64, 128, 64]
    assert [one["hardware"]["name"] for one in estimates] == ["volta", "volta", "hopper"]
    first, other, _ = found["points"]
    assert first["against_first"] is None
    step = other["against_first"]["step"]
    assert step["seconds"] == estimates[1]["step"]["seconds"] - estimates[0]["step"]["seconds"]
    assert other["against_first"]["fields"]["plan.dp"] == [1, 2]


def test_a_point_is_what_estimate_says(hwsim, told):
    words = ("--hw", "volta", "--model", "charlm", "--set", "workload.hidden=64", "--dp", "2")
    alone = json.loads(hwsim("estimate", *words, "--engine", "closed", "--json").out)
    found = told(*VOLTA, "--dp", "2", "workload.hidden=64", "plan.dp=4")
    assert found["points"][0]["estimate"] == alone


def test_a_quoted_value_may_have_blanks(told):
    found = told(*BASE, "volta", "volta device.memory.bandwidth='1.8 TB/s'", "volta plan.dp=2x")
    fields = [point["against_first"]["fields"] for point in found["points"][1:]]
    assert fields[0] == {"device.memory.bandwidth": ["900 GB/s", "1.8 TB/s"]}
    assert fields[1]["plan.dp"] == [1, 2]


def test_models_side_by_side(told):
    words = ("--hw", "volta", "--steps", "10", "--engine", "closed")
    found = told("compare", *words, "model=charlm-small", "model=wordlm-small")
    names = [point["estimate"]["workload"]["name"] for point in found["points"]]
    assert names == ["charlm-small", "wordlm-small"]


def test_saved_estimates_and_hardware_files(hwsim, told, saved, tmp_path):
    machine = tmp_path / "own machine.json"
    machine.write_text(hwsim("hardware", "show", "hopper", "--json").out)
    found = told(*VOLTA, saved, "plan.dp=1", str(machine))
    first, live, other = found["points"]
    assert first["estimate"] == live["estimate"]
    assert live["against_first"]["step"]["seconds"] == 0.0
    assert other["estimate"]["hardware"]["device"] == "h100-sxm-80gb"


def test_saved_estimates_need_no_machine(hwsim, saved):
    code, out, _ = hwsim("compare", saved, saved)
    assert code == 0
    assert "against" in out


def test_standard_input_is_a_machine_for_all_points(hwsim):
    text = hwsim("hardware", "show", "volta", "--json").out
    code, out, _ = hwsim(*BASE, "--hw", "-", "plan.dp=1", "plan.dp=2", "--json", stdin=text)
    assert code == 0
    assert {p["estimate"]["hardware"]["name"] for p in json.loads(out)["points"]} == {"volta"}


def test_standard_input_is_a_point(hwsim, saved):
    text = Path(saved).read_text()
    code, out, _ = hwsim(*VOLTA, "-", "plan.dp=1", "--json", stdin=text)
    first, live = json.loads(out)["points"]
    assert (code, first["estimate"]) == (0, live["estimate"])
    machine = hwsim("hardware", "show", "hopper", "--json").out
    code, out, _ = hwsim(*VOLTA, "-", "plan.dp=1", "--json", stdin=machine)
    assert json.loads(out)["points"][0]["estimate"]["hardware"]["name"] == "hopper"


def test_fronts_are_marked(hwsim, told):
    words = (*VOLTA, "plan.dp=1", "plan.dp=2", "--pareto", "total,devices")
    assert told(*words)["pareto"] == {"objectives": ["total", "devices"], "front": [0, 1]}
    assert "on the front" in hwsim(*words).out


@pytest.mark.parametrize("more", [(), ("--pareto", "step,devices"), ("--pareto", "step")])
def test_a_picture(hwsim, tmp_path, more):
    pytest.importorskip("matplotlib")
    path = tmp_path / "out.svg"
    code, _, err = hwsim(*VOLTA, "plan.dp=1", "plan.dp=2", *more, "--plot", str(path))
    assert (code, err.strip()) == (0, f"wrote {path}")
    assert "</svg>" in path.read_text()


def test_a_point_that_does_not_fit_is_told(hwsim):
    huge = "workload.hidden=32768"
    code, out, _ = hwsim(*VOLTA, "plan.dp=1", huge)
    assert code == 0
    assert "does not fit in memory" in out
    code, out, err = hwsim(*VOLTA, huge, f"{huge} plan.dp=2", "--json")
    assert code == 3
    assert json.loads(out)["fastest"] is None
    assert "no point fits" in err


@pytest.mark.parametrize(
    ("points", "fragments"),
    [
        (("volta",), ["only 'volta'", "two"]),
        (("volta", "plan.pd=2"), ["plan.pd", "found no machine"]),
        (("volta", "hoper"), ["hoper", "hopper"]),
        (("volta", "volta hopper"), ["'volta hopper'", "hw", "twice"]),
        (("volta", "volta plan.dp=2 plan.dp=4"), ["plan.dp", "twice"]),
        (("volta", "volta plan.dp='2"), ["quote"]),
        (("volta", " "), ["found nothing"]),
        (("volta", "volta workload.hiden=2"), ["workload.hiden", "hidden"]),
        (("volta", "volta model=charml"), ["charml", "charlm"]),
        (("volta", "no/such.json"), ["no/such.json"]),
    ],
)
def test_a_bad_point_is_named(hwsim, points, fragments):
    code, out, err = hwsim(*BASE, *points)
    assert (code, out) == (2, "")
    for fragment in fragments:
        assert fragment in err


def test_a_model_is_needed(hwsim):
    code, _, err = hwsim("compare", "volta", "hopper")
    assert code == 2
    assert "--model" in err


def test_another_json_file_is_refused(hwsim, tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"points": []}')
    code, _, err = hwsim(*BASE, "volta", str(path))
    assert code == 2
    assert "hwsim estimate --json" in err


@pytest.mark.parametrize("words", [("--pareto", "speed"), ("--plot", "out.txt")])
def test_bad_options(hwsim, words):
    assert hwsim(*BASE, "volta", "hopper", *words).code == 2


def test_a_model_far_from_what_was_measured_warns_of_it_alone(hwsim):
    far = "volta workload.learning_rate=1e-216 workload.batch=2048"
    code, out, err = hwsim("compare", "--model", "speech-small", far, "volta", "--engine", "closed")
    assert code == 0
    assert "RuntimeWarning" not in out + err
