"""The links that a table names, as the systems of the catalog describe them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from calibration.measurement import Case
from calibration.predict.basis import Basis, device_of
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
# Gb/s of a port in one direction (InfiniBand Trade Association).
INFINIBAND = {"fdr": 56, "edr": 100, "hdr": 200, "ndr": 400, "xdr": 800}
# Ports of a node and their kind, with a generation of InfiniBand or with Gb/s.
PORTS = re.compile(
    r"(?:(?P<ports>[1-9]\d{0,3})x)?"
    r"(?P<kind>(?:ib|infiniband|opa|roce|efa|rdma|ethernet|slingshot|unknown)"
    r"(?:-(?:(?P<ib>fdr|edr|hdr|ndr|xdr)|(?P<rate>[1-9]\d{0,4})g?))?)"
)
# The InfiniBand port that each device usually has, by its architecture (the shipped systems and the
# user guides of DGX and HGX machines of the time).
USUAL = {
    "Maxwell": "fdr",
    "Pascal": "edr",
    "Volta": "edr",
    "Turing": "edr",
    "Ampere": "hdr",
    "Ada": "hdr",
    "Hopper": "ndr",
    "Blackwell": "ndr",
    "CDNA2": "hdr",
    "CDNA3": "ndr",
}
ULTRA = "10.3"  # the compute capability of Blackwell Ultra, which has xdr
BYTES_PER_GIGABIT = 1e9 / 8
# One ring step of NCCL's Simple protocol, NVLink, PCIe and network (NVIDIA/nccl src/graph/tuning.cc
# @5067397c), as in the shipped systems.
NVLINK_STEP, PCIE_STEP, NETWORK_STEP = 3.4e-6, 5.7e-6, 14e-6


class _Ports(NamedTuple):
    """The ports of a node; `assumed` says so if they are."""

    name: str
    number: int
    gigabits: int
    assumed: str | None = None


def system_of(case: Case, basis: Basis) -> System:
    """The devices of the case, joined as its table says.

    Raises InputError where the device or a link is not known or not stated.
    """
    device, devices = basis.device(case.device), case.devices
    if devices is None:
        raise InputError("devices", "found nothing", "write how many took part")
    if devices == 1:
        return catalog.single(device)
    place = case.devices_per_node or devices
    here = _used_of(place, devices)
    nodes = -(-devices // here)
    network: tuple[Tier, ...] = ()
    if nodes > 1:
        ports = _ports_of(device, place, case.inter_link)
        # A device that isn't used leaves the port that is its own unused.
        own, shared = divmod(ports.number, place)
        network = (_tier(ports if shared else ports._replace(number=own * here)),)
    system = _joined(device, node_of(here, case.intra_link), network, nodes)
    return _without_latency(system) if basis.bare else basis.without("system", system)


def network_of(case: Case) -> tuple[str | None, str | None]:
    """The network between the nodes of a case as `<ports>x<kind>`, and a sentence if it's assumed.

    Both are None inside one node. Raises InputError as `system_of`.

    >>> from calibration.shapes import Collective
    >>> shape = Collective(collective="all_reduce", bytes=1)
    >>> network_of(Case(shape=shape, device="gh200", devices=8, devices_per_node=4))
    ('4xib-ndr', 'the network is not stated: 4xib-ndr is assumed, as is usual for a gh200')
    """
    devices = case.devices or 1
    place = case.devices_per_node or devices
    if devices <= place:
        return None, None
    ports = _ports_of(device_of(case.device), place, case.inter_link)
    return ports.name, ports.assumed


def _ports_of(device: Device, place: int, name: str | None) -> _Ports:
    """Of a node of `place` devices, as its table names them; else one usual port a device."""
    match = PORTS.fullmatch((name or "unknown").strip().lower())
    if match is None:
        what = f"the network '{name}' is not known"
        raise InputError("inter_link", what, "write for instance '8xib-hdr'")
    if match["ib"] or match["rate"]:
        gigabits = INFINIBAND[match["ib"]] if match["ib"] else int(match["rate"])
        number = int(match["ports"] or 1)
        assumed = None if match["ports"] else "a node is assumed to have one port: none are counted"
        return _Ports(f"{number}x{match['kind']}", number, gigabits, assumed)
    usual = "xdr" if device.compute_capability == ULTRA else USUAL.get(device.architecture)
    if usual is None:
        what = f"the network is not stated, nor is the usual one of a {device.name} known"
        raise InputError("inter_link", what, "write for instance '8xib-hdr'")
    number = int(match["ports"] or place)
    found = f"{number}xib-{usual}"
    known = f"stated as '{name}'" if name else "not stated"
    assumed = f"the network is {known}: {found} is assumed, as is usual for a {device.name}"
    return _Ports(found, number, INFINIBAND[usual], assumed)


def _used_of(place: int, devices: int) -> int:
    """Devices of a job in each of its nodes of `place`: a job on several nodes takes as many of
    each, so a rack of 72 gives 64 to a job of 256 devices.

    >>> _used_of(72, 256), _used_of(72, 8), _used_of(8, 24), _used_of(8, 17)
    (64, 72, 8, 8)
    """
    if devices <= place:
        return place
    even = (here for here in range(place, place // 2, -1) if devices % here == 0)
    return next(even, place)


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
def _tier(ports: _Ports) -> Tier:
    return Tier(
        name="network",
        kind=ports.name,
        ports=ports.number,
        bandwidth=ports.gigabits * BYTES_PER_GIGABIT,
        latency=NETWORK_STEP,
    )


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
