"""The site: what it takes and what it refuses."""

import pytest

from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.site import Site
from hwsim.study.subject import Subject
from workloads.charlm import CharLM

VOLTA = Subject(catalog.load("volta"), CharLM())


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("site.electricity", "0.1 USD/kWh", 0.1),
        ("site.electricity", "80 USD/MWh", 0.08),
        ("site.carbon", "400 g/kWh", 0.4),
        ("site.carbon", "0.4 kg/kWh", 0.4),
        ("site.pue", "1.1", 1.1),
        ("site.host", "2 kW", 2000.0),
        ("site.hour", "0 USD", 0.0),
        ("site.lifetime", "1000 d", 86.4e6),
        ("site.embodied", "0.15 t", 150.0),
        ("site.pay", "own", "own"),
        ("site.pay", "none", None),
    ],
)
def test_a_field_is_set(path, text, value):
    found = VOLTA.with_settings({path: text}).site
    assert getattr(found, path.partition(".")[2]) == value


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("site.electricity", "0.1", "without a unit"),
        ("site.electricity", "0.4 kg/kWh", "a carbon intensity, not a price of electricity"),
        ("site.carbon", "-1 kg/kWh", "zero or more"),
        ("site.pue", "0.9", "at least 1"),
        ("site.utilization", "0", "more than 0"),
        ("site.utilization", "1.1", "at most 1"),
        ("site.lifetime", "0 s", "more than zero"),
        ("site.pay", "lease", "write one of 'rent', 'own'"),
        ("site.sun", "1", "does not exist"),
        ("site", "1", "no such field"),
    ],
)
def test_a_bad_value_is_refused_by_its_path(path, text, says):
    with pytest.raises(InputError, match=says) as caught:
        VOLTA.with_settings({path: text})
    assert caught.value.where.startswith("site")


@pytest.mark.parametrize("field", ["electricity", "hour", "lifetime", "host"])
def test_a_figure_of_a_program_is_checked_too(field):
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"site.{field}"):
            Site(**{field: bad})
