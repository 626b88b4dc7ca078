"""Pictures of several optima: a panel for each title, a curve for each machine."""

import pytest

from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.report import optima_plot
from hwsim.report.optima_plot import Curve
from hwsim.study.total import optimum
from workloads.charlm import CharLM

SIZES = (64, 512, 65536)


def curve(machine):
    answers = [estimate(catalog.load(machine), CharLM(hidden=size)) for size in SIZES]
    return Curve(machine, answers, optimum(answers))


def test_a_panel_for_each_title(tmp_path):
    path = tmp_path / "two.svg"
    panels = {"first": [curve("volta"), curve("hopper")], "second": [curve("maxwell")]}
    optima_plot.save(path, panels, "all of them")
    text = path.read_text()
    assert text.count('<g id="axes_') == 2
    for word in ("first", "second", "volta", "hopper", "maxwell", "all of them"):
        assert f"<!-- {word} -->" in text


def test_what_does_not_fit_is_left_out(tmp_path):
    shown = curve("volta")
    assert not shown.answers[-1].memory.fits
    paths = tmp_path / "all.svg", tmp_path / "some.svg"
    some = shown.answers[:-1]
    optima_plot.save(paths[0], {"volta": [shown]}, "")
    optima_plot.save(paths[1], {"volta": [Curve("volta", some, optimum(some))]}, "")
    assert paths[0].read_text() == paths[1].read_text()


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.svg"):
        optima_plot.save(tmp_path / "picture.gif", {"volta": [curve("volta")]}, "")
