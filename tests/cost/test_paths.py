"""The paths that a system's links give: topologies, tiers, kinds of links and what they reach."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.algorithms import Path
from hwsim.cost.calibration import Reach
from hwsim.cost.calibration import load as load_calibration
from hwsim.cost.paths import kinds_used, network_path, node_path, reach_of, switch_path
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.spec import Link, Node, System, Tier

DEFAULT = load_calibration()
IDEAL = DEFAULT.model_copy(update={"links": DEFAULT.links.ideal()})
DEVICE = catalog.load("v100-sxm2-16gb").device
DGX1 = catalog.load("dgx-1-v100")


def system(node, network=(), **fields):
    return System(name="toy", device=DEVICE, node=node, network=network, **fields)


def switch(devices, bandwidth=100e9, latency=1e-6, kind="NVLink"):
    link = Link(kind=kind, bandwidth=bandwidth, latency=latency)
    return Node(devices=devices, topology="switch", link=link)


def tier(bandwidth, nodes=None, ports=1, oversubscription=1.0, kind="InfiniBand"):
    return Tier(
        name="net",
        kind=kind,
        ports=ports,
        bandwidth=bandwidth,
        latency=10e-6,
        nodes=nodes,
        oversubscription=oversubscription,
    )


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
        ("PCIe 3.0 x16, root complex", "root"),
        ("QPI between the sockets", "host"),
        ("UPI", "host"),
        ("gloo", "gloo"),
        ("ICI", "other"),
        ("Infinity Fabric", "other"),
    ],
)
def test_each_kind_of_link_reaches_its_share(kind, field):
    reach = getattr(DEFAULT.links, field)
    assert reach_of(kind, DEFAULT.links) == reach
    path = node_path(switch(8, kind=kind), 8, DEFAULT)
    assert path.bandwidth == pytest.approx(100e9 * reach.share)
    assert path.latency == pytest.approx(1e-6 * reach.latency)
    assert kinds_used(system(switch(8, kind=kind)), 8) == {field}


@pytest.mark.parametrize(
    ("topology", "kind", "field"),
    [
        ("switch", "InfiniBand NDR", "network"),
        ("switch", "AWS EFA", "efa"),
        ("pcie-tree", "InfiniBand FDR", "staged"),
        ("pcie-tree", "gloo", "gloo"),
    ],
)
def test_networks_go_by_kind_and_by_what_a_node_is(topology, kind, field):
    node = switch(4, kind="PCIe 3.0 x16").model_copy(update={"topology": topology})
    pod = system(node, (tier(50e9, kind=kind),))
    assert kinds_used(pod, 8) == {"pcie", field}
    reach = getattr(DEFAULT.links, field)
    assert network_path(pod, 2, DEFAULT).bandwidth == pytest.approx(50e9 * reach.share)


def test_only_switches_that_reduce_have_a_path_to_reduce_over():
    assert switch_path(catalog.load("dgx-a100-80gb").node, DEFAULT) is None
    for name, field in (("dgx-h100", "in_switch"), ("dgx-b200", "in_switch5")):
        box = catalog.load(name)
        reach = getattr(DEFAULT.links, field)
        path = switch_path(box.node, DEFAULT)
        assert path.bandwidth == pytest.approx(box.node.link.bandwidth * reach.share)
        assert kinds_used(box, 8) == {"nvlink", field}


def test_what_is_longer_than_near_moves_at_another_share():
    reach = Reach(share=0.5, latency=1, call=0, fill=0, short=1, near=4e6, far=0.25)
    links = DEFAULT.links.model_copy(update={"gloo": reach})
    path = node_path(switch(2, kind="gloo"), 2, DEFAULT.model_copy(update={"links": links}))
    assert path.moving(6e6, 1.0) == pytest.approx(4e6 / 50e9 + 2e6 / 25e9)
