"""The links that a table names: ports, racks, and what is assumed where it doesn't say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.measurement import Case
from calibration.predict.basis import Basis
from calibration.predict.systems import INFINIBAND, network_of, system_of
from calibration.shapes import Collective
from hwsim.cost.calibration import load_for
from hwsim.errors import InputError

BASIS = Basis(load_for)
SUM = Collective(collective="all_reduce", bytes=1 << 30)
GIGABIT = 1e9 / 8


def case_of(devices, inside=8, inter="8xib-ndr", device="h100-sxm-80gb", intra="nvlink4-nvswitch"):
    return Case(
        shape=SUM,
        device=device,
        devices=devices,
        devices_per_node=inside,
        intra_link=intra,
        inter_link=inter,
    )


def rack(devices):
    return case_of(devices, 72, "72xib-xdr", "gb300", "nvlink5-nvswitch")


@pytest.mark.parametrize("devices", [8, 32, 64, 72])
def test_a_rack_is_one_node(devices):
    system = system_of(rack(devices), BASIS)
    assert (system.nodes, system.node.devices, system.network) == (1, 72, ())
    assert network_of(rack(devices)) == (None, None)


@pytest.mark.parametrize(
    ("devices", "racks"), [(128, 2), (144, 2), (256, 4), (512, 8), (1024, 16), (2048, 32)]
)
def test_a_job_takes_as_many_of_each_rack_with_a_port_each(devices, racks):
    system = system_of(rack(devices), BASIS)
    assert system.nodes == racks
    assert system.node.devices * racks == devices
    assert system.network[0].ports == system.node.devices
    assert system.network[0].bandwidth == 800 * GIGABIT


@given(nodes=st.integers(2, 500), inside=st.sampled_from([4, 8, 16, 72]))
@settings(deadline=None, max_examples=30)
def test_whole_nodes_stay_whole(nodes, inside):
    system = system_of(case_of(nodes * inside, inside, f"{inside}xib-hdr"), BASIS)
    assert (system.nodes, system.node.devices) == (nodes, inside)
    assert system.network[0].ports == inside


def test_an_odd_number_of_devices_leaves_the_last_node_part_empty():
    system = system_of(case_of(17, inter="4xib-hdr"), BASIS)
    assert (system.nodes, system.node.devices, system.network[0].ports) == (3, 8, 4)


@pytest.mark.parametrize(
    ("written", "ports", "gigabits"),
    [
        *((f"8xib-{name}", 8, rate) for name, rate in INFINIBAND.items()),
        ("4xopa-100", 4, 100),
        ("8xroce-200g", 8, 200),
        ("16xRoCE-400G", 16, 400),
        ("1xefa-100g", 1, 100),
        ("32xefa-400g", 32, 400),
        ("8xrdma-400g", 8, 400),
        ("2xethernet-25g", 2, 25),
        ("ib-fdr", 1, 56),
    ],
)
def test_a_network_has_its_ports_and_their_rate(written, ports, gigabits):
    (tier,) = system_of(case_of(16, inter=written), BASIS).network
    assert (tier.ports, tier.bandwidth) == (ports, gigabits * GIGABIT)


def test_what_is_stated_is_not_assumed():
    assert network_of(case_of(16, inter="4xopa-100")) == ("4xopa-100", None)


def test_ports_that_are_not_counted_are_one():
    name, assumed = network_of(case_of(16, inter="ib-fdr"))
    assert name == "1xib-fdr"
    assert "one port" in assumed


@pytest.mark.parametrize(
    ("device", "usual"),
    [
        ("v100-sxm2-16gb", "edr"),
        ("a100-sxm-80gb", "hdr"),
        ("h100-sxm-80gb", "ndr"),
        ("gh200", "ndr"),
        ("gb200", "ndr"),
        ("b300-sxm", "xdr"),
        ("gb300", "xdr"),
    ],
)
@pytest.mark.parametrize("written", [None, "unknown", "ethernet"])
def test_a_network_without_a_rate_is_the_usual_one_and_said_to_be_assumed(device, usual, written):
    case = case_of(32, inter=written, device=device)
    name, assumed = network_of(case)
    assert name == f"8xib-{usual}"
    assert name in assumed
    assert device in assumed
    assert system_of(case, BASIS) == system_of(case.model_copy(update={"inter_link": name}), BASIS)


def test_stated_ports_of_an_unstated_kind_are_kept():
    assert network_of(case_of(16, inter="4xroce"))[0] == "4xib-ndr"


@pytest.mark.parametrize("written", ["8xib-qdr", "0xib-hdr", "8xib-hdrr", "carrier pigeon", "8x"])
def test_a_network_of_no_known_kind_is_refused(written):
    with pytest.raises(InputError) as refused:
        network_of(case_of(16, inter=written))
    assert written in str(refused.value)
