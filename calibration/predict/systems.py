"""The links that a table names, as the systems of the catalog describe them."""

from __future__ import annotations

import re
from functools import lru_cache

from calibration.measurement import Case
from calibration.predict.basis import Basis
from hwsim.errors import InputError, near
from hwsim.hardware import catalog
from hwsim.hardware.spec import Device, Link, Node, System, Tier

# Whose node a link inside a node is taken from.
NODES = {
    "nvlink1": "dgx-1-p100",
    "nvlink2": "dgx-1-v100",
    "nvlink2-nvswitch": "dgx-2",
    "nvlink3-nvswitch": "dgx-a100-80gb",
    "nvlink4-nvswitch": "dgx-h100",
    "nvlink5-nvswitch": "dgx-b200",
    "pcie3-dualroot": "deepbench-titanx-maxwell-8gpu",
}
GLOO = "gloo"  # torch.distributed between processes of one machine
# Links that no shipped system has: (kind, bytes/s in one direction, topology).
# nvlink2-bridge: two links of 25 GB/s (NVIDIA Turing white paper WP-09183, TU102 NVLink).
# pcie: 16 lanes of 8 or 16 GT/s, 128b/130b encoded (PCI-SIG).
OTHERS = {
    "nvlink2-bridge": ("NVLink 2", 50e9, "switch"),
    "pcie3-singleroot": ("PCIe 3.0 x16", 15.75e9, "pcie-tree"),
    "pcie4": ("PCIe 4.0 x16", 31.5e9, "pcie-tree"),
    GLOO: (GLOO, 10e9, "switch"),
}
# gloo: processes of one CPU; stated is about what a core copies, and the time to wake a process.
GLOO_STEP = 50e-6
ON_A_SWITCH = 4  # devices of a PCIe tree; a ring of more crosses the root complex
# Gb/s of a port in one direction (InfiniBand Trade Association; Intel for Omni-Path).
INFINIBAND = {"fdr": 56, "edr": 100, "hdr": 200, "ndr": 400, "xdr": 800}
PORTS = re.compile(
    r"(?:(?P<ports>[1-9]\d{0,3})x)?"
    r"(?:ib-(?P<ib>fdr|edr|hdr|ndr|xdr)|(?:opa|roce|efa|rdma)-(?P<rate>[1-9]\d{0,4})g?)"
)
BYTES_PER_GIGABIT = 1e9 / 8
# One ring step of NCCL's Simple protocol, NVLink, PCIe and network (NVIDIA/nccl src/graph/tuning.cc
# @5067397c), as in the shipped systems.
NVLINK_STEP, PCIE_STEP, NETWORK_STEP = 3.4e-6, 5.7e-6, 14e-6


def system_of(case: Case, basis: Basis) -> System:
    """The devices of the case, joined as its table says.

    Raises InputError where the device or a link is not known or not stated.
    """
    device, devices = basis.device(case.device), case.devices
    if devices is None:
        raise InputError("devices", "found nothing", "write how many took part")
    if devices == 1:
        return catalog.single(device)
    here = case.devices_per_node or devices
    nodes = -(-devices // here)
    network: tuple[Tier, ...] = (_tier(case.inter_link),) if nodes > 1 else ()
    if devices % nodes == 0 and devices // nodes < here:
        # Devices of a job come in equal numbers from the fewest nodes, each with its ports.
        network = tuple(_fewer_ports(tier, devices // nodes, here) for tier in network)
        here = devices // nodes
    system = _joined(device, node_of(here, case.intra_link), network, nodes)
    return _without_latency(system) if basis.bare else system


def _joined(device: Device, node: Node, network: tuple[Tier, ...], nodes: int) -> System:
    return System(name="as measured", device=device, node=node, network=network, nodes=nodes)


@lru_cache
def node_of(devices: int, link: str | None) -> Node:
    """A node of so many devices behind the named link."""
    if devices == 1:
        return Node(devices=1, topology="single")
    if link is None:
        raise InputError("intra_link", "the link inside a node is not stated", "name it")
    if link in OTHERS:
        kind, bandwidth, topology = OTHERS[link]
        latency = GLOO_STEP if link == GLOO else NVLINK_STEP
        if topology == "pcie-tree":
            latency = PCIE_STEP
        made = Link(kind=kind, bandwidth=bandwidth, latency=latency)
        crosses = topology == "pcie-tree" and devices > ON_A_SWITCH
        root = made.model_copy(update={"kind": f"{kind}, root complex"}) if crosses else None
        return Node(devices=devices, topology=topology, link=made, host_link=root)
    if link not in NODES:
        raise InputError(
            "intra_link", f"the link '{link}' is not known", near(link, [*NODES, *OTHERS])
        )
    shipped = catalog.load(NODES[link]).node
    if shipped.pairs and devices > shipped.devices:
        what = f"no node of {devices} devices joined by {link} is known"
        raise InputError("intra_link", what, f"write at most {shipped.devices} devices a node")
    pairs = tuple(pair for pair in shipped.pairs if max(pair[:2]) < devices)
    return shipped.model_copy(update={"devices": devices, "pairs": pairs})


@lru_cache
def _tier(name: str | None) -> Tier:
    """The network between nodes; ports that are not counted are one.

    >>> _tier("8xib-hdr").ports, _tier("8xib-hdr").bandwidth, _tier("1xefa-100g").bandwidth
    (8, 25000000000.0, 12500000000.0)
    """
    match = PORTS.fullmatch(name or "")
    if match is None:
        what = f"the network '{name}' is not known" if name else "the network is not stated"
        raise InputError("inter_link", what, "write for instance '8xib-hdr'")
    gigabits = INFINIBAND[match["ib"]] if match["ib"] else int(match["rate"])
    return Tier(
        name="network",
        kind=str(name),
        ports=int(match["ports"] or 1),
        bandwidth=gigabits * BYTES_PER_GIGABIT,
        latency=NETWORK_STEP,
    )


def _fewer_ports(tier: Tier, used: int, devices: int) -> Tier:
    """The ports of those devices of a node that are used."""
    return tier.model_copy(update={"ports": max(1, tier.ports * used // devices)})


def _without_latency(system: System) -> System:
    none = {"latency": 0.0}
    links = {
        name: link.model_copy(update=none)
        for name, link in (("link", system.node.link), ("host_link", system.node.host_link))
        if link is not None
    }
    tiers = tuple(tier.model_copy(update=none) for tier in system.network)
    node = system.node.model_copy(update=links)
    return system.model_copy(update={"node": node, "network": tiers})
