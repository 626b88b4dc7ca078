"""The picture of a step: files that open and repeat, and faults that name the file."""

import builtins
import sys

import pytest

from hwsim.errors import InputError, SurroundingsError
from hwsim.parallel.plan import Plan
from hwsim.report import timeline_plot


def panels(path):
    return path.read_text().count('<g id="axes_')


def test_a_step_is_drawn_with_its_title(pipeline, tmp_path):
    path = tmp_path / "step.svg"
    timeline_plot.save(path, pipeline(2, 4), Plan(pp=2), "some model")
    text = path.read_text()
    for words in ("some model", "per step", "bubble", "stage 1 (device 1)", "critical path"):
        assert words in text
    assert panels(path) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_the_same_step_is_the_same_file(pipeline, tmp_path, suffix):
    for name in ("a", "b"):
        timeline_plot.save(tmp_path / (name + suffix), pipeline(2, 2), Plan(pp=2), "model")
    files = [(tmp_path / (name + suffix)).read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]


def test_many_micro_batches_are_shown_at_both_ends(pipeline, tmp_path):
    path = tmp_path / "long.svg"
    timeline_plot.save(path, pipeline(2, 200), Plan(pp=2), "model")
    assert panels(path) == 2
    assert "its first and last" in path.read_text()


def test_of_many_devices_some_are_drawn(pipeline, tmp_path):
    path = tmp_path / "wide.svg"
    timeline_plot.save(path, pipeline(70, 1), Plan(pp=70), "model")
    assert "64 of 70 devices" in path.read_text()


def test_another_suffix_is_refused(pipeline, tmp_path):
    with pytest.raises(InputError, match=r"step\.doc") as error:
        timeline_plot.save(tmp_path / "step.doc", pipeline(1, 1), Plan(), "model")
    assert ".svg" in error.value.instead


def test_a_folder_that_is_not_there_is_named(pipeline, tmp_path):
    with pytest.raises(SurroundingsError, match="nowhere"):
        timeline_plot.save(tmp_path / "nowhere" / "step.png", pipeline(1, 1), Plan(), "model")


def test_a_missing_library_is_named(pipeline, tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    with pytest.raises(SurroundingsError, match="matplotlib") as error:
        timeline_plot.save(tmp_path / "step.png", pipeline(1, 1), Plan(), "model")
    assert "hwsim[plot]" in error.value.instead
