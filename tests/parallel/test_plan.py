"""What a plan may say."""

import pytest
from pydantic import ValidationError

from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan, available

VOLTA = catalog.load("volta")


def test_ranks_are_counted_along_the_placement():
    plan = Plan(tp=2, cp=3, dp=4, pp=5)
    assert plan.devices == 120
    assert [plan.stride(axis) for axis in ("tp", "cp", "dp", "pp")] == [1, 2, 6, 24]
    turned = plan.model_copy(update={"placement": ("pp", "dp", "cp", "tp")})
    assert [turned.stride(axis) for axis in ("pp", "dp", "cp", "tp")] == [1, 5, 20, 60]


def test_devices_are_those_of_the_nodes_that_the_network_joins():
    assert available(VOLTA) is None
    assert available(catalog.load("l4")) == 1
    assert available(catalog.override(VOLTA, {"nodes": "3"})) == 24
    assert available(catalog.override(VOLTA, {"network.0.nodes": "16"})) == 128
    assert available(VOLTA.model_copy(update={"network": ()})) == 8


@pytest.mark.parametrize(
    "fields",
    [
        {"dp": 0},
        {"dp": -1},
        {"dp": 2.0},
        {"dp": "2"},
        {"dp": True},
        {"bucket": "25"},
        {"bucket": "25 Mb"},
        {"overlap": 1},
        {"tp": 0},
        {"micro_batch": 0},
        {"zero": 4},
        {"zero": True},
        {"schedule": "2f2b"},
        {"placement": ("tp", "ep")},
        {"virtual": float("nan")},
        {"overlapped": True},
    ],
)
def test_a_wrong_field_is_refused(fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        Plan.model_validate(fields)
