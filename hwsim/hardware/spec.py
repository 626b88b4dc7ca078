"""What a device and a system are: frozen records that hold and check, with no cost formula.

In a file a quantity is text with its unit ("900 GB/s"), in memory a plain SI float, and in
`model_dump(mode="json")` text again. Rates are dense with fp32 accumulation. What is unknown is
left out: None is never read as zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from hwsim.records import ONE_LINE, Line
from hwsim.units import (
    Bytes,
    BytesPerSecond,
    Dollars,
    FlopsPerSecond,
    Hertz,
    LinkRate,
    Seconds,
    Watts,
)

DTYPES = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8")
ENGINES = ("vector", "matrix")
AGREEMENT = 0.05  # how far a stated peak may lie from multiprocessors x clock x operations
FROM_PARTS = "multiprocessors x clock x operations per clock"

Name = Annotated[str, Field(min_length=1, max_length=1000), ONE_LINE]
Count = Annotated[int, Field(strict=True, ge=1, le=10**9)]
Index = Annotated[int, Field(strict=True, ge=0, le=10**9)]
Flag = Annotated[bool, Field(strict=True)]
Factor = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)]


class Record(BaseModel):
    """The base of all: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Clock(Record):
    """Clocks in Hz: base, boost as the vendor prints it, sustained as measured under load."""

    base: Hertz | None = None
    boost: Hertz | None = None
    sustained: Hertz | None = None


class Peaks(Record):
    """Dense peak rates in FLOP/s (OP/s for int8) by data type, accumulated in fp32."""

    fp64: FlopsPerSecond | None = None
    fp32: FlopsPerSecond | None = None
    tf32: FlopsPerSecond | None = None
    fp16: FlopsPerSecond | None = None
    bf16: FlopsPerSecond | None = None
    fp8: FlopsPerSecond | None = None
    fp4: FlopsPerSecond | None = None
    int8: FlopsPerSecond | None = None


class Operations(Record):
    """Operations per clock and multiprocessor; `clock` in Hz where it isn't `clock.boost`."""

    fp64: Factor | None = None
    fp32: Factor | None = None
    tf32: Factor | None = None
    fp16: Factor | None = None
    bf16: Factor | None = None
    fp8: Factor | None = None
    fp4: Factor | None = None
    int8: Factor | None = None
    clock: Hertz | None = None


class OperationsPerClock(Record):
    """The parts that peaks are made of: peak = multiprocessors x clock x operations."""

    vector: Operations = Operations()
    matrix: Operations = Operations()


class Memory(Record):
    """Device memory: label capacity and, where known, what the driver reports; bytes, B/s."""

    capacity: Bytes
    bandwidth: BytesPerSecond
    technology: str | None = None
    reported: Bytes | None = None


class Cache(Record):
    """One cache level of the whole device; bytes, B/s."""

    capacity: Bytes
    bandwidth: BytesPerSecond | None = None


class Caches(Record):
    """Memories on the chip: `l2` of the device; `shared` and `registers` per multiprocessor."""

    l2: Cache | None = None
    shared: Bytes | None = None
    registers: Bytes | None = None


class DeviceLink(Record):
    """The device's own links: the sum over them in one direction, B/s."""

    kind: Name
    bandwidth: LinkRate


class Launch(Record):
    """Fixed costs in seconds.

    `kernel` is the device-side gap between dependent kernels, `dispatch` the host's time per
    operator in an eager framework.
    """

    kernel: Seconds
    dispatch: Seconds


class Power(Record):
    """Board power in W: the limit, and idle."""

    limit: Watts
    idle: Watts | None = None


class Price(Record):
    """Dollars to buy one, dollars per device hour, and when that was."""

    purchase: Dollars | None = None
    hour: Dollars | None = None
    date: str | None = None


class Device(Record):
    """One accelerator or CPU.

    A peak may be stated in `vector` or `matrix`, described by its parts in
    `operations_per_clock`, or both: then the two agree within 5 %. One that has only parts is
    filled in, so a reader of `vector` and `matrix` sees every known peak.
    """

    kind: Literal["device"] = "device"
    name: Name
    vendor: str
    architecture: str
    compute_capability: str | None = None
    year: Annotated[int, Field(strict=True, ge=1900, le=2200)] | None = None
    description: Line = ""
    multiprocessors: Count | None = None
    clock: Clock = Clock()
    vector: Peaks = Peaks()
    matrix: Peaks = Peaks()
    operations_per_clock: OperationsPerClock | None = None
    sparsity: Factor | None = None
    memory: Memory
    caches: Caches = Caches()
    link: DeviceLink | None = None
    pcie: str | None = None
    launch: Launch
    power: Power | None = None
    price: Price | None = None
    sources: dict[str, Line] = {}
    notes: Line = ""

    @model_validator(mode="after")
    def _peaks_follow_from_parts(self) -> Self:
        """Check the stated peaks against their parts; fill in those that have parts only."""
        sources = dict(self.sources)
        for engine in ENGINES:
            found: dict[str, float] = {}
            stated = getattr(self, engine)
            for dtype, made in self._made_of_parts(engine):
                peak = getattr(stated, dtype)
                if peak is None:
                    found[dtype] = made
                    sources.setdefault(f"{engine}.{dtype}", FROM_PARTS)
                elif abs(made / peak - 1.0) > AGREEMENT:
                    _refuse(
                        f"{engine}.{dtype}",
                        f"found {peak:.4g} FLOPS, but {FROM_PARTS} is {made:.4g} FLOPS",
                        "correct one of them, or state only one",
                    )
            if found:  # the record is frozen for others; this is still its construction
                object.__setattr__(self, engine, stated.model_copy(update=found))
                object.__setattr__(self, "sources", sources)
        return self

    def _made_of_parts(self, engine: str) -> Iterator[tuple[str, float]]:
        """(dtype, peak in FLOP/s) of every operation count of an engine."""
        if self.operations_per_clock is None:
            return
        operations = getattr(self.operations_per_clock, engine)
        clock = operations.clock or self.clock.boost
        for dtype in DTYPES:
            count = getattr(operations, dtype)
            if count is None:
                continue
            if self.multiprocessors is None or clock is None:
                _refuse(
                    f"operations_per_clock.{engine}.{dtype}",
                    "found operations per clock on a device without multiprocessors or clock",
                    "add multiprocessors and clock.boost",
                )
            made = float(self.multiprocessors * clock * count)
            if not math.isfinite(made):
                _refuse(
                    f"operations_per_clock.{engine}.{dtype}",
                    f"found a product, {FROM_PARTS}, that is not finite",
                    "write smaller figures",
                )
            yield dtype, made


class Link(Record):
    """A path between devices of one node.

    `bandwidth` is per device in one direction, summed over its links (B/s); `latency` is one
    step of a collective (s).
    """

    kind: Name
    bandwidth: LinkRate
    latency: Seconds


Topology = Literal["single", "switch", "hybrid-cube-mesh", "mesh", "pcie-tree", "torus"]


class Node(Record):
    """Devices that share a fast link.

    `pairs` holds (a, b, number of links) with a < b; a pair's bandwidth is its number of links
    times `link.bandwidth / links_per_device`. Without pairs a mesh is taken as even.
    `host_link` is the path of devices that no link joins. Power in W, price in dollars.
    """

    devices: Count
    topology: Topology
    link: Link | None = None
    pairs: tuple[tuple[Index, Index, Count], ...] = ()
    links_per_device: Count | None = None
    host_link: Link | None = None
    in_switch_reduction: Flag = False
    host: str = ""
    host_memory: Bytes | None = None
    power: Watts | None = None
    price: Dollars | None = None

    @model_validator(mode="after")
    def _is_wired(self) -> Self:
        if self.topology == "single" and self.devices > 1:
            _refuse(
                "devices",
                f"found {self.devices} devices in a node of topology 'single'",
                "write another topology, such as 'switch', and a link",
            )
        if self.topology != "single" and self.link is None:
            _refuse(
                "link",
                f"found no link in a node of topology '{self.topology}'",
                'write "link": {"kind": ..., "bandwidth": "25 GB/s", "latency": "5 us"}',
            )
        if self.pairs:
            self._check_pairs()
        return self

    def _check_pairs(self) -> None:
        if self.links_per_device is None:
            _refuse("links_per_device", "found pairs without it", 'write "links_per_device": 6')
        links = [0] * self.devices
        seen = set()
        for a, b, count in self.pairs:
            if not a < b < self.devices:
                _refuse(
                    "pairs",
                    f"found ({a}, {b}) in a node of {self.devices} devices",
                    f"write a < b, both from 0 to {self.devices - 1}",
                )
            if (a, b) in seen:
                _refuse("pairs", f"found ({a}, {b}) twice", "write each pair once")
            seen.add((a, b))
            links[a] += count
            links[b] += count
        most = max(links)
        if most > self.links_per_device:
            _refuse(
                "pairs",
                f"found {most} links at device {links.index(most)}, "
                f"but links_per_device is {self.links_per_device}",
                "correct the pairs or links_per_device",
            )


class Tier(Record):
    """One level of the network between nodes, the nearest first.

    `bandwidth` is that of one port in one direction (B/s), `ports` how many a node has,
    `latency` one step of a collective across it (s), `nodes` the most nodes it reaches.
    """

    name: Name
    kind: str
    ports: Count
    bandwidth: LinkRate
    latency: Seconds
    topology: Literal["fat-tree", "torus", "dragonfly", "flat"] = "fat-tree"
    oversubscription: Share = 1.0
    nodes: Count | None = None


class System(Record):
    """Devices in nodes, nodes in a network. `nodes` None: as many as are asked for."""

    kind: Literal["system"] = "system"
    name: Name
    description: Line = ""
    device: Device
    node: Node
    network: tuple[Tier, ...] = ()
    nodes: Count | None = None
    sources: dict[str, Line] = {}
    notes: Line = ""


class Alias(Record):
    """A second name for a device or a system."""

    kind: Literal["alias"] = "alias"
    name: Name
    of: Name
    description: Line = ""


def _refuse(field: str, what: str, instead: str) -> NoReturn:
    """A fault at `field` of the record under validation, in the words of hwsim.errors."""
    raise PydanticCustomError(
        "fault", "{what}; {instead}", {"field": field, "what": what, "instead": instead}
    )
