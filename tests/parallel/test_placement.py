"""Groups of a plan against all of them, one by one."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load as load_calibration
from hwsim.cost.collectives import transfer
from hwsim.cost.groups import Group
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.spec import Link, Node, System, Tier
from hwsim.parallel.check import divisors
from hwsim.parallel.placement import expert_gradient_group, gradient_group, group, hop
from hwsim.parallel.plan import Plan

DEFAULT = load_calibration()
H100, DGX1 = catalog.load("dgx-h100"), catalog.load("dgx-1-v100")
AXES = ("tp", "cp", "dp", "pp")


def system(per_node, reaches=()):
    link = Link(kind="NVLink", bandwidth=100e9, latency=1e-6)
    node = Node(devices=per_node, topology="switch", link=link)
    tiers = tuple(
        Tier(name=f"tier{reach}", kind="RoCE", ports=1, bandwidth=1e9, latency=1e-5, nodes=reach)
        for reach in (*reaches, None)
    )
    return System(name="toy", device=H100.device, node=node, network=tiers)


def seats(plan):
    """The place along each axis of every rank."""
    ranges = [range(getattr(plan, axis)) for axis in reversed(plan.placement)]
    return [dict(zip(reversed(plan.placement), at, strict=True)) for at in product(*ranges)]


def every(plan, axes, part=None):
    """All groups along `axes`, each a list of ranks; `part` of each that experts make."""
    found = {}
    for rank, at in enumerate(seats(plan)):
        found.setdefault(tuple(at[axis] for axis in AXES if axis not in axes), []).append(rank)
    wholes = list(found.values())
    if part is None:
        return wholes
    if part == "near":
        return [whole[i : i + plan.ep] for whole in wholes for i in range(0, len(whole), plan.ep)]
    return [whole[i :: plan.ep] for whole in wholes for i in range(plan.ep)]


def hops(plan, stage):
    ranks = {tuple(sorted(at.items())): rank for rank, at in enumerate(seats(plan))}
    return [
        (rank, ranks[tuple(sorted({**at, "pp": (stage + 1) % plan.pp}.items()))])
        for rank, at in enumerate(seats(plan))
        if at["pp"] == stage
    ]


def span_of(nodes, reaches):
    first, last = min(nodes), max(nodes)
    apart = [reach + 1 for reach in reaches if first // reach != last // reach]
    return max([last - first + 1, *apart])


def worst(groups, per_node, reaches):
    """What `Group` says of the worst of these."""
    nodes = [[rank // per_node for rank in one] for one in groups]
    everywhere = {node for some in nodes for node in some}
    sharing = [sum(n in some and len(set(some)) > 1 for some in nodes) for n in everywhere]
    neighbors = [sum(some.count(n) > 1 for some in nodes) for n in everywhere]
    most = max(len(set(some)) for some in nodes)
    return Group(
        inside=-(-len(groups[0]) // most),
        nodes=most,
        stride=abs(groups[0][1] - groups[0][0]),
        span=max(span_of(some, reaches) for some in nodes),
        sharing=max([1, *sharing]),
        neighbors=max(1, *neighbors),
    )


@st.composite
def plans(draw):
    some = st.sampled_from([1, 2, 3, 4, 6, 8])
    few = st.sampled_from([1, 2, 3])
    dp, cp = draw(some), draw(few)
    return Plan(
        dp=dp,
        cp=cp,
        tp=draw(some),
        pp=draw(some),
        ep=draw(st.sampled_from(divisors(dp * cp))),
        placement=draw(st.permutations(AXES)),
    )


nodes = st.sampled_from([1, 2, 4, 6, 8, 72])
tiers = st.sampled_from([(), (2,), (3, 8)])


@given(plans(), nodes, tiers)
@settings(deadline=None, max_examples=80)
def test_a_group_is_the_worst_of_all_of_its_axis(plan, per_node, reaches):
    box = system(per_node, reaches)
    asked = [(group(plan, axis, box), every(plan, (axis,))) for axis in AXES]
    asked.append((gradient_group(plan, box), every(plan, ("dp", "cp"))))
    asked.append((group(plan, "ep", box), every(plan, ("dp", "cp"), "near")))
    asked.append((expert_gradient_group(plan, box), every(plan, ("dp", "cp"), "far")))
    for found, groups in asked:
        expected = worst(groups, per_node, reaches) if len(groups[0]) > 1 else Group(1)
        assert found == expected


@given(plans(), nodes, tiers, st.integers(0, 7))
@settings(deadline=None, max_examples=80)
def test_a_hop_is_the_worst_of_its_stage(plan, per_node, reaches, stage):
    stage %= plan.pp
    found = hop(plan, stage, system(per_node, reaches))
    if plan.pp == 1:
        assert found == Group(1)
        return
    pairs = hops(plan, stage)
    expected = worst([tuple(sorted(pair)) for pair in pairs], per_node, reaches)
    leaving = [a // per_node for a, b in pairs if a // per_node != b // per_node]
    arriving = [b // per_node for a, b in pairs if a // per_node != b // per_node]
    counts = [side.count(node) for side in (leaving, arriving) for node in side]
    assert found == expected._replace(sharing=max([1, *counts]))


def test_a_common_plan_by_hand():
    plan = Plan(tp=8, dp=4, pp=2, ep=2)
    assert group(plan, "tp", H100) == Group(8)
    assert group(plan, "dp", H100) == Group(1, 4, stride=8, span=4, sharing=8)
    assert group(plan, "pp", H100) == Group(1, 2, stride=32, span=5, sharing=8)
    assert group(plan, "ep", H100) == Group(1, 2, stride=8, span=2, sharing=8)
    assert expert_gradient_group(plan, H100) == Group(1, 2, stride=16, span=3, sharing=8)
    assert hop(plan, 0, H100) == hop(plan, 1, H100) == Group(1, 2, stride=32, span=5, sharing=8)


def test_stages_in_one_node_and_across():
    plan = Plan(tp=4, pp=4)
    assert hop(plan, 0, H100) == Group(2, stride=4, neighbors=4)
    assert hop(plan, 1, H100) == Group(1, 2, stride=4, span=2, sharing=4)
    assert hop(plan, 3, H100) == Group(1, 2, stride=12, span=2, sharing=4)


def test_a_group_that_does_not_fill_nodes_reaches_into_the_next():
    # Ranks 0 to 5 are in one node of 8, 6 to 11 in two.
    assert group(Plan(dp=6, pp=2), "dp", H100) == Group(3, 2, span=2, neighbors=2)


def test_in_a_mesh_the_pair_with_the_fewest_links_counts():
    links = {(a, b): count for a, b, count in DGX1.node.pairs}
    found = group(Plan(tp=2, dp=4), "tp", DGX1)
    assert found.places in {(0, 1), (2, 3), (4, 5), (6, 7)}
    assert links[found.places] == min(links[pair] for pair in ((0, 1), (2, 3), (4, 5), (6, 7)))
    apart = hop(Plan(pp=8), 3, DGX1)
    assert apart.places == (3, 4)
    assert transfer("send", 1e9, apart, DGX1, DEFAULT).loads[0][0] == "host"


@pytest.mark.parametrize("dp", [2**12, 2**20])
def test_plans_of_any_size_are_placed(dp):
    found = gradient_group(Plan(tp=8, dp=dp), H100)
    assert found == Group(1, dp, stride=8, span=dp, sharing=8)


@pytest.mark.parametrize("nodes", [None, 4])
def test_a_system_with_any_number_of_nodes_has_groups(nodes):
    some = H100.model_copy(update={"nodes": nodes})
    assert group(Plan(dp=32), "dp", some) == Group(8, 4, span=4)


def test_devices_without_a_link_are_refused():
    with pytest.raises(InputError, match="2 nodes"):
        hop(Plan(pp=4), 1, catalog.load("cpu-epyc-2"))
    unlinked = DGX1.model_copy(update={"node": DGX1.node.model_copy(update={"host_link": None})})
    with pytest.raises(InputError, match="devices 3, 4 are not joined"):
        hop(Plan(pp=8), 3, unlinked)


def test_experts_that_do_not_divide_are_refused_with_the_nearest_number():
    with pytest.raises(InputError) as error:
        group(Plan(dp=6, ep=4), "ep", H100)
    assert error.value.where == "plan.ep"
    assert "6 devices" in error.value.what
    assert "write 3" in error.value.instead
