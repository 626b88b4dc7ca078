"""Pictures of studies from plain numbers: what they show, and what they leave out."""

import math
import re

import pytest

from hwsim.errors import InputError, SurroundingsError
from hwsim.report.breakdown_plot import save_breakdown
from hwsim.report.heat_plot import save_heat
from hwsim.report.pareto_plot import save_pareto
from hwsim.report.roofline_plot import Dot, save_roofline
from hwsim.report.scaling_plot import save_scaling
from hwsim.report.step_plot import save_step
from hwsim.report.tornado_plot import save_tornado
from hwsim.units import money_text, seconds_text

NAME = "a <b> & $c$"
NAN = math.nan
NAMES = ("x", "y", "s")


def tornado(path, name=NAME):
    save_tornado(path, [name, "d"], [1.5, NAN], [0.7, 1.0], name)


def heat(path, name=NAME):
    save_heat(path, ["1", name], ["2", "4"], [[1.0, NAN], [3.0, 40.0]], (name, "y", "s"), name)


def scaling(path, name=NAME):
    save_scaling(path, [1, 2, 4], {name: [4.0, 2.0, 1.5], "d": [NAN, 1.0, 1.0]}, name)


def breakdown(path, name=NAME):
    save_breakdown(path, [name, "d"], [{"compute": 1.0}, {"compute": 1.0, name: 2.0}], name)


def roofline(path, name=NAME):
    dots = [Dot(name, 10.0, 1e12, 1.0, "compute"), Dot("d", 0.0, 0.0, 1.0, "launch")]
    save_roofline(path, dots, {name: 1e14, "fp32": 1e13}, 9e11, name)


def pareto(path, name=NAME):
    save_pareto(path, [1.0, 2.0, NAN], [2.0, 1.0, 1.0], [0, 1], (name, "y"), [name] * 3, name)


PICTURES = [tornado, heat, scaling, breakdown, roofline, pareto]


def texts(path):
    """Texts of a picture, which matplotlib repeats in comments."""
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("save", PICTURES)
def test_a_name_appears_as_it_stands(save, tmp_path):
    save(tmp_path / "picture.svg")
    assert "a &lt;b&gt; &amp; $c$" in texts(tmp_path / "picture.svg")


def test_a_long_name_below_a_bar_is_folded(tmp_path):
    name = "hopper device.memory.bandwidth=2x and so on"
    save_breakdown(tmp_path / "picture.svg", [name], [{"compute": 1.0}])
    lines = [text for text in texts(tmp_path / "picture.svg") if "hopper" in text]
    assert lines
    assert all(len(line) <= 14 for text in lines for line in text.splitlines())


@pytest.mark.parametrize("save", PICTURES)
def test_the_same_numbers_make_the_same_file(save, tmp_path):
    first, second = (tmp_path / name for name in ("a.svg", "b.svg"))
    save(first)
    save(second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("save", PICTURES)
def test_other_files_and_missing_folders_are_refused(save, tmp_path):
    with pytest.raises(InputError, match=r"picture\.gif"):
        save(tmp_path / "picture.gif")
    with pytest.raises(SurroundingsError, match="nowhere"):
        save(tmp_path / "nowhere" / "picture.png")


def test_a_tornado_tells_the_ratios(tmp_path):
    tornado(tmp_path / "picture.svg")
    assert {"1.50", "0.70"} <= set(texts(tmp_path / "picture.svg"))


def test_an_empty_cell_has_no_value(tmp_path):
    heat(tmp_path / "picture.svg")
    shown = texts(tmp_path / "picture.svg")
    assert {"1", "3", "40"} <= set(shown)
    assert not any("nan" in text.lower() for text in shown)


def test_efficiency_is_against_the_first_point(tmp_path):
    save_scaling(tmp_path / "picture.svg", [1, 2], {"a": [1.0, 0.4]})
    assert "120%" in texts(tmp_path / "picture.svg")  # the axis reaches what is more than ideal


def test_efficiency_is_against_the_first_point_that_fits(tmp_path):
    path = tmp_path / "picture.svg"
    save_scaling(path, [1, 2, 4], {"a": [8.0, 2.0, 1.0]}, large=[1])
    shown = texts(path)
    assert "does not fit in memory" in shown
    assert not {"150%", "200%"} & set(shown)  # as it would be against the one that doesn't


@pytest.mark.parametrize("save", ["bars", "front"])
def test_what_does_not_fit_is_marked(save, tmp_path):
    path = tmp_path / "picture.svg"
    if save == "bars":
        save_breakdown(path, ["a", "b"], [{"compute": 1.0}] * 2, large=[1])
    else:
        save_pareto(path, [1.0, 2.0], [2.0, 1.0], [0], ("x", "y"), ["a", "b"], large=[1])
    assert any("does not fit" in text for text in texts(path))


def test_labels_tell_what_differs(tmp_path):
    path = tmp_path / "picture.svg"
    names = ["hopper device.memory.bandwidth=2x", "hopper device.memory.bandwidth=4x"]
    save_pareto(path, [1.0, 2.0], [2.0, 1.0], [0, 1], ("x", "y"), names)
    assert {"bandwidth=2x", "bandwidth=4x"} <= set(texts(path))


def test_axes_have_units(tmp_path):
    path = tmp_path / "picture.svg"
    written = (seconds_text, money_text)
    save_pareto(path, [3600.0, 9000.0], [14.0, 10.1], [0, 1], ("x", "y"), texts=written)
    shown = texts(path)
    assert {"1 h", "2 h"} <= set(shown)
    assert sum("USD" in text for text in shown) >= 3


def test_shares_of_a_bar_are_written_in_it(tmp_path):
    breakdown(tmp_path / "picture.svg")
    assert {"100%", "33%", "67%"} <= set(texts(tmp_path / "picture.svg"))


def test_a_roofline_names_its_roofs(tmp_path):
    roofline(tmp_path / "picture.svg")
    shown = texts(tmp_path / "picture.svg")
    assert {"fp32, 10 TFLOP/s", "900 GB/s", "bound by compute"} <= set(shown)
    assert "d" not in shown  # without traffic or arithmetic there is no place for it


def test_of_many_points_the_front_has_labels(tmp_path):
    xs, ys = [1, 9, *[9] * 20], [9, 1, *range(5, 25)]
    names = ["a", "b", *(f"other {n}" for n in range(20))]
    save_pareto(tmp_path / "picture.svg", xs, ys, [0, 1], ("x", "y"), names)
    shown = texts(tmp_path / "picture.svg")
    assert {"a", "b"} <= set(shown)
    assert not any(text.startswith("other ") for text in shown)
    save_pareto(tmp_path / "few.svg", [1, 9, 9], [9, 9, 1], [0, 2], ("x", "y"), ["a", "b", "c"])
    assert {"a", "b", "c"} <= set(texts(tmp_path / "few.svg"))


def test_a_step_has_its_operators_and_its_parts(tmp_path):
    dots = [Dot("product", 10.0, 1e12, 1.0, "compute")]
    save_step(tmp_path / "a.svg", dots, {"fp32": 1e13}, 9e11, {"compute": 3.0, "bubble": 1.0}, "x")
    assert {"product", "fp32, 10 TFLOP/s", "75%", "bubble"} <= set(texts(tmp_path / "a.svg"))


NOTHING = {
    "tornado": lambda path: save_tornado(path, [], [], []),
    "heat": lambda path: save_heat(path, ["1"], ["2"], [[NAN]], NAMES),
    "scaling": lambda path: save_scaling(path, [1, 2], {"a": [NAN, NAN]}),
    "breakdown": lambda path: save_breakdown(path, ["a"], [{}]),
    "roofline": lambda path: save_roofline(path, [], {"fp32": 1e13}, 9e11),
    "pareto": lambda path: save_pareto(path, [NAN], [1.0], [0], ("x", "y"), ["a"]),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_to_show_is_an_empty_picture(name, tmp_path):
    NOTHING[name](tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_many_points_are_one_object(tmp_path):
    path = tmp_path / "many.svg"
    xs = [1.0 + (37 * n) % 4000 for n in range(4000)]
    save_pareto(path, xs, xs[::-1], [0], ("x", "y"))
    assert path.read_text().count("<use") < 400
    names = [str(x) for x in range(60)]
    save_heat(path, names, names, [[1.0 + x + y for x in range(60)] for y in range(60)], NAMES)
    assert path.read_text().count("<path") < 400
