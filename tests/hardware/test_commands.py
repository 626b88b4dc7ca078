"""`hwsim hardware`: data on standard output, problems on standard error."""

import json

import pytest
from typer.testing import CliRunner

from hwsim.cli.hardware import app
from hwsim.errors import InputError
from hwsim.hardware import catalog


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *arguments, text=None: runner.invoke(app, arguments, input=text)


def test_list_names_every_entry(run):
    result = run("list")
    assert result.exit_code == 0
    for entry in catalog.shipped():
        assert entry.name in result.stdout


def test_list_as_json(run):
    entries = json.loads(run("list", "--json").stdout)
    assert entries[0].keys() == {"name", "kind", "description"}
    assert len(entries) == len(catalog.shipped())


def test_show_prints_figures_and_sources(run):
    plain, full = run("show", "volta").stdout, run("show", "volta", "--sources").stdout
    assert "125 TFLOPS" in plain
    assert "datasheet" not in plain
    assert "NVIDIA V100 datasheet" in full


def test_show_as_json_is_what_load_reads(run):
    text = run("show", "volta", "--json").stdout
    assert catalog.parse(text, "-") == catalog.load("volta")
    again = run("show", "-", "--json", text=text).stdout
    assert again == text


def test_show_raises_for_an_unknown_name(run):
    assert isinstance(run("show", "volt").exception, InputError)


def test_check_prints_one_problem_a_line(run, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"kind": "device", "name": 5}')
    result = run("check", "volta", str(path))
    assert result.exit_code == 2
    assert result.stdout == "volta: ok\n"
    assert len(result.stderr.splitlines()) == len(catalog.problems(str(path))) > 1


def test_check_of_right_files_ends_well(run):
    assert run("check", "volta", "gb200").exit_code == 0


@pytest.mark.parametrize("kind", ["device", "system"])
def test_schema_prints_json(run, kind):
    assert json.loads(run("schema", kind).stdout) == catalog.schema(kind)


@pytest.mark.parametrize("command", ["list", "show", "check", "schema"])
def test_each_command_shows_an_example(run, command):
    assert "Example: hwsim hardware" in run(command, "--help").stdout
