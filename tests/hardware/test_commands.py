"""`hwsim hardware`: data on standard output, problems on standard error."""

import json

import pytest
from typer.testing import CliRunner

from hwsim.cli.hardware import app
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.figures import figures


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


def test_show_begins_with_the_name_and_the_description(run):
    assert run("show", "volta").stdout.splitlines()[:2] == [
        "volta",
        "Volta: DGX-1 with eight V100 16 GB",
    ]


def test_show_prints_the_words_that_decide_costs(run):
    lines = run("show", "volta").stdout.splitlines()
    found = {path: text.strip() for path, _, text in (line.partition(" ") for line in lines)}
    for path, text in {
        "device.name": "v100-sxm2-16gb",
        "device.architecture": "Volta",
        "device.memory.technology": "HBM2",
        "device.link.kind": "NVLink 2, 6 links x 25 GB/s",
        "node.topology": "hybrid-cube-mesh",
        "node.link.kind": "NVLink 2",
        "node.host_link.kind": "PCIe 3.0 x16",
        "node.in_switch_reduction": "false",
        "network.0.kind": "InfiniBand EDR",
        "network.0.topology": "fat-tree",
    }.items():
        assert found[path] == text
    assert found["node.pairs:"].startswith("0-1 x1, 0-2 x1, 0-3 x2,")


@pytest.mark.parametrize("name", ["volta", "frontier-node", "l4"])
def test_show_prints_every_figure(run, name):
    lines = run("show", name, "--sources").stdout.splitlines()
    rows = {line.split()[0]: " ".join(line.split()) for line in lines if line}
    for figure in figures(catalog.load(name)):
        assert rows[figure.path] == " ".join(" ".join(figure).split())


def test_show_prints_text_as_it_stands(run, tmp_path):
    form = catalog.file_form(catalog.load("volta"))
    form["node"]["link"]["kind"] = form["description"] = form["notes"] = "[/b] :smile:"
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(form))
    result = run("show", str(path))
    assert result.exit_code == 0
    assert result.stdout.count("[/b] :smile:") == 3


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


def test_show_sets_fields_first(run):
    larger = json.loads(
        run("show", "hopper", "--set", "device.scale.memory_stacks=2x", "--json").stdout
    )
    assert larger["device"]["memory"]["capacity"] == "160 GiB"
    assert catalog.parse(json.dumps(larger), "larger.json").device.memory.bandwidth == 6.7e12


def test_show_warns_of_what_can_not_be_built(run):
    result = run("show", "hopper", "--set", "device.scale.multiprocessors=2x")
    assert "reticle" in result.stderr
    assert "reticle" not in result.stdout
