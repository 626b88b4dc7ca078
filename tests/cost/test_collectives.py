"""Collectives over links: rings by hand, what a topology gives, and measured bus bandwidths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load as load_calibration
from hwsim.cost.collectives import (
    Path,
    all_gather,
    all_reduce,
    network_path,
    node_path,
    ring_all_gather,
    ring_all_reduce,
)
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.spec import Link, Node, System, Tier

DEFAULT = load_calibration()
EVERY_LINK = dict.fromkeys(type(DEFAULT.links).model_fields, 1.0)
IDEAL = DEFAULT.model_copy(update={"links": DEFAULT.links.model_copy(update=EVERY_LINK)})
DEVICE = catalog.load("v100-sxm2-16gb").device
DGX1 = catalog.load("dgx-1-v100")
sizes = st.floats(0.0, 1e12)


def system(node, network=(), **fields):
    return System(name="toy", device=DEVICE, node=node, network=network, **fields)


def switch(devices, bandwidth=100e9, latency=1e-6, kind="NVLink"):
    link = Link(kind=kind, bandwidth=bandwidth, latency=latency)
    return Node(devices=devices, topology="switch", link=link)


def tier(bandwidth, nodes=None, ports=1, oversubscription=1.0):
    return Tier(
        name="net",
        kind="InfiniBand",
        ports=ports,
        bandwidth=bandwidth,
        latency=10e-6,
        nodes=nodes,
        oversubscription=oversubscription,
    )


def test_a_ring_by_hand():
    # 4 members, 8 MB: 6 steps of 2 MB at 1 GB/s and 5 us each.
    assert ring_all_reduce(8e6, 4, Path(1e9, 5e-6)) == pytest.approx(6 * (2e-3 + 5e-6))


def test_an_all_gather_is_half_an_all_reduce():
    # 4 members, 8 MB: 3 steps of 2 MB at 1 GB/s and 5 us each.
    assert ring_all_gather(8e6, 4, Path(1e9, 5e-6)) == pytest.approx(3 * (2e-3 + 5e-6))
    pod = system(switch(4), (tier(50e9),))
    gathered, summed = (cost(1e9, 16, pod, IDEAL) for cost in (all_gather, all_reduce))
    assert 2 * gathered == pytest.approx(summed)


def test_no_bytes_cost_the_latency_alone():
    assert ring_all_reduce(0.0, 4, Path(1e9, 5e-6)) == pytest.approx(30e-6)


def test_a_ring_of_one_is_free():
    assert ring_all_reduce(8e6, 1, Path(1e9, 5e-6)) == 0.0


@given(st.lists(st.tuples(sizes, st.integers(1, 64)), min_size=1, max_size=8))
@settings(deadline=None, max_examples=30)
def test_arrays_are_their_elements(rows):
    size, members = np.array(rows, dtype=float).T
    times = ring_all_reduce(size, members, Path(25e9, 3e-6))
    for time, (s, n) in zip(times, rows, strict=True):
        assert time == pytest.approx(ring_all_reduce(s, n, Path(25e9, 3e-6)), rel=1e-12)


@given(sizes, st.integers(2, 512), st.floats(1e6, 1e12), st.floats(0, 1e-3), st.floats(1.0, 10.0))
@settings(deadline=None, max_examples=50)
def test_a_better_path_and_fewer_bytes_are_never_slower(size, members, bandwidth, latency, factor):
    time = ring_all_reduce(size, members, Path(bandwidth, latency))
    assert ring_all_reduce(size, members, Path(bandwidth * factor, latency)) <= time
    assert ring_all_reduce(size, members, Path(bandwidth, latency / factor)) <= time
    assert ring_all_reduce(size / factor, members, Path(bandwidth, latency)) <= time


def test_one_device_has_nothing_to_sum():
    alone = catalog.load("l4")
    assert all_reduce(1e9, 1, alone, DEFAULT) == 0.0
    assert all_reduce(1e9, 1, DGX1, DEFAULT) == 0.0


def test_inside_a_node_it_is_a_ring():
    box = system(switch(8))
    expected = ring_all_reduce(1e9, 4, Path(100e9, 1e-6))
    assert all_reduce(1e9, 4, box, IDEAL) == pytest.approx(expected)


def test_two_nodes_by_hand():
    # Inside, a ring of 4: 6 steps of 1/4 GB at 100 GB/s. Between the 2 nodes, 2 steps of 1/2 GB
    # through 2 ports of 12.5 GB/s.
    pod = system(switch(4), (tier(12.5e9, ports=2),))
    inside = 6 * (0.25e9 / 100e9 + 1e-6)
    between = 2 * (0.5e9 / 25e9 + 10e-6)
    assert all_reduce(1e9, 8, pod, IDEAL) == pytest.approx(inside + between)


def test_nodes_of_one_device_use_the_network_alone():
    single = system(Node(devices=1, topology="single"), (tier(12.5e9),))
    assert all_reduce(1e9, 2, single, IDEAL) == pytest.approx(2 * (0.5e9 / 12.5e9 + 10e-6))


def test_a_started_node_counts_as_one():
    pod = system(switch(4), (tier(12.5e9),))
    assert all_reduce(1e9, 5, pod, IDEAL) == all_reduce(1e9, 8, pod, IDEAL)


def test_two_devices_of_a_mesh_use_the_links_between_them():
    # nvidia-smi topo -m of a DGX-1 V100: devices 0 and 1 share one of their six links, and the
    # eight together use all of them.
    pair, whole = (node_path(DGX1.node, n, IDEAL).bandwidth for n in (2, 8))
    assert pair == pytest.approx(25e9)
    assert whole == pytest.approx(150e9)


@given(st.integers(2, 8))
@settings(deadline=None, max_examples=7)
def test_a_mesh_never_gives_more_than_all_links(devices):
    assert 15.75e9 <= node_path(DGX1.node, devices, IDEAL).bandwidth <= 150e9 * (1 + 1e-12)


def test_a_member_with_one_neighbor_closes_no_ring():
    # Of the first five devices of a DGX-1, the fifth is joined to the first alone.
    host = DGX1.node.host_link
    assert node_path(DGX1.node, 5, IDEAL) == Path(host.bandwidth, host.latency)


def test_members_without_a_link_go_over_the_host():
    link = Link(kind="NVLink", bandwidth=100e9, latency=1e-6)
    host = Link(kind="PCIe 3.0 x16", bandwidth=15.75e9, latency=5e-6)
    pairs = ((0, 2, 1), (0, 3, 1), (1, 2, 1), (1, 3, 1))
    node = Node(
        devices=4, topology="mesh", link=link, pairs=pairs, links_per_device=2, host_link=host
    )
    assert node_path(node, 2, IDEAL) == Path(15.75e9, 5e-6)
    assert node_path(node, 4, IDEAL) == Path(100e9, 1e-6)
    with pytest.raises(InputError, match="host_link"):
        node_path(node.model_copy(update={"host_link": None}), 2, IDEAL)


def test_a_mesh_without_pairs_is_taken_as_even():
    link = Link(kind="ICI", bandwidth=270e9, latency=1e-6)
    node = Node(devices=16, topology="mesh", link=link)
    assert node_path(node, 16, IDEAL) == Path(270e9, 1e-6)
    assert node_path(node, 4, IDEAL).bandwidth == pytest.approx(270e9 * 3 / 15)


@pytest.mark.parametrize(("devices", "dimensions"), [(2, 1), (4, 2), (8, 3), (64, 3)])
def test_a_torus_gives_the_links_of_the_dimensions_that_a_group_spans(devices, dimensions):
    link = Link(kind="ICI", bandwidth=270e9, latency=1e-6)
    node = Node(devices=4096, topology="torus", link=link, links_per_device=6)
    assert node_path(node, devices, IDEAL).bandwidth == pytest.approx(90e9 * dimensions)


def test_a_pcie_tree_is_as_fast_as_its_path_between_the_sockets():
    tree = catalog.load("maxwell").node
    assert node_path(tree, 8, IDEAL) == Path(tree.host_link.bandwidth, tree.host_link.latency)
    wide = tree.host_link.model_copy(update={"bandwidth": 100e9})
    faster = tree.model_copy(update={"host_link": wide})
    assert node_path(faster, 8, IDEAL).bandwidth == tree.link.bandwidth
    alone = tree.model_copy(update={"host_link": None})
    assert node_path(alone, 8, IDEAL).bandwidth == tree.link.bandwidth


def test_devices_without_a_link_can_not_sum():
    with pytest.raises(InputError, match=r"node\.link"):
        node_path(Node(devices=1, topology="single"), 2, IDEAL)


def test_the_first_tier_that_reaches_all_is_used():
    pod = system(switch(4), (tier(100e9, nodes=4), tier(50e9, nodes=64), tier(10e9)))
    found = [network_path(pod, nodes, IDEAL).bandwidth for nodes in (2, 4, 5, 64, 65, 10_000)]
    assert found == [100e9, 100e9, 50e9, 50e9, 10e9, 10e9]


def test_ports_add_up_and_oversubscription_divides():
    pod = system(switch(4), (tier(50e9, ports=8, oversubscription=2.0),))
    assert network_path(pod, 2, IDEAL).bandwidth == pytest.approx(200e9)


@pytest.mark.parametrize("network", [(), (tier(100e9, nodes=4),)])
def test_more_nodes_than_the_network_joins_are_refused(network):
    with pytest.raises(InputError) as error:
        network_path(system(switch(8), network), 5, IDEAL)
    assert "5 nodes" in error.value.what
    assert f"at most {32 if network else 8} devices" in error.value.instead


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("NVLink 4, NVSwitch", "nvlink"),
        ("PCIe 4.0 x16", "pcie"),
        ("QPI between the sockets", "host"),
        ("UPI", "host"),
        ("ICI", "other"),
        ("Infinity Fabric", "other"),
    ],
)
def test_each_kind_of_link_has_its_share(kind, field):
    path = node_path(switch(8, kind=kind), 8, DEFAULT)
    assert path.bandwidth == pytest.approx(100e9 * getattr(DEFAULT.links, field))


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        # all_reduce_perf and all_reduce_bench at the largest sizes, ring: ml-engineering,
        # network/README.md and network/benchmarks (Bekman); 8 devices.
        ("dgx-a100-80gb", 235e9),
        ("dgx-h100", 367e9),
        # nccl_mpi all-reduce of the largest arrays on two sockets over PCIe 3: baidu-research/
        # DeepBench, results/train.
        ("maxwell", 6e9),
    ],
)
def test_bus_bandwidth_is_what_was_measured(name, measured):
    # Bus bandwidth: 2 (n - 1) / n x bytes / t (nccl-tests, doc/PERFORMANCE.md).
    devices, size = 8, 2.0**30
    seconds = all_reduce(size, devices, catalog.load(name), DEFAULT)
    bus = 2 * (devices - 1) / devices * size / seconds
    assert bus == pytest.approx(measured, rel=0.25)
