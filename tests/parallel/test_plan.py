"""The plan against workload and system."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.parallel.check import check, divisors
from hwsim.parallel.plan import Plan, available
from workloads.charlm import CharLM

VOLTA = catalog.load("volta")


def test_the_default_is_one_device():
    assert Plan().devices == 1
    check(Plan(), CharLM(), catalog.load("l4"))


def test_what_divides_the_batch_is_right():
    def right(dp):
        try:
            check(Plan(dp=dp), CharLM(batch=128), VOLTA)
        except InputError:
            return False
        return True

    assert [dp for dp in range(1, 200) if right(dp)] == divisors(128)


@pytest.mark.parametrize(
    ("dp", "batch", "below", "above"), [(3, 128, 2, 4), (100, 128, 64, 128), (7, 60, 6, 10)]
)
def test_the_nearest_divisors_are_named(dp, batch, below, above):
    with pytest.raises(InputError) as error:
        check(Plan(dp=dp), CharLM(batch=batch), VOLTA)
    assert error.value.where == "plan.dp"
    assert str(batch) in error.value.what
    assert f"write {below} or {above}," in error.value.instead


def test_a_device_has_at_least_a_sample():
    with pytest.raises(InputError, match="batch of 128") as error:
        check(Plan(dp=129), CharLM(batch=128), VOLTA)
    assert "at most 128" in error.value.instead


def test_a_huge_batch_is_answered_too():
    with pytest.raises(InputError, match="write 4 or 8,"):
        check(Plan(dp=7), CharLM(batch=2**29), VOLTA)


def test_a_batch_that_no_one_trains_on_is_refused():
    with pytest.raises(InputError, match=r"workload\.batch: .*write at most 1000000000"):
        CharLM(batch=2**40)


@pytest.mark.parametrize(("name", "there"), [("l4", 1), ("tpu-v5e", 1)])
def test_more_devices_than_there_are(name, there):
    system = catalog.load(name)
    with pytest.raises(InputError, match=f"{name} has {there}"):
        check(Plan(dp=2), CharLM(), system)


def test_devices_are_those_of_the_nodes_that_the_network_joins():
    assert available(VOLTA) is None
    assert available(catalog.load("l4")) == 1
    assert available(catalog.override(VOLTA, {"nodes": "3"})) == 24
    assert available(catalog.override(VOLTA, {"network.0.nodes": "16"})) == 128
    assert available(VOLTA.model_copy(update={"network": ()})) == 8


@given(st.integers(1, 5000))
@settings(deadline=None, max_examples=50)
def test_divisors_are_all_that_divide(number):
    assert divisors(number) == [d for d in range(1, number + 1) if number % d == 0]


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
