"""Numbers of a subject: which there are, and their texts when they are scaled."""

import pytest

from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.study.sensitivity import quantity
from hwsim.study.subject import Subject
from workloads.transformer import Transformer

SUBJECT = Subject(catalog.load("dgx-h100"), Transformer())
PATHS = [one.path for one in quantity.machine(SUBJECT)]


def test_figures_of_every_part_of_the_machine_are_found():
    wanted = {
        *("device.matrix.bf16", "device.memory.bandwidth", "device.caches.l2.capacity"),
        *("device.launch.kernel", "device.multiprocessors", "device.pcie", "node.link.latency"),
        *("network.0.bandwidth", "network.0.latency", "network.0.ports"),
    }
    assert wanted <= set(PATHS)


def test_counts_prices_and_powers_are_left_out():
    last = {path.rpartition(".")[2] for path in PATHS}
    assert last.isdisjoint({"devices", "nodes", "year", "links_per_device", "hour", "limit"})


@pytest.mark.parametrize("path", PATHS)
def test_a_number_that_is_set_to_itself_stays(path):
    one = quantity.at(SUBJECT, path)
    try:
        same = SUBJECT.with_settings({path: one.setting})
    except InputError:
        return
    assert quantity.at(same, path).value == pytest.approx(one.value, rel=1e-12)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("device.memory.bandwidth", "6.7 TB/s"),
        ("device.pcie", "5.0 x32"),
        ("workload.hidden", "1536"),
        ("network.0.ports", "16"),
        ("run.startup", None),
    ],
)
def test_twice_a_number(path, text):
    if text is None:
        with pytest.raises(InputError, match=path):
            quantity.at(SUBJECT, path)
        return
    double = quantity.at(SUBJECT, path).times(2.0)
    assert double.text == text
    assert quantity.at(SUBJECT.with_settings({path: double.setting}), path).value == double.value


def test_a_whole_number_becomes_another_one_or_none():
    one = quantity.Quantity("plan.dp", 1.0, whole=True)
    assert one.times(1.01).value == 2.0
    assert quantity.Quantity("plan.dp", 8.0, whole=True).times(1 / 1.01).value == 7.0
    with pytest.raises(InputError, match=r"plan\.dp"):
        one.times(0.5)


@pytest.mark.parametrize("path", ["workload.hiden", "workload.dtype", "nothing"])
def test_what_is_no_number_is_refused(path):
    with pytest.raises(InputError, match=path):
        quantity.at(SUBJECT, path)
