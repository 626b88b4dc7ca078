"""What was fitted and ships: each file reads, and is found under its own name."""

from importlib.resources import files

import pytest

from hwsim.convergence import law
from hwsim.cost import calibration

DATA = files("hwsim") / "data"


def names(folder):
    return sorted(entry.name.removesuffix(".json") for entry in (DATA / folder).iterdir())


def test_only_known_kinds_ship():
    assert {entry.name for entry in DATA.iterdir()} == {"calibrations", "laws"}


@pytest.mark.parametrize("name", names("laws"))
def test_each_law_reads(name):
    path = DATA / "laws" / f"{name}.json"
    found = law.parse(path.read_text(encoding="utf-8"), path.name)
    assert found.name == name
    assert found.runs > found.censored
    assert {"date", "command", "curves"} <= found.provenance.keys()
    low, high = found.range["model"]
    assert low < high


@pytest.mark.parametrize("name", names("calibrations"))
def test_each_calibration_reads(name):
    found = calibration.load(name)
    assert found.name == name
    assert found.sources
