"""Transfers of placed groups: loads, sharing, topologies, and bounds over every shipped system."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load as load_calibration
from hwsim.cost.collectives import (
    ALGORITHMS,
    COLLECTIVES,
    all_gather,
    all_reduce,
    all_to_all,
    broadcast,
    chosen,
    reduce_scatter,
    transfer,
)
from hwsim.cost.groups import Group, placed
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.spec import Link, Node, System, Tier

DEFAULT = load_calibration()
IDEAL = DEFAULT.model_copy(update={"links": DEFAULT.links.ideal()})
H100, DGX1, POD = (catalog.load(name) for name in ("dgx-h100", "dgx-1-v100", "tpu-v4-pod"))
SYSTEMS = [catalog.load(one.name) for one in catalog.shipped() if one.kind == "system"]
FUNCTIONS = (all_reduce, all_gather, reduce_scatter, all_to_all, broadcast)
GROUPS = (
    Group(8),
    Group(2, stride=4, neighbors=4),
    Group(1, 16, stride=8, span=16, sharing=8),
    Group(4, 4, stride=2, span=4, sharing=2, neighbors=2),
    Group(1, 2, span=2),
)
groups = st.sampled_from(GROUPS)
sizes = st.floats(0.0, 1e12)


def system(devices=8, *, ports=1, oversubscription=1.0, topology="fat-tree", **node):
    link = Link(kind="NVLink", bandwidth=100e9, latency=1e-6)
    tier = Tier(
        name="net",
        kind="RoCE",
        ports=ports,
        bandwidth=10e9,
        latency=10e-6,
        topology=topology,
        oversubscription=oversubscription,
    )
    made = Node(**{"devices": devices, "topology": "switch", "link": link, **node})
    return System(name="toy", device=H100.device, node=made, network=(tier,))


def moving(collective, size, group, system, calibration=IDEAL):
    found = transfer(collective, size, group, system, calibration)
    return found.seconds - found.fixed


@pytest.mark.parametrize("devices", [1, 2, 3, 8, 9, 24, 1000])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.__name__)
def test_a_number_a_group_and_a_transfer_agree_to_the_bit(function, devices):
    for one in (H100, POD):
        group = placed(devices, one.node.devices)
        for size in (0.0, 1e4, 1e9):
            time = function(size, devices, one, DEFAULT)
            assert function(size, group, one, DEFAULT) == time
            assert transfer(function.__name__, size, group, one, DEFAULT).seconds == time


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_one_device_has_nothing_to_say(collective):
    found = transfer(collective, 1e9, Group(1), H100, DEFAULT)
    assert found[:4] == (0.0, 0.0, (), 0.0)


@pytest.mark.parametrize("collective", COLLECTIVES)
@pytest.mark.parametrize("group", GROUPS)
def test_nothing_takes_the_fixed_time_and_loads_nothing(collective, group):
    found = transfer(collective, 0.0, group, H100, DEFAULT)
    assert found.seconds == found.fixed > 0
    assert all(load == 0 for _, load in found.loads)


@pytest.mark.parametrize("collective", COLLECTIVES)
@given(groups, sizes)
@settings(deadline=None, max_examples=15)
def test_loads_are_shares_and_fixed_time_a_part(collective, group, size):
    found = transfer(collective, size, group, H100, DEFAULT)
    assert 0 < found.fixed <= found.seconds
    assert all(0 <= load <= 1 for _, load in found.loads)
    assert [kind for kind, _ in found.loads] == [
        *["node"] * (group.inside > 1 and (collective != "send" or group.nodes == 1)),
        *["network"] * (group.nodes > 1),
    ]


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_arrays_are_their_elements(collective):
    each = np.array([0.0, 1e3, 1e6, 1e9])
    for group in GROUPS:
        found = transfer(collective, each, group, H100, DEFAULT)
        for place, size in enumerate(each):
            alone = transfer(collective, float(size), group, H100, DEFAULT)
            assert found.seconds[place] == pytest.approx(alone.seconds, rel=1e-12)
            assert found.spread[place] == alone.spread
            loads = {kind: load[place] for kind, load in found.loads}
            assert loads == pytest.approx(dict(alone.loads), rel=1e-12)


def test_a_ring_of_one_in_each_node_loads_its_ports_and_no_link_inside():
    group = Group(1, 16, stride=8, span=16, sharing=8)
    found = transfer("all_gather", 1e9, group, system(ports=8), IDEAL)
    assert found.loads == (("network", pytest.approx(1.0)),)
    assert found.seconds == pytest.approx(15 / 16 / 10 + 15 * 10e-6)


def test_a_ring_over_whole_nodes_loads_links_by_how_much_faster_they_are():
    found = transfer("all_gather", 1e9, 16, system(ports=4), IDEAL)
    assert dict(found.loads) == pytest.approx({"node": 40 / 100, "network": 1.0})


def test_a_pair_in_a_mesh_loads_the_links_between_the_two():
    # Devices 0 and 1 of a DGX-1 V100 share one of their six links, 0 and 3 two.
    for places, share in (((0, 1), 1 / 6), ((0, 3), 2 / 6)):
        found = transfer("send", 1e9, Group(2, places=places), DGX1, IDEAL)
        assert found.loads == (("node", pytest.approx(share)),)
        assert found.seconds - found.fixed == pytest.approx(1e9 / (share * 150e9))


def test_members_that_no_link_joins_go_over_the_host_together():
    # Devices 1 and 4 of a DGX-1 V100 have no link of their own.
    alone, four = (
        transfer("send", 1e9, Group(2, places=(1, 4), neighbors=n), DGX1, IDEAL) for n in (1, 4)
    )
    assert alone.loads == (("host", 1.0),)
    assert four.seconds - four.fixed == pytest.approx(4 * (alone.seconds - alone.fixed))


def test_neighbors_share_the_path_between_the_sockets_of_a_tree_and_nothing_behind_a_switch():
    tree = catalog.load("maxwell")
    alone, pair = (moving("all_reduce", 1e9, Group(2, neighbors=n), tree) for n in (1, 2))
    assert pair == pytest.approx(2 * alone)
    assert transfer("all_reduce", 1e9, Group(2), tree, IDEAL).loads == (("host", 1.0),)
    alone, pair = (moving("all_reduce", 1e9, Group(2, neighbors=n), H100) for n in (1, 2))
    assert pair == alone


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_groups_that_share_a_port_move_in_turn(collective):
    one = Group(1, 8, stride=2, span=8)
    alone, pair = (moving(collective, 1e9, one._replace(sharing=n), system(2)) for n in (1, 2))
    assert pair == pytest.approx(2 * alone)


@pytest.mark.parametrize("collective", COLLECTIVES)
@given(st.floats(1.0, 16.0))
@settings(deadline=None, max_examples=5)
def test_oversubscription_multiplies_the_moving_time(collective, times):
    group = Group(1, 8, stride=8, span=8, sharing=8)
    even, narrow = (
        moving(collective, 1e9, group, system(ports=8, oversubscription=o)) for o in (1.0, times)
    )
    assert narrow == pytest.approx(times * even)


def test_a_device_sends_through_its_own_ports():
    # 8 ports for 8 devices: one each, also when the others are silent; one port of 8 for all: it.
    for ports, sharing, rate in ((8, 1, 10e9), (8, 8, 10e9), (1, 1, 10e9), (1, 8, 1.25e9)):
        hop = Group(1, 2, span=2, sharing=sharing)
        assert moving("send", 1e9, hop, system(ports=ports)) == pytest.approx(1e9 / rate)


def test_the_tier_is_that_of_the_span():
    near = Tier(name="leaf", kind="RoCE", ports=1, bandwidth=40e9, latency=1e-6, nodes=4)
    far = Tier(name="core", kind="RoCE", ports=1, bandwidth=10e9, latency=1e-6)
    pod = system(1).model_copy(update={"network": (near, far)})
    times = [moving("send", 1e9, Group(1, 2, span=span), pod) for span in (2, 4, 5)]
    assert times == pytest.approx([0.025, 0.025, 0.1])


def test_halos_by_hand():
    # Inside: to two neighbors at 100 GB/s. Across: one device to each side, through its own port.
    assert moving("halo", 1e9, Group(2), system()) == pytest.approx(0.01)
    assert moving("halo", 1e9, Group(8), system()) == pytest.approx(0.02)
    assert moving("halo", 1e9, Group(8, 2, span=2), system(ports=8)) == pytest.approx(0.05)
    assert moving("halo", 1e9, Group(8, 3, span=3), system(ports=8)) == pytest.approx(0.1)
    assert moving("halo", 1e9, Group(1, 3, span=3), system(ports=8)) == pytest.approx(0.2)


def test_a_torus_sums_along_its_axes():
    # 4 x 4 x 4 devices: 2 x 3 x 3 steps, where a ring through all has 2 x 63.
    torus, ring = (transfer("all_reduce", 1e3, 64, POD, IDEAL, name) for name in ("torus", "ring"))
    assert torus.fixed == pytest.approx(18e-6)
    assert ring.fixed == pytest.approx(126e-6)
    assert chosen("all_reduce", 1e3, 64, POD, IDEAL) == "torus"
    assert torus.seconds - torus.fixed == pytest.approx(2 * 63 / 64 * 1e3 / 270e9)
    assert transfer("all_gather", 1e3, 64, POD, IDEAL).fixed == pytest.approx(9e-6)
    assert transfer("broadcast", 1e3, 64, POD, IDEAL).fixed == pytest.approx(9e-6)


def test_nodes_in_a_torus_sum_along_its_axes():
    net = system(1, ports=6, topology="torus")
    found = transfer("all_reduce", 0.0, Group(1, 64), net, IDEAL, "torus")
    assert found.seconds == pytest.approx(18 * 10e-6)
    times = [moving("all_gather", 1e9, Group(1, n), net) for n in (2, 64)]
    assert times == pytest.approx([0.5 / 20, 63 / 64 / 60])


def test_an_all_to_all_is_held_up_in_the_middle_of_a_torus():
    # Half of 16 x 16 x 16 devices sends a quarter of all bytes over 2 x 16 x 16 links of 45 GB/s.
    time = moving("all_to_all", 1e9, 4096, POD)
    assert time == pytest.approx(4096 / 4 * 1e9 / (512 * 45e9))


def test_an_all_to_all_is_held_up_between_the_halves_of_a_mesh():
    low, high = range(4), range(4, 8)
    links = sum(count for a, b, count in DGX1.node.pairs if a in low and b in high)
    assert moving("all_to_all", 1e9, 8, DGX1) == pytest.approx(2e9 / (links * 25e9))


@pytest.mark.parametrize("one", SYSTEMS, ids=lambda one: one.name)
@given(
    st.sampled_from([2, 4, 8, 16, 64]), st.floats(1e3, 1e12), st.sampled_from([*ALGORITHMS, None])
)
@settings(deadline=None, max_examples=15)
def test_no_all_reduce_beats_the_links(one, devices, size, algorithm):
    # Each device has to send 2 (n - 1) / n of the bytes, and a node as much to the others; a switch
    # that sums spares a device half of it.
    group = placed(devices, one.node.devices)
    try:
        time = all_reduce(size, devices, one, DEFAULT, algorithm)
    except InputError:
        with pytest.raises(InputError):
            all_reduce(0.0, devices, one, DEFAULT, algorithm)
        return
    inside = 2 * (group.inside - 1) / group.inside
    if algorithm in (None, "switch") and one.node.in_switch_reduction:
        inside = min(inside, 1.0)
    bounds = [inside * size / one.node.link.bandwidth if group.inside > 1 else 0.0]
    if group.nodes > 1:
        tier = one.network[0]
        across = 2 * (group.nodes - 1) / group.nodes
        bounds.append(across * size / (tier.ports * tier.bandwidth))
    assert time >= max(bounds)


@pytest.mark.parametrize("collective", COLLECTIVES)
@given(groups, sizes, st.floats(1.0, 100.0))
@settings(deadline=None, max_examples=10)
def test_fewer_bytes_and_faster_links_are_never_slower(collective, group, size, factor):
    most = transfer(collective, size, group, H100, DEFAULT).seconds * (1 + 1e-9)
    assert transfer(collective, size / factor, group, H100, DEFAULT).seconds <= most
    link, (net,) = H100.node.link, H100.network
    for field, by in (("bandwidth", factor), ("latency", 1 / factor)):
        better = {field: getattr(link, field) * by}
        node = H100.node.model_copy(update={"link": link.model_copy(update=better)})
        wires = net.model_copy(update={field: getattr(net, field) * by})
        faster = H100.model_copy(update={"node": node, "network": (wires,)})
        assert transfer(collective, size, group, faster, DEFAULT).seconds <= most


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_ideal_links_without_end_take_no_time(collective):
    link = {"bandwidth": float("inf"), "latency": 0.0}
    node = H100.node.model_copy(update={"link": H100.node.link.model_copy(update=link)})
    net = H100.network[0].model_copy(update=link)
    perfect = H100.model_copy(update={"node": node, "network": (net,)})
    for group in GROUPS:
        found = transfer(collective, 1e9, group, perfect, IDEAL)
        assert found.seconds == 0
        assert all(load == 0 for _, load in found.loads)


def test_halving_and_doubling_is_there_by_name_alone():
    named = [all_reduce(1e3, 1024, H100, DEFAULT, name) for name in ("halving-doubling", "ring")]
    assert named[0] < named[1]
    kinds = {chosen("all_reduce", size, 1024, H100, DEFAULT) for size in (1e3, 1e6, 1e9)}
    assert kinds <= {"ring", "tree", "switch"}


def test_the_algorithm_that_is_taken_has_its_name():
    for size in (1e3, 1e6, 1e9):
        name = chosen("all_reduce", size, 32, H100, DEFAULT)
        time = all_reduce(size, 32, H100, DEFAULT)
        assert all_reduce(size, 32, H100, DEFAULT, name) == time
    assert chosen("all_to_all", 1e6, 8, H100, DEFAULT) == "pairwise"
    assert chosen("halo", 1e6, 8, H100, DEFAULT) == "neighbors"
    assert chosen("send", 1e6, 2, H100, DEFAULT) == "direct"


def test_what_a_transfer_takes_of_its_device_goes_by_kind_of_link():
    inside, across = (
        transfer("all_gather", 2e6, one, H100, DEFAULT) for one in (GROUPS[0], GROUPS[2])
    )
    assert (inside.taken, across.taken) == (0.15, 0.02)
    assert inside.spread == DEFAULT.links.spread
    assert transfer("all_gather", 1e3, 8, H100, DEFAULT).spread == DEFAULT.links.small


@pytest.mark.parametrize(
    ("collective", "algorithm", "text"),
    [
        ("all_sum", None, "all_reduce"),
        ("all_gather", "tree", "'ring'"),
        ("all_reduce", "torus", "no torus"),
        ("all_reduce", "rings", "'ring'"),
    ],
)
def test_what_is_not_there_is_refused(collective, algorithm, text):
    with pytest.raises(InputError, match=text):
        transfer(collective, 1e6, 8, H100, DEFAULT, algorithm)


def test_nodes_without_a_network_are_refused():
    with pytest.raises(InputError, match="2 nodes"):
        transfer("send", 1e6, Group(1, 2), catalog.load("cpu-epyc-2"), DEFAULT)
