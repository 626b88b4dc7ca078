"""`hwsim software`, and software=NAME in estimate, simulate and --vary."""

import json

import pytest

from hwsim.cli.main import run
from hwsim.software import catalog

SMALL = ("--hw", "volta", "--model", "transformer", "--set", "workload.layers=2")
SMALL = (*SMALL, "--set", "workload.batch=8", "--set", "workload.dtype=fp16")


def test_list_names_every_profile(capsys):
    assert run(["software", "list"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in catalog.names() if name not in shown] == []
    assert run(["software", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in found] == list(catalog.names())
    assert set(found[0]) == {"name", "released", "after", "description"}


def test_show_tells_facts_sources_and_lineage(capsys):
    assert run(["software", "show", "megatron-core-2024"]) == 0
    shown = capsys.readouterr().out
    for fragment in ("megatron-2022 <- megatron-2021", "plan.zero", "arguments.py"):
        assert fragment in shown


def test_show_json_is_read_back(capsys, tmp_path):
    assert run(["software", "show", "fsdp2-2024", "--json"]) == 0
    path = tmp_path / "mine.json"
    path.write_text(capsys.readouterr().out)
    assert catalog.load(str(path)) == catalog.load("fsdp2-2024")


def test_an_estimate_echoes_the_software_and_what_it_decides(capsys):
    arguments = ["estimate", *SMALL, "--steps", "10", "--json"]
    assert run(arguments) == 0
    bare = json.loads(capsys.readouterr().out)
    assert run([*arguments, "--set", "software=megatron-2021"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (bare["software"], found["software"]) == (None, "megatron-2021")
    assert any("no software is named" in line for line in bare["assumptions"])
    assert any("runs as in megatron-2021" in line for line in found["assumptions"])
    assert any(line.startswith("software.accumulate = 6") for line in found["sources"])
    assert (bare["plan"]["overlap"], found["plan"]["overlap"]) == (True, False)
    assert found["workload"]["sizes"]["attention"] == "eager"


def test_flags_and_settings_win_over_the_profile(capsys):
    arguments = ["estimate", *SMALL, "--steps", "10", "--json", "--zero", "1"]
    arguments += ["--set", "software=fsdp-2023", "--set", "workload.attention=eager"]
    assert run([*arguments, "--set", "software.accumulate=0"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["plan"]["zero"], found["workload"]["sizes"]["attention"]) == (1, "eager")
    assert "software.accumulate = 0: set by the user" in found["sources"]


def test_an_assumed_fact_is_said(capsys):
    arguments = ["estimate", *SMALL, "--steps", "10", "--json"]
    assert run([*arguments, "--set", "software=megatron-core-2024"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert any(line.startswith("software.plan.zero = 1 (") for line in found["assumptions"])


def test_simulate_echoes_the_software(capsys):
    assert run(["simulate", *SMALL, "--json", "--set", "software=megatron-2021"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["software"], found["plan"]["overlap"]) == ("megatron-2021", False)


def test_software_is_varied(capsys):
    varied = "software=megatron-2021,fsdp-2023"
    assert run(["estimate", *SMALL, "--steps", "10", "--json", "--vary", varied]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [point["software"] for point in points] == ["megatron-2021", "fsdp-2023"]
    assert [point["plan"]["zero"] for point in points] == [0, 3]
    assert [point["workload"]["sizes"]["attention"] for point in points] == ["eager", "fused"]


@pytest.mark.parametrize(
    ("settings", "fragments"),
    [
        (["software=megatron-2012"], ["megatron-2012", "megatron-2021"]),
        (["software.accumulate=0"], ["software.accumulate", "software=NAME"]),
        (["software=fsdp-2023", "software.acc=0"], ["software.acc", "accumulate"]),
        (["software=fsdp-2023", "software.gradients=3"], ["software.gradients", "3", "2, 4"]),
        (["software=fsdp-2023", "software.plan.zero=1"], ["software.plan.zero", "--set plan."]),
        (["software.=fsdp-2023"], ["software.", "begin with"]),
    ],
)
@pytest.mark.parametrize("command", ["estimate", "simulate"])
def test_what_is_wrong_is_said_in_one_line(capsys, command, settings, fragments):
    options = [word for text in settings for word in ("--set", text)]
    assert run([command, *SMALL, *options]) == 2
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1
    for fragment in fragments:
        assert fragment in shown


def test_show_refuses_a_plan_that_is_none(capsys, tmp_path):
    form = catalog.file_form(catalog.load("fsdp-2023")) | {"plan": {"zeroo": 3}, "sources": {}}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(form))
    assert run(["software", "show", str(path)]) == 2
    assert "plan.zeroo" in capsys.readouterr().err
