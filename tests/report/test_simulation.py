"""A simulated step as JSON and as text."""

import json

import pytest

from hwsim.cost.calibration import load_for
from hwsim.hardware import catalog
from hwsim.parallel.lower import lower
from hwsim.parallel.needs import stages_needed
from hwsim.parallel.plan import Plan
from hwsim.report import simulation
from hwsim.report.simulation import Simulation
from hwsim.simulate.disturbance import Disturbance
from hwsim.simulate.engine import run
from hwsim.simulate.expected import expected
from hwsim.simulate.step import prepared
from workloads.speech import Speech

VOLTA = catalog.load("volta")
SPEECH = Speech(batch=32)


def simulated(plan, *, trace=True, runs=0):
    known = load_for(VOLTA.device)
    step = prepared(VOLTA, SPEECH, plan, known)
    program = lower(step)
    memory = stages_needed(SPEECH, plan, step.cuts)
    spread = expected(program, Disturbance(jitter=0.1), runs) if runs else None
    timeline = run(program, trace=trace)
    return Simulation(SPEECH, known, step, memory, timeline, spread, runs)


STAGED = simulated(Plan(pp=3, micro_batch=8))


def test_the_record_is_plain_json_with_stable_keys():
    found = json.loads(json.dumps(simulation.record(STAGED), allow_nan=False))
    assert list(found) == [
        *("schema", "hardware", "workload", "plan", "software", "seconds", "parts"),
        *("bubble", "critical_path", "expected", "stages", "devices", "links", "memory"),
    ]
    assert found["schema"] == "hwsim.simulation/1"
    assert found["expected"] is None


def test_parts_sum_to_the_step_everywhere():
    found = simulation.record(STAGED)
    seconds = pytest.approx(found["seconds"], rel=1e-9)
    assert sum(found["parts"].values()) == seconds
    assert sum(found["critical_path"]["parts"].values()) == seconds
    assert sum(one["seconds"] for one in found["critical_path"]["devices"]) == seconds
    for one in (*found["devices"], *found["stages"]):
        assert sum(one["parts"].values()) == seconds
    for device in found["devices"]:
        parts = device["parts"]
        kernels = sum(parts[part] for part in simulation.BUSY)
        assert kernels <= device["busy"]["compute"] * (1 + 1e-9)


def test_stages_have_all_layers_once_and_their_memory():
    found = simulation.record(STAGED)["stages"]
    assert [one["stage"] for one in found] == [0, 1, 2]
    layers = ", ".join(layer for one in found for layer in one["layers"])
    assert layers.startswith("convolutions, lstm.first")
    assert layers.endswith("output")
    for one in found:
        assert one["memory"]["bytes"] == pytest.approx(sum(one["memory"]["parts"].values()))


def test_equal_layers_are_counted():
    assert simulated(Plan()).layers(0) == ["convolutions", "lstm.first", "lstm x 3", "output"]


def test_without_spans_there_is_no_path_and_no_picture(capsys):
    found = simulated(Plan(pp=3, micro_batch=8), trace=False)
    assert simulation.record(found)["critical_path"] is None
    assert simulation.record(found)["parts"] == simulation.record(STAGED)["parts"]
    simulation.show(found, width=None)
    out = capsys.readouterr().out
    assert "time per step" in out
    assert "critical path" not in out
    assert "F forward" not in out


def test_varied_steps_have_their_mean_and_spread(capsys):
    found = simulated(Plan(pp=3, micro_batch=8), runs=4)
    spread = simulation.record(found)["expected"]
    assert spread["runs"] == 4
    assert spread["quantiles"]["0.1"] <= spread["mean"] <= spread["quantiles"]["0.9"]
    simulation.show(found, width=None)
    assert "over 4 runs: mean" in capsys.readouterr().out


def test_text_tells_time_path_memory_stages_and_rows(capsys):
    simulation.show(STAGED, width=90)
    out = capsys.readouterr().out
    for words in ("time per step", "bubble", "critical path: ", "of 16 GiB"):
        assert words in out
    assert "stage 2 (device 2)" in out
    assert "convolutions" in out
    assert max(len(line) for line in out.splitlines() if "(device" in line[:20]) == 90


def test_a_single_device_has_no_table_of_stages(capsys):
    simulation.show(simulated(Plan(micro_batch=16)), width=None)
    out = capsys.readouterr().out
    assert "layers" not in out
    assert "device 0  F" in out


def test_links_are_told_by_kind(capsys):
    found = simulated(Plan(dp=2))
    links = simulation.record(found)["links"]
    assert [(link["device"], link["kind"]) for link in links] == [(0, "node")]
    assert 0 < links[0]["utilization"] < 1
    simulation.show(found, width=None)
    assert "links of kind node: " in capsys.readouterr().out
