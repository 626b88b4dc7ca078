"""Pictures of a variation: files that open, and faults that name the file."""

import builtins
import re
import sys

import pytest

from hwsim.errors import InputError, SurroundingsError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.report import plot
from hwsim.study import vary
from hwsim.study.subject import Subject
from hwsim.study.total import optimum
from hwsim.study.vary import Variation
from workloads.charlm import CharLM

VOLTA = catalog.load("volta")
SIZES = ("32", "64", "128")
VARIATION = Variation("workload.hidden", SIZES)
COUNTED = [estimate(VOLTA, CharLM(hidden=int(size)), steps=10) for size in SIZES]
BARE = [a.model_copy(update={"convergence": None, "total": None}) for a in COUNTED]


def texts(path):
    return set(re.findall(r"<!-- (.*?) -->", path.read_text()))


def panels(path):
    return path.read_text().count('<g id="axes_')


def test_svg_has_a_panel_for_each_factor_and_the_product(tmp_path):
    plot.save(tmp_path / "three.svg", VARIATION, COUNTED, optimum(COUNTED))
    assert panels(tmp_path / "three.svg") == 3


def test_without_a_count_there_is_one_panel(tmp_path):
    plot.save(tmp_path / "one.svg", VARIATION, BARE, optimum(BARE))
    assert panels(tmp_path / "one.svg") == 1


def test_a_suffix_may_be_in_capitals(tmp_path):
    plot.save(tmp_path / "PICTURE.PNG", VARIATION, BARE, optimum(BARE))
    assert (tmp_path / "PICTURE.PNG").read_bytes().startswith(b"\x89PNG")


def test_where_parameters_stay_the_field_is_the_axis(tmp_path):
    same = [BARE[0]] * 2
    rates = Variation("device.memory.bandwidth", ("450 GB/s", "900 GB/s"))
    plot.save(tmp_path / "rates.svg", rates, same, optimum(same))
    assert "device.memory.bandwidth" in (tmp_path / "rates.svg").read_text()


def test_values_without_numbers_stand_side_by_side(tmp_path):
    words = Variation("workload.dtype", ("fp32", "fp16"))
    plot.save(tmp_path / "words.svg", words, [COUNTED[0]] * 2, optimum([COUNTED[0]] * 2))
    assert {"fp32", "fp16"} <= texts(tmp_path / "words.svg")


def test_values_are_where_their_numbers_are_and_as_they_were_written(tmp_path):
    rates = Variation("device.memory.bandwidth", ("1.8 TB/s", "0.5x", "900 GB/s"))
    subject = Subject(VOLTA, CharLM(hidden=32))
    numbers = vary.numbers(subject, rates)
    assert numbers == [1.8e12, 0.45e12, 0.9e12]
    same = [BARE[0]] * 3
    plot.save(tmp_path / "rates.svg", rates, same, optimum(same), numbers)
    shown = re.findall(r"<!-- (.*?) -->", (tmp_path / "rates.svg").read_text())
    assert [text for text in shown if text in rates.values] == ["0.5x", "900 GB/s", "1.8 TB/s"]


def test_what_does_not_fit_is_told(tmp_path):
    large = BARE[0].memory.model_copy(update={"fits": False})
    answers = [*BARE[:2], BARE[2].model_copy(update={"memory": large})]
    plot.save(tmp_path / "large.svg", VARIATION, answers, optimum(answers))
    assert "does not fit in memory" in texts(tmp_path / "large.svg")
    plot.save(tmp_path / "small.svg", VARIATION, BARE, optimum(BARE))
    assert "does not fit in memory" not in texts(tmp_path / "small.svg")


@pytest.mark.parametrize("name", ["picture.gif", "picture", "png"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(InputError) as error:
        plot.save(tmp_path / name, VARIATION, COUNTED, optimum(COUNTED))
    assert name in str(error.value)
    assert ".svg" in error.value.instead


def test_a_folder_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "nowhere" / "picture.png"
    with pytest.raises(SurroundingsError, match="nowhere"):
        plot.save(path, VARIATION, BARE, optimum(BARE))


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    with pytest.raises(SurroundingsError, match="matplotlib") as error:
        plot.save(tmp_path / "picture.png", VARIATION, COUNTED, optimum(COUNTED))
    assert "hwsim[plot]" in error.value.instead
