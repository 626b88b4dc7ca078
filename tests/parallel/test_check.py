"""The plan against workload and system."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.graph.workload import MOST_SAMPLES
from hwsim.hardware import catalog
from hwsim.parallel.check import MOST_PASSES, check, divisors, samples, scaled
from hwsim.parallel.plan import Plan
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


@given(st.integers(1, 5000))
@settings(deadline=None, max_examples=50)
def test_divisors_are_all_that_divide(number):
    assert divisors(number) == [d for d in range(1, number + 1) if number % d == 0]


@pytest.mark.parametrize(
    ("fields", "where", "instead"),
    [
        ({"placement": ("tp", "dp", "pp")}, "plan.placement", "write each of"),
        ({"placement": ("tp", "tp", "dp", "pp", "cp")}, "plan.placement", "write each of"),
        ({"dp": 2, "ep": 3}, "plan.ep", "write 2"),
        ({"schedule": "interleaved", "virtual": 2}, "plan.schedule", "write 1f1b"),
        ({"schedule": "interleaved", "pp": 2}, "plan.virtual", "write virtual 2"),
        ({"virtual": 2, "pp": 2}, "plan.virtual", "interleaved"),
        (
            {"virtual": 2, "pp": 3, "schedule": "interleaved", "micro_batch": 1},
            "plan.micro_batch",
            "a multiple of 3",
        ),
        ({"micro_batch": 3}, "plan.micro_batch", "write 2 or 4"),
        ({"dp": 64, "micro_batch": 4}, "plan.micro_batch", "write at most 2"),
        ({"micro_batch": 1, "time_chunks": MOST_PASSES}, "plan.time_chunks", "write less"),
    ],
)
def test_what_excludes_each_other_is_refused(fields, where, instead):
    with pytest.raises(InputError) as error:
        check(Plan(**fields), CharLM(batch=128), VOLTA)
    assert error.value.where == where
    assert instead in error.value.instead


@pytest.mark.parametrize("offload", ["optimizer", "activations"])
def test_what_waits_at_the_host_needs_a_way_there(offload):
    with pytest.raises(InputError, match=r"device\.pcie: .*plan\.offload=none"):
        check(Plan(offload=offload), CharLM(), catalog.load("cpu-epyc"))


def test_weak_scaling_multiplies_the_batch_up_to_what_one_may_have():
    weak = Plan(dp=8, scaling="weak")
    assert scaled(CharLM(batch=32), weak).batch == 256
    assert samples(weak, scaled(CharLM(batch=32), weak)) == 32
    with pytest.raises(InputError, match=r"plan\.dp: .*write at most 4"):
        scaled(CharLM(batch=MOST_SAMPLES // 4), weak)
