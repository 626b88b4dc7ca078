"""The machine that was measured: its description and its calibration.

A GPU of the catalog keeps its description. A CPU is described by what was measured: its peak is
that of the best product, its bandwidth that of the largest stream.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from calibration.fitting import layers
from calibration.fitting import links as fit_links
from calibration.fitting.borrow import Fits
from calibration.fitting.eager import EagerFit, Timed, fit_eager, typical
from calibration.fitting.folds import even_folds
from calibration.fitting.host import CHEAP, KERNELS, HostFit, dtypes, fit_host
from calibration.fitting.spreads import median_error
from calibration.measurement import Measurement
from calibration.predict.basis import dtype_of
from calibration.predict.families import family_of
from calibration.predict.systems import GLOO, node_of
from calibration.shapes import Gemm, Launch, Pointwise, WorkloadStep
from hwsim.cost.calibration import Calibration, Eager, Layer, load, load_for
from hwsim.cost.rates import is_host
from hwsim.errors import InputError
from hwsim.graph.dtypes import Dtype
from hwsim.hardware import catalog
from hwsim.hardware.spec import Device, Memory, Peaks, System
from hwsim.hardware.spec import Launch as LaunchCost
from hwsim.parallel.price import ANY
from hwsim.userdata import LOCAL

AROUND = ("update", "launch")  # operators that no kernel's fit is for
FEWEST = 8  # kernels that a machine is fitted to
CAPACITY = re.compile(r"(\d+) GiB")


@dataclass(frozen=True)
class Found:
    """A machine, what was fitted to it, and the fits' held-out residuals."""

    system: System
    layer: Layer
    host: HostFit | None = None
    eager: dict[str, EagerFit] = field(default_factory=dict)
    kernels: Fits = field(default_factory=dict)


def fit(cases: Sequence[Measurement], system: System, command: str) -> Found:
    """The calibration of the machine. Raises InputError where too little was measured."""
    return (_fit_cpu if is_host(system.device) else _fit_gpu)(cases, system, command)


def _fit_gpu(cases: Sequence[Measurement], system: System, command: str) -> Found:
    """Kernels as those of published tables, and framework code around them."""
    fitted = layers.fit_all(cases, kin=load_for)
    if not fitted:
        what = "found no product, recurrence, convolution or elementwise kernel"
        raise InputError("measurements", what, "measure them: hwsim calibrate run")
    device = system.device
    named = {"name": device.name, "description": device.description}
    kernels = layers.calibrations(fitted)[1][str(cases[0].device)].model_copy(update=named)
    around = [case for case in cases if str(family_of(case)).partition(".")[0] in AROUND]
    workloads = [case for case in cases if isinstance(case.shape, WorkloadStep)]
    eager = _eager([*around, *workloads], device, load_for(catalog_device(cases)).over(kernels))
    told = {**kernels.sources, **_told(None, eager, command)}
    layer = kernels.model_copy(update={"eager": _entries(eager), "sources": told})
    return Found(system, layer, None, eager, fitted)


def catalog_device(cases: Sequence[Measurement]) -> Device:
    """The device that was measured, under its name in the catalog."""
    return catalog.load(str(cases[0].device)).device


def _entries(eager: Mapping[str, EagerFit]) -> dict[str, Eager]:
    entries = {family: one.eager for family, one in eager.items()}
    workloads = [entry for family, entry in entries.items() if "." not in family]
    return entries | ({ANY: typical(workloads)} if workloads else {})


def _fit_cpu(cases: Sequence[Measurement], system: System, command: str) -> Found:
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
    host = fit_host(kernels, device, even_folds(kernels))
    eager = _eager(cases, device, load().model_copy(update={"host": host.host}))
    joined = fit_links.fit_local(cases, system)
    links, told = joined or (None, "")
    layer = Layer(
        name=device.name,
        description=device.description,
        host=host.host,
        links=links,
        eager=_entries(eager),
        rows=dict(Counter(f"{case.kind}/{case.provenance.source}" for case in cases)),
        sources=_told(host, eager, command) | ({"links": told} if told else {}),
    )
    return Found(system, layer, host, eager)


def _eager(cases: Sequence[Measurement], device: Device, under: Calibration) -> dict[str, EagerFit]:
    """Fits of families, updates first: a step ends with one."""
    members: dict[str, list[Measurement]] = defaultdict(list)
    for case in cases:
        family = family_of(case)
        if family is not None and case.devices == 1 and case.seconds is not None:
            members[family].append(case)
    found: dict[str, EagerFit] = {}
    for family in sorted(members, key=lambda name: (not name.startswith("update"), name)):
        fitted = fit_eager([Timed(case, device, under) for case in members[family]])
        if fitted is not None:
            found[family] = fitted
            under = under.model_copy(update={"eager": {**under.eager, family: fitted.eager}})
    return found


def describe(cases: Sequence[Measurement]) -> System:
    """The machine that these were measured on.

    Raises InputError for measurements of several machines or of none that is named, of a GPU that
    the catalog doesn't have, and without a product and a stream.
    """
    if any(case.provenance.machine is None for case in cases):
        what = "found a measurement that names no machine, as published tables don't"
        raise InputError("measurements", what, "write --out FOLDER to fit published tables")
    for told in ({case.device for case in cases}, {_conditions(case) for case in cases}):
        if len(told) > 1 or None in told:
            what = f"found several machines: {'; '.join(sorted(map(str, told)))}"
            raise InputError("measurements", what, "give those of one, measured alike")
    name = cases[0].device
    if name == LOCAL and any("CUDA" in (case.provenance.versions or "") for case in cases):
        what = f"found {cases[0].provenance.machine}, a GPU that the catalog doesn't have"
        raise InputError("measurements", what, "describe it in a file: see docs/hardware.md")
    if name != LOCAL:
        system = catalog.load(str(name))
        update = {"name": LOCAL, "description": _identity(cases[0])}
        return system.model_copy(
            update={**update, "device": system.device.model_copy(update=update)}
        )
    return _cpu(cases)


def with_processes(device: Device, cases: Sequence[Measurement]) -> System:
    """A CPU with as many processes as summed something over gloo, or alone."""
    devices = max((case.devices or 1 for case in cases if case.intra_link == GLOO), default=1)
    if devices == 1:
        return catalog.single(device)
    sources = {"node.link": "nominal: what it reaches is fitted"}
    named = {"name": device.name, "description": device.description, "sources": sources}
    return System(device=device, node=node_of(devices, GLOO), nodes=1, **named)


def machines() -> list[str]:
    """What measurements on this machine say of it: of its CPU, and of its GPU if it has one."""
    import torch

    from calibration.measure import place

    names = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    found = (place.provenance(place.find(name, 1), "").machine for name in names)
    return [machine for machine in found if machine]


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
        memory=Memory(capacity=float(capacity[1]) * 2**30, bandwidth=bandwidth),
        launch=LaunchCost(kernel=_launch(cases), dispatch=0.0),
        sources={
            **{f"vector.{dtype}": f"{source}: the best product" for dtype in peaks},
            "memory": f"{source}: the largest elementwise kernel",
            "launch": f"{source}: the smallest operation; a CPU runs what its thread issues",
        },
    )
    return with_processes(device, cases)


def _conditions(case: Measurement) -> str:
    """What measurements of one machine have in common."""
    stated = case.provenance
    note = (stated.note or "").partition(";")[0]
    return ", ".join(text for text in (stated.machine, stated.versions, note) if text)


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


def _told(host: HostFit | None, eager: dict[str, EagerFit], command: str) -> dict[str, str]:
    told = {"fitted": command}
    if host is not None:
        error = median_error(host.residuals) or "not known"
        told["host"] = f"fitted to {host.cases} kernels; held-out median {error}"
        if host.free:
            told["host"] += f"; they do not tell {', '.join(host.free)}"
    return told | {f"eager.{family}": one.told() for family, one in eager.items()}
