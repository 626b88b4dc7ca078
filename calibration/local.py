"""The machine that was measured: its description and its calibration.

A GPU of the catalog keeps its description. A CPU is described by what was measured: its peak is
that of the best product, its bandwidth that of the largest stream.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from calibration.fit_host import CHEAP, KERNELS, HostFit, dtypes, fit_host
from calibration.fit_kernels import folds_of
from calibration.fit_steps import StepsFit, family_of, fit_steps
from calibration.measurement import Measurement
from calibration.predict.basis import dtype_of
from calibration.predict.systems import GLOO
from calibration.shapes import Collective, Gemm, Launch, Pointwise
from hwsim.cost.calibration import Layer, load
from hwsim.errors import InputError
from hwsim.graph.dtypes import Dtype
from hwsim.hardware import catalog
from hwsim.hardware.spec import Device, Link, Memory, Node, Peaks, System
from hwsim.hardware.spec import Launch as LaunchCost
from hwsim.userdata import LOCAL

FEWEST = 12  # kernels that a machine is fitted to
CAPACITY = re.compile(r"(\d+) GiB")


@dataclass(frozen=True)
class Found:
    """A machine, what was fitted to it, and the fits' held-out residuals."""

    system: System
    layer: Layer
    host: HostFit | None = None
    steps: dict[str, StepsFit] = field(default_factory=dict)


def fit(cases: Sequence[Measurement], system: System, command: str) -> Found:
    """The calibration of a CPU. Raises InputError where too little was measured."""
    device = system.device
    chosen = dtypes(cases)
    kernels = [
        case
        for case in cases
        if isinstance(case.shape, KERNELS) and chosen and dtype_of(case) == chosen[0]
    ]
    if len(kernels) < FEWEST:
        what = f"found {len(kernels)} kernels that a CPU can be fitted to"
        raise InputError("measurements", what, f"measure at least {FEWEST}: hwsim calibrate run")
    host = fit_host(kernels, device, folds_of(kernels))
    under = load().model_copy(update={"host": host.host})
    steps = {}
    for family, members in families(cases).items():
        found = fit_steps(members, device, under)
        if found is not None:
            steps[family] = found
    layer = Layer(
        name=device.name,
        description=device.description,
        host=host.host,
        steps={family: one.steps for family, one in steps.items()},
        rows={"kernels": len(kernels), "steps": sum(len(one.residuals) for one in steps.values())},
        sources=_told(host, steps, command),
    )
    return Found(system, layer, host, steps)


def families(cases: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """Steps on one device by the family of their workload."""
    found: dict[str, list[Measurement]] = defaultdict(list)
    for case in cases:
        family = family_of(case)
        if family is not None:
            found[family].append(case)
    return dict(found)


def describe(cases: Sequence[Measurement]) -> System:
    """The machine that these were measured on.

    Raises InputError for measurements of several machines, or without a product and a stream.
    """
    names = {case.device for case in cases}
    machines = {case.provenance.machine for case in cases}
    if len(names) > 1 or len(machines) > 1:
        found = ", ".join(sorted(str(name) for name in (names if len(names) > 1 else machines)))
        raise InputError("measurements", f"found several machines: {found}", "give those of one")
    name = names.pop()
    if name != LOCAL:
        system = catalog.load(str(name))
        update = {"name": LOCAL, "description": _identity(cases[0])}
        return system.model_copy(
            update={**update, "device": system.device.model_copy(update=update)}
        )
    return _cpu(cases)


def _cpu(cases: Sequence[Measurement]) -> System:
    first = cases[0]
    source = f"measured on {_identity(first)}; {first.provenance.versions}, {first.provenance.date}"
    capacity = CAPACITY.search(first.provenance.machine or "")
    peaks, bandwidth = _peaks(cases), _bandwidth(cases)
    if not peaks or bandwidth is None or capacity is None:
        missing = (
            "product" if not peaks else "elementwise kernel" if capacity else "memory capacity"
        )
        raise InputError("measurements", f"found no {missing}", "measure it: hwsim calibrate run")
    device = Device(
        name=LOCAL,
        vendor=(first.provenance.machine or "").split(" ")[0],
        architecture="CPU",
        description=_identity(first),
        vector=Peaks.model_validate(peaks),
        memory=Memory(capacity=int(capacity[1]) * 2**30, bandwidth=bandwidth),
        launch=LaunchCost(kernel=_launch(cases), dispatch=0.0),
        sources={
            **{f"vector.{dtype}": f"{source}: the best product" for dtype in peaks},
            "memory": f"{source}: the largest elementwise kernel",
            "launch": f"{source}: the smallest operation; a CPU runs what its thread issues",
        },
    )
    link = _link(cases)
    if link is None:
        return catalog.single(device)
    devices = max(case.devices or 1 for case in cases)
    node = Node(devices=devices, topology="switch", link=link)
    sources = {"node.link": f"{source}: the longest and the shortest all-reduce"}
    return System(
        name=LOCAL,
        description=device.description,
        device=device,
        node=node,
        nodes=1,
        sources=sources,
    )


def _identity(case: Measurement) -> str:
    """The machine and the conditions that a calibration holds for."""
    threads = (case.provenance.note or "").partition(",")[0]
    return ", ".join(text for text in (case.provenance.machine, threads) if text)


def _peaks(cases: Sequence[Measurement]) -> dict[Dtype, float]:
    """FLOP/s of the best product in each data type."""
    found: dict[Dtype, float] = {}
    for case in cases:
        shape = case.shape
        if isinstance(shape, Gemm) and case.seconds:
            rate = 2.0 * shape.batch * shape.m * shape.n * shape.k / case.seconds
            dtype = dtype_of(case)
            found[dtype] = float(f"{max(rate, found.get(dtype, 0.0)):.4g}")
    return found


def _bandwidth(cases: Sequence[Measurement]) -> float | None:
    """Bytes/s of the kernel that moves most and does least."""
    streams = [
        (case.shape.bytes_moved, case.shape.bytes_moved / case.seconds)
        for case in cases
        if isinstance(case.shape, Pointwise) and case.shape.op in CHEAP and case.seconds
    ]
    return float(f"{max(streams)[1]:.4g}") if streams else None


def _launch(cases: Sequence[Measurement]) -> float:
    """Seconds of the smallest operation; of an unmeasured one, nothing."""
    eager = [
        case.seconds
        for case in cases
        if isinstance(case.shape, Launch) and case.shape.mode == "eager" and case.seconds
    ]
    return float(f"{min(eager, default=0.0):.3g}")


def _link(cases: Sequence[Measurement]) -> Link | None:
    """The ring between processes: the longest all-reduce tells its rate, the shortest its steps."""
    sums = [
        (case.shape.bytes, case.seconds, case.devices or 1)
        for case in cases
        if isinstance(case.shape, Collective)
        and case.shape.collective == "all_reduce"
        and case.intra_link == GLOO
        and case.seconds
    ]
    if not sums:
        return None
    size, taken, members = max(sums)
    _, least, few = min(sums)
    bandwidth = 2 * (members - 1) / members * size / taken
    latency = least / (2 * (few - 1))
    return Link(kind=GLOO, bandwidth=float(f"{bandwidth:.3g}"), latency=float(f"{latency:.3g}"))


def _told(host: HostFit, steps: dict[str, StepsFit], command: str) -> dict[str, str]:
    known = np.abs(np.expm1(host.residuals[np.isfinite(host.residuals)]))
    text = f"fitted to {host.cases} kernels; held-out median error {np.median(known):.1%}"
    if host.free:
        text += f"; they do not tell {', '.join(host.free)}"
    told = {"fitted": command, "host": text}
    for family, one in steps.items():
        off = np.abs(np.expm1(one.residuals[np.isfinite(one.residuals)]))
        error = f"; left-out median error {np.median(off):.1%}" if len(off) else ""
        told[f"steps.{family}"] = f"fitted to {len(one.residuals)} steps{error}"
    return told
