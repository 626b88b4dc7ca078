"""`hwsim reproduce`: its files, what it prints, and the faults of its options."""

import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")

from calibration.reproduce import command
from calibration.reproduce.command import app
from hwsim.errors import InputError, SurroundingsError

RUN = CliRunner()
pytestmark = pytest.mark.usefixtures("few_resamples")


@pytest.fixture
def curves(tmp_path, campaign, truth):
    folder = tmp_path / "curves"
    folder.mkdir()
    campaign(folder / "charlm-small.jsonl", truth, hidden=(32, 64, 128), seeds=1)
    return folder


def ran(*words):
    return RUN.invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_what_is_there_is_drawn_and_judged(curves, tmp_path):
    out = tmp_path / "new" / "paper"
    result = ran("--out", out, "--curves", curves, "--figures", "1, 3")
    names = {"paper-1.svg", "paper-1.png", "paper-3.svg", "paper-3.png"}
    assert {path.name for path in out.iterdir()} == names | {"claims.md", "claims.json"}
    assert "there is no wordlm-small.jsonl" in result.stderr
    assert all(f"wrote {path}" in result.stdout for path in out.iterdir())
    assert "holds" in result.stdout
    assert "not measured" in result.stdout


def test_json_lists_the_files(curves, tmp_path):
    result = ran("--out", tmp_path, "--curves", curves, "--figures", "3", "--json")
    record = json.loads(result.stdout)
    assert record["schema"] == "hwsim.claims/1"
    assert str(tmp_path / "paper-3.svg") in record["files"]


def test_a_figure_is_named_as_it_is(curves, tmp_path):
    with pytest.raises(InputError, match="--figures: found 'dept'; did you mean 'depth'"):
        ran("--out", tmp_path, "--curves", curves, "--figures", "1,dept")


def test_a_folder_of_curves_must_be_there(tmp_path):
    with pytest.raises(InputError, match="found no such folder"):
        ran("--out", tmp_path, "--curves", tmp_path / "none")


def test_a_file_is_no_folder(curves, tmp_path):
    out = tmp_path / "file"
    out.write_text("")
    with pytest.raises(InputError, match="found a file; write a folder"):
        ran("--out", out, "--curves", curves)


def test_a_folder_that_can_not_be_written_is_told(curves, tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(command.Path, "mkdir", refused)
    with pytest.raises(SurroundingsError, match="Permission denied") as caught:
        ran("--out", tmp_path / "out", "--curves", curves)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(("module", "extra"), [("matplotlib", "plot"), ("scipy", "measure")])
def test_what_is_not_installed_is_told(module, extra, tmp_path, monkeypatch):
    from calibration import extras

    there = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == module else there(name))
    with pytest.raises(SurroundingsError, match=rf"{module} is not installed.*hwsim\[{extra}\]"):
        ran("--out", tmp_path)
