"""`hwsim workload`: data on standard output, faults as InputError."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hwsim.cli.workload import app
from hwsim.errors import InputError
from hwsim.graph.workload import load, registered
from workloads.charlm import CharLM


def run(*words: str, text: str | None = None) -> str:
    result = CliRunner().invoke(app, words, input=text, catch_exceptions=True)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_list_names_every_workload():
    out = run("list")
    for name in ("charlm", "charlm-small", "wordlm", "speech", "transformer"):
        assert name in out
    rows = json.loads(run("list", "--json"))
    assert {"charlm", "wordlm"} <= {row["name"] for row in rows}
    assert all(row["description"].endswith(".") for row in rows)


def test_show_has_a_row_for_each_layer():
    out = run("show", "charlm", "--set", "hidden=256")
    for word in ("hidden", "256", "embedding", "recurrence", "output", "step"):
        assert word in out


@pytest.mark.parametrize("text", ["[/foo]", "[red]x", ":smile:"])
def test_show_prints_text_as_it_stands(text):
    assert text in run("show", "charlm", "--set", f"corpus={text}")


def test_list_is_not_folded_in_a_pipe():
    assert len(run("list").splitlines()) == 1 + len(registered())


def test_show_json_agrees_with_the_graph(tmp_path):
    found = json.loads(run("show", "charlm", "--set", "workload.hidden=256", "--json"))
    graph = CharLM(hidden=256).graph()
    assert found["parameters"] == graph.parameters
    assert found["flops_per_step"] == graph.matrix_flops
    assert sum(row["saved_bytes"] for row in found["layers"]) == found["saved_bytes"]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(found["workload"]))
    assert load(str(path)) == CharLM(hidden=256)


def test_show_reads_standard_input():
    out = run("show", "-", "--json", text='{"workload": "wordlm", "hidden": 128}')
    assert json.loads(out)["workload"]["hidden"] == 128


@pytest.mark.parametrize("setting", ["hidden", "=3", "hiden=3", "hidden=-1", "hidden="])
def test_show_refuses_a_setting(setting):
    with pytest.raises(InputError):
        run("show", "charlm", "--set", setting)
