"""A system, a workload and a plan, each field reachable by its path."""

import pytest

from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.study.subject import Subject
from workloads.charlm import CharLM

VOLTA = Subject(catalog.load("volta"), CharLM())


def test_the_default_plan_is_one_device():
    assert VOLTA.plan == Plan()


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        (
            "device.memory.bandwidth",
            "1.8TB/s",
            lambda s: s.system.device.memory.bandwidth == 1.8e12,
        ),
        ("node.link.latency", "1 us", lambda s: s.system.node.link.latency == pytest.approx(1e-6)),
        ("network.0.ports", "2", lambda s: s.system.network[0].ports == 2),
        ("nodes", "4", lambda s: s.system.nodes == 4),
        ("device", "l4", lambda s: s.system.device.name == "l4"),
        ("workload.hidden", "64", lambda s: s.workload.hidden == 64),
        ("workload.corpus", "5", lambda s: s.workload.corpus == "5"),
        ("workload.learning_rate", "2e-3", lambda s: s.workload.learning_rate == 2e-3),
        ("plan.dp", "8", lambda s: s.plan.dp == 8),
        ("plan.bucket", "1 MiB", lambda s: s.plan.bucket == 2**20),
        ("plan.overlap", "false", lambda s: s.plan.overlap is False),
        ("software", "fsdp-2023", lambda s: s.software and s.plan.zero == 3),
    ],
)
def test_a_field_is_set_and_the_subject_stays(path, text, found):
    assert found(VOLTA.with_settings({path: text}))
    assert not found(VOLTA)


def test_several_are_set_at_once():
    changed = VOLTA.with_settings({"plan.dp": "4", "workload.batch": "64", "nodes": "2"})
    assert (changed.plan.dp, changed.workload.batch, changed.system.nodes) == (4, 64, 2)


def test_a_profile_gives_way_to_what_is_set_before_or_behind_it():
    first = VOLTA.with_settings({"plan.zero": "1", "software": "fsdp-2023"})
    then = VOLTA.with_settings({"software": "fsdp-2023"}).with_settings({"plan.zero": "1"})
    assert first == then
    assert first.plan.zero == 1
    assert first.with_settings({"software": "none"}) == VOLTA.with_settings({"plan.zero": "1"})


def test_fields_of_a_profile_are_set():
    named = VOLTA.with_settings({"software": "fsdp-2023", "software.gradients": "4"})
    assert (named.software.gradients, named.software.name) == (4, "fsdp-2023")
    assert named.with_settings({"software.accumulate": "0"}).software.gradients == 4


def test_a_factor_multiplies_what_is_there():
    twice = {
        **{"device.memory.bandwidth": "2x", "workload.hidden": "2x", "plan.bucket": "2x"},
        **{"plan.dp": "4x", "run.startup": "3x"},
    }
    found = VOLTA.with_settings({"run.startup": "1 min"}).with_settings(twice)
    assert found.system.device.memory.bandwidth == 2 * VOLTA.system.device.memory.bandwidth
    assert found.workload.hidden == 2 * VOLTA.workload.hidden
    assert found.plan.bucket == 2 * VOLTA.plan.bucket
    assert (found.plan.dp, found.run.startup) == (4 * VOLTA.plan.dp, 180.0)


def test_nothing_set_is_nothing_changed():
    assert VOLTA.with_settings({}) == VOLTA


@pytest.mark.parametrize(
    ("path", "text", "fragments"),
    [
        ("hidden", "64", ["hidden", "workload."]),
        ("workload", "64", ["workload", "workload."]),
        ("plan", "8", ["plan"]),
        ("plan.", "8", ["plan."]),
        ("workload.hiden", "64", ["workload.hiden", "hidden"]),
        ("plan.pd", "8", ["plan.pd", "dp"]),
        ("software.accumulate", "0", ["software.accumulate", "software=NAME"]),
        ("software", "fsdp-2032", ["fsdp-2032", "fsdp-2023"]),
        ("plan.dp", "eight", ["plan.dp", "eight", "whole number"]),
        ("plan.dp", "2.5", ["plan.dp", "2.5", "whole number"]),
        ("plan.bucket", "25", ["plan.bucket", "25", "without a unit"]),
        ("plan.bucket", "25.0", ["plan.bucket", "25.0", "without a unit"]),
        ("plan.bucket", "nan", ["plan.bucket", "nan"]),
        ("plan.overlap", "yes", ["plan.overlap", "yes", "true or false"]),
        ("plan.dp", "[" * 20_000, ["plan.dp", "whole number"]),
        ("plan.dp", "9" * 5_000, ["plan.dp", "whole number"]),
    ],
)
def test_a_fault_names_path_value_and_correction(path, text, fragments):
    with pytest.raises(InputError) as error:
        VOLTA.with_settings({path: text})
    for fragment in fragments:
        assert fragment in str(error.value)
    assert len(str(error.value)) < 350
