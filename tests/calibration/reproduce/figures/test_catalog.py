"""Every figure, with all campaigns, with none, and with odd names."""

import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("matplotlib")

from calibration.reproduce.campaigns import load
from calibration.reproduce.command import NAMES
from calibration.reproduce.figures.catalog import FIGURES, draw
from hwsim.errors import SurroundingsError

ODD = "a <b> & $x_1^$ \\alpha %"
pytestmark = pytest.mark.usefixtures("few_resamples")


def texts(path):
    """Comments of an SVG, in which matplotlib tells what its glyphs spell."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    return [one.text.strip() for one in ET.parse(path, parser).iter(ET.Comment)]


def test_the_command_knows_every_figure():
    assert tuple(FIGURES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_drawn_from_runs(name, agrees, tmp_path):
    paths = list(draw([name], agrees, tmp_path))
    assert [path.name for path in paths] == [f"paper-{name}.svg", f"paper-{name}.png"]
    assert "not measured" not in texts(paths[0])
    assert all(path.stat().st_size > 10_000 for path in paths)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_says_what_was_not_measured(name, tmp_path):
    (tmp_path / "none").mkdir()
    first, _ = draw([name], load(tmp_path / "none"), tmp_path)
    assert "not measured" in texts(first)


@pytest.mark.parametrize("name", ["1", "2", "3"])
def test_names_are_shown_as_they_stand(name, tmp_path, campaign, truth):
    campaign(tmp_path / "charlm-small.jsonl", truth, hidden=(32, 64), seeds=1, name=ODD)
    first, _ = draw([name], load(tmp_path), tmp_path)
    assert any("&lt;b&gt; &amp; $x_1^$" in text for text in texts(first))


def test_the_law_stands_in_the_second_figure(agrees, tmp_path):
    first, _ = draw(["2"], agrees, tmp_path)
    told = " ".join(texts(first))
    assert "k1 = 0.9" in told
    assert "k2 = 0.5" in told or "k2 = 0.49" in told


def test_censored_runs_are_drawn_as_bounds(tmp_path, campaign, truth):
    path = tmp_path / "charlm-small.jsonl"
    campaign(path, truth, hidden=(32, 64), seeds=1, data=(8000,))
    whole, _ = draw(["2"], load(tmp_path), tmp_path)
    before = whole.read_text()
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:70], lines[91], *lines[92:]]) + "\n")
    (cut, *_) = [run for run in load(tmp_path)["charlm-small"].runs if run.censored]
    assert cut.name == "run-0"
    list(draw(["2"], load(tmp_path), tmp_path))
    assert whole.read_text() != before


def test_the_same_runs_make_the_same_picture(agrees, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        list(draw(["3"], agrees, folder))
    name = "paper-3.svg"
    assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_disk_that_refuses_is_told(agrees, tmp_path):
    with pytest.raises(SurroundingsError, match="can't be written"):
        list(draw(["3"], agrees, tmp_path / "nowhere"))
