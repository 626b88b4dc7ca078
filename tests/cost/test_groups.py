"""Groups that a number of devices stands for."""

import pytest

from hwsim.cost.groups import Group, placed


@pytest.mark.parametrize(
    ("devices", "inside", "nodes"), [(1, 1, 1), (5, 5, 1), (8, 8, 1), (9, 8, 2), (64, 8, 8)]
)
def test_a_number_is_the_first_devices(devices, inside, nodes):
    found = placed(devices, 8)
    assert found == Group(inside, nodes, span=nodes)
    assert found.devices >= devices


def test_a_group_stays_itself():
    group = Group(2, 4, stride=8, span=8, sharing=3)
    assert placed(group, 8) is group
