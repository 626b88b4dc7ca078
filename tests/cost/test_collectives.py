"""Collectives over systems: by hand, the choice of the algorithm, and measured rates."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost import collectives
from hwsim.cost.calibration import load as load_calibration
from hwsim.cost.collectives import ALGORITHMS, all_gather, all_reduce, all_to_all, broadcast
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.spec import Link, Node, System, Tier

DEFAULT = load_calibration()
IDEAL = DEFAULT.model_copy(update={"links": DEFAULT.links.ideal()})
DEVICE = catalog.load("v100-sxm2-16gb").device
DGX1 = catalog.load("dgx-1-v100")
H100 = catalog.load("dgx-h100")
EVERY = [getattr(collectives, name) for name in collectives.__all__]
sizes = st.floats(0.0, 1e12)


def system(devices, network=(), *, reduces=False):
    link = Link(kind="NVLink", bandwidth=100e9, latency=1e-6)
    node = Node(devices=devices, topology="switch", link=link, in_switch_reduction=reduces)
    return System(name="toy", device=DEVICE, node=node, network=network)


def tier(bandwidth, ports=1):
    return Tier(name="net", kind="RoCE", ports=ports, bandwidth=bandwidth, latency=10e-6)


def test_inside_a_node_by_hand():
    # 4 devices, 1 GB at 100 GB/s: a ring has 6 steps of 1/4 GB; a tree is a chain of 6 steps that
    # moves 2 GB; a switch that reduces takes 2 steps and 5/4 GB.
    box = system(4, reduces=True)
    times = [all_reduce(1e9, 4, box, IDEAL, name) for name in ("ring", "tree", "switch")]
    assert times == pytest.approx([0.015 + 6e-6, 0.02 + 6e-6, 0.0125 + 2e-6])
    assert all_reduce(1e9, 4, box, IDEAL) == min(times)


def test_two_nodes_by_hand():
    # Two nodes of 4, 2 ports of 12.5 GB/s. A ring of 8: 14 steps, 2 of them between the nodes, and
    # 14/8 GB out of each node. Trees: 1 GB out of each node, 6 steps inside and 2 between.
    # Hierarchical: as long inside as a ring of 4, then 1 GB between the nodes.
    pod = system(4, (tier(12.5e9, ports=2),))
    ring, tree, staged = (
        all_reduce(1e9, 8, pod, IDEAL, n) for n in ("ring", "tree", "hierarchical")
    )
    assert ring == pytest.approx(1.75 / 25 + 12e-6 + 20e-6)
    assert tree == pytest.approx(1 / 25 + 6e-6 + 20e-6)
    assert staged == pytest.approx(1.5 / 100 + 1 / 25 + 6e-6 + 20e-6)


def test_the_other_collectives_by_hand():
    # 1 GB, two nodes of 4 joined by 25 GB/s: rings send 7/8 (all-gather) or all of it (broadcast)
    # over the network; in an all-to-all a node sends 4 x 4/8 GB out.
    pod = system(4, (tier(25e9),))
    latency = 6 * 1e-6 + 10e-6
    assert all_gather(1e9, 8, pod, IDEAL) == pytest.approx(0.875 / 25 + latency)
    assert collectives.reduce_scatter(1e9, 8, pod, IDEAL) == all_gather(1e9, 8, pod, IDEAL)
    assert broadcast(1e9, 8, pod, IDEAL) == pytest.approx(1 / 25 + latency)
    assert all_to_all(1e9, 8, pod, IDEAL) == pytest.approx(2 / 25 + 3e-6 + 10e-6)
    assert all_to_all(1e9, 4, pod, IDEAL) == pytest.approx(0.75 / 100 + 3e-6)


@pytest.mark.parametrize("collective", EVERY)
def test_one_device_has_nothing_to_do(collective):
    for alone in (catalog.load("l4"), DGX1, H100):
        assert collective(1e9, 1, alone, DEFAULT) == 0.0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_device_sums_nothing_whatever_the_algorithm(algorithm):
    assert all_reduce(1e9, 1, H100, DEFAULT, algorithm) == 0.0


@pytest.mark.parametrize("collective", EVERY)
@pytest.mark.parametrize("devices", [2, 8, 16])
def test_no_bytes_take_the_fixed_time_alone(collective, devices):
    quick = system(8, (tier(1e15),), reduces=True)
    nothing = collective(0.0, devices, H100, DEFAULT)
    assert 0 < nothing < 1e-3
    assert collective(0.0, devices, quick, IDEAL) < 1e-3
    assert nothing < collective(1e6, devices, H100, DEFAULT)


@pytest.mark.parametrize("collective", EVERY)
@given(sizes, st.sampled_from([2, 4, 8, 16, 256]), st.floats(1.0, 100.0))
@settings(deadline=None, max_examples=15)
def test_fewer_bytes_and_faster_links_are_never_slower(collective, size, devices, factor):
    time = collective(size, devices, H100, DEFAULT)
    assert collective(size / factor, devices, H100, DEFAULT) <= time * (1 + 1e-9)
    link, (net,) = H100.node.link, H100.network
    for field, by in (("bandwidth", factor), ("latency", 1 / factor)):
        better = {field: getattr(link, field) * by}
        node = H100.node.model_copy(update={"link": link.model_copy(update=better)})
        wires = net.model_copy(update={field: getattr(net, field) * by})
        faster = H100.model_copy(update={"node": node, "network": (wires,)})
        assert collective(size, devices, faster, DEFAULT) <= time * (1 + 1e-9)


@pytest.mark.parametrize("algorithm", ["ring", "tree", "hierarchical", None])
@given(sizes)
@settings(deadline=None, max_examples=10)
def test_more_devices_are_never_faster(algorithm, size):
    # Inside a node and over whole nodes: a tree of two has less to wait for than one long chain.
    pod = catalog.load("dgx-a100-80gb")
    for counts in ((2, 4, 8), (16, 32, 256)):
        times = [all_reduce(size, n, pod, DEFAULT, algorithm) for n in counts]
        assert all(a <= b * (1 + 1e-9) for a, b in pairwise(times))


@pytest.mark.parametrize("collective", EVERY)
@given(st.lists(sizes, min_size=1, max_size=6), st.sampled_from([1, 8, 16]))
@settings(deadline=None, max_examples=10)
def test_arrays_are_their_elements(collective, each, devices):
    times = collective(np.array(each), devices, H100, DEFAULT)
    alone = [collective(size, devices, H100, DEFAULT) for size in each]
    assert times == pytest.approx(np.array(alone), rel=1e-12)


def test_the_fastest_algorithm_is_taken():
    for size in (1e3, 1e6, 1e9):
        named = [all_reduce(size, 32, H100, DEFAULT, n) for n in ("ring", "tree", "switch")]
        assert all_reduce(size, 32, H100, DEFAULT) == min(named)


def test_a_tree_beats_a_ring_for_short_messages_over_many_nodes():
    pod = catalog.load("dgx-a100-80gb")
    tree, ring = (all_reduce(1e3, 1024, pod, DEFAULT, name) for name in ("tree", "ring"))
    assert tree < ring / 10
    assert all_reduce(1e3, 1024, pod, DEFAULT) == tree


def test_switches_that_reduce_move_half_of_what_a_ring_does():
    # (n + 1) / n against 2 (n - 1) / n of the bytes: 9/14 of the time at 8 devices, 73/142 at 72.
    for devices, ratio in ((8, 9 / 14), (72, 73 / 142)):
        box = system(devices, reduces=True)
        times = [all_reduce(1e15, devices, box, IDEAL, name) for name in ("switch", "ring")]
        assert times[0] / times[1] == pytest.approx(ratio, rel=1e-6)


def test_four_devices_gain_nothing_from_switches_that_reduce():
    # all_reduce_bench of 8 GiB on 4 and 8 of 8 H200: ml-engineering, network/README.md (Bekman).
    box = catalog.load("dgx-h200")
    for devices, gain in ((4, 1.0), (8, 1.29)):
        times = [all_reduce(2.0**33, devices, box, DEFAULT, name) for name in ("ring", "switch")]
        assert times[0] / times[1] == pytest.approx(gain, rel=0.05)


def test_a_started_node_counts_as_one():
    pod = system(4, (tier(12.5e9),))
    assert all_reduce(1e9, 5, pod, IDEAL) == all_reduce(1e9, 8, pod, IDEAL)


def test_algorithms_that_are_not_there_are_refused():
    with pytest.raises(InputError, match="algorithm"):
        all_reduce(1e9, 8, H100, DEFAULT, "rings")
    with pytest.raises(InputError, match="do not reduce"):
        all_reduce(1e9, 8, DGX1, DEFAULT, "switch")


@pytest.mark.parametrize(
    ("name", "algorithm", "measured"),
    [
        # all_reduce_perf and all_reduce_bench at the largest sizes: ml-engineering,
        # network/README.md and network/benchmarks (Bekman); 8 devices.
        ("dgx-a100-80gb", None, 235e9),
        ("dgx-h200", "ring", 367e9),
        ("dgx-h200", None, 480e9),
        ("dgx-b200", None, 838e9),
        # nccl_mpi all-reduce of the largest arrays on two sockets over PCIe 3: baidu-research/
        # DeepBench, results/train.
        ("maxwell", None, 6e9),
    ],
)
def test_bus_bandwidth_is_what_was_measured(name, algorithm, measured):
    # Bus bandwidth: 2 (n - 1) / n x bytes / t (nccl-tests, doc/PERFORMANCE.md).
    devices, size = 8, 2.0**34
    seconds = all_reduce(size, devices, catalog.load(name), DEFAULT, algorithm)
    bus = 2 * (devices - 1) / devices * size / seconds
    assert bus == pytest.approx(measured, rel=0.1)
