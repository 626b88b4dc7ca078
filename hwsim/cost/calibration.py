"""The parameters that turn datasheet rates into reachable ones, each with where it is from.

The shipped `default` holds for any device and is accordingly wide. Over it go what was fitted to
the architecture's devices, then what was fitted to the device itself: `load_for`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from hwsim import jsonfile, records, userdata
from hwsim.errors import InputError
from hwsim.hardware.spec import Device
from hwsim.records import Line

Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
T = TypeVar("T")
LARGE = 2**20  # bytes from which a collective is bound by rate rather than by latency


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Reach(Record):
    """What collectives reach on one kind of link (see `hwsim.cost.algorithms.seconds`).

    `share` and `latency`: the rate and the time of a step over those that the link states; `call`:
    seconds around the steps of a call; `fill`: what long messages wait until pipelines are filled,
    over a call's fixed time; `short`: the rate of short messages over that of long ones. `overlap`,
    of networks: the exponent that joins the time inside nodes and between them, 1 where one waits
    for the other. Of messages longer than `near` bytes the rest moves at the share `far`. `taken`:
    the share of a device's compute that a transfer takes while it moves, for the multiprocessors
    that copy and sum, and for the memory that they read and write.
    """

    share: Fraction
    latency: Positive
    call: Seconds
    fill: Seconds
    short: Fraction
    overlap: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    near: Positive | None = None
    far: Fraction | None = None
    taken: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _near_and_far_go_together(self) -> Self:
        if (self.near is None) != (self.far is None):
            what = "found only one of near and far"
            context = {"what": what, "instead": "write both or none"}
            raise PydanticCustomError("fault", "{what}; {instead}", context)
        return self


class Links(Record):
    """Collectives by kind of link (`hwsim.cost.paths` tells a link's kind).

    `in_switch`, `in_switch5`: NVLink switches that reduce, up to NVLink 4 and of NVLink 5; `root`:
    PCIe across a root complex; `host`: between sockets; `network`: between nodes; `staged`: the
    same of nodes that are a PCIe tree, through the host's memory; `other`: what was not measured.
    `tree`: a tree's rate over a ring's. `spread` as of an entry, of messages of 1 MiB and more,
    `small` of shorter ones.
    """

    nvlink: Reach
    in_switch: Reach
    in_switch5: Reach
    pcie: Reach
    root: Reach
    host: Reach
    network: Reach
    staged: Reach
    efa: Reach
    gloo: Reach
    other: Reach
    tree: Fraction
    spread: Positive
    small: Positive

    def spread_of(self, size: float) -> float:
        """The spread of a collective on `size` bytes, a number or a numpy array."""
        large = size >= LARGE
        return large * self.spread + (1 - large) * self.small

    def ideal(self) -> Links:
        """Links that reach what they state, with nothing around it."""
        bare = Reach(share=1.0, latency=1.0, call=0.0, fill=0.0, short=1.0)
        kinds = [name for name in type(self).model_fields if isinstance(getattr(self, name), Reach)]
        return self.model_copy(update={**dict.fromkeys(kinds, bare), "tree": 1.0})


class Tiles(Record):
    """Kernels made of tiles (see `hwsim.cost.gemm`).

    `reach` is the share of the datasheet's peak that large tiles reach: above 1 where the clock
    under load is above the stated boost clock. `half` in elements, `setup` in steps of k, `memory`
    a share of the bandwidth, `launch` in seconds. `narrow`: the tile that narrow products get where
    a library is known to take that one, by the most that their narrower side may have. `spread`:
    standard deviation of ln(measured / predicted) of cases that were not in the fit, by their 80 %
    quantile; `tail` by their 95 % quantile, None: as the spread.
    """

    reach: Positive
    half: Positive
    setup: Positive
    memory: Positive
    launch: Seconds
    narrow: dict[str, str] = {}
    spread: Positive
    tail: Positive | None = None


class Products(Tiles):
    """Matrix products.

    `overlap`: how sharply the slower of arithmetic and memory traffic decides (the p of a p-norm;
    None: it does alone). `strided`: share of the peak that is left where blocks that run at the
    same time share no rows of a transposed operand (None: all). `narrow16`, ...: seconds over those
    of the tiles' law where the narrower side is at most that. `batched`: the tiles that a library
    takes for a batch of products, all if empty, with k cut in multiples of `depth`.
    """

    overlap: Positive | None = None
    strided: Positive | None = None
    narrow16: Positive = 1.0
    narrow32: Positive = 1.0
    narrow64: Positive = 1.0
    batched: tuple[str, ...] = ()
    depth: Annotated[int, Field(gt=0)] = 8


class Recurrences(Tiles):
    """The chain of products of a recurrent layer.

    `launch` is what each step waits, `start` what the layer does, in seconds; `stall` what every
    step of k waits for its operands in products whose tile `narrow` names.
    """

    start: Seconds
    stall: Seconds = 0.0


class Convolutions(Tiles):
    """Convolutions; shares of the forward product's rate that the other kernels reach."""

    winograd: Positive
    data: Positive
    weights: Positive


class Streams(Record):
    """Elementwise kernels: share of the memory bandwidth (`rows`: with a reduction along rows,
    as in softmax and normalization) and seconds around the work."""

    memory: Positive
    rows: Positive
    launch: Seconds
    spread: Positive
    tail: Positive | None = None


class Host(Record):
    """Kernels of a CPU (see `hwsim.cost.host`): shares of the stated peak, a share of the stated
    bandwidth for each number of live bytes, and `launch`, the seconds of an operator's call."""

    products: Positive
    convolutions: Positive
    streams: Positive
    packing: Positive
    levels: tuple[tuple[Positive, Positive], ...] = Field(min_length=1)
    launch: Seconds
    spread: Positive


class Eager(Record):
    """A family of framework code beside kernels on their own (see `hwsim.cost.host.Eager`): factors
    on the time of products and of all others, and the seconds in which it issues a kernel."""

    products: Positive
    streams: Positive
    launch: Seconds
    spread: Positive


class Code(Record):
    """What steps of a software profile take over what their kernels do on their own.

    Factors on the time of `products` (and more for each data type, `formats`), of fused
    `attention`, of eager attention's products (`scores`), of all other kernels (`streams`), of the
    optimizer's `update`, of what operators `exchange`, of sums and gathers of `gradients` and
    parameters, and of a pipeline's `hop`. `issue`: seconds in which the host issues a kernel of the
    forward pass; `backward`: those of a kernel of the backward pass over that; `step`: seconds
    around a step. `mixtures`: the spread of mixtures of experts, None as of all others.
    """

    products: Positive = 1.0
    attention: Positive = 1.0
    scores: Positive = 1.0
    streams: Positive = 1.0
    update: Positive = 1.0
    exchange: Positive = 1.0
    gradients: Positive = 1.0
    hop: Positive = 1.0
    issue: Seconds
    backward: Positive = 1.0
    step: Seconds = 0.0
    formats: dict[str, Positive] = {}
    spread: Positive
    mixtures: Positive | None = None


class Layer(Record):
    """What was fitted: to one device, or to all measured devices of an architecture.

    Entries go by engine and data type ("vector fp32", "matrix fp16"), then by how they were timed:
    `kernel` (back to back) or `call` (a framework's). `call` has the seconds that a framework's
    call takes around a kernel, by kind; `eager` goes by family: a workload's, `any`
    workload's, or that of an operator, such as update.fused; `software` by profile (see
    `hwsim.software`); `rows` how many cases of which tables were fitted to.
    """

    schema_: Literal["hwsim.calibration/2"] = Field("hwsim.calibration/2", alias="schema")
    name: Line
    description: Line
    products: dict[str, dict[Literal["kernel", "call"], Products]] = {}
    recurrences: dict[str, Recurrences] = {}
    convolutions: dict[str, dict[Literal["kernel", "call"], Convolutions]] = {}
    streams: Streams | None = None
    host: Host | None = None
    links: Links | None = None
    eager: dict[str, Eager] = {}
    software: dict[str, Code] = {}
    call: dict[str, Seconds] = {}
    rows: dict[str, int] = {}
    sources: dict[str, Line] = {}


class Calibration(Layer):
    """Shares of the datasheet's dense peaks, and how far off the result may be.

    `matrix`, `vector`: share of the peak rate of kernels that nothing was fitted for; `memory`:
    share of the bandwidth; `cache`: L2 bandwidth over memory bandwidth where the device doesn't
    state it; `resident`: share of L2 that a matrix which is read again and again may fill;
    `chain`: what each product of a recurrence waits beyond its launch, in launches; `unaligned`:
    share of the fp32 vector peak of 16-bit batches of products whose rows don't begin on 16 bytes,
    which tensor cores can't load; `spread`: as an entry's, of everything else.
    """

    matrix: Fraction
    vector: Fraction
    memory: Fraction
    cache: Positive
    resident: Fraction
    chain: Positive
    unaligned: Positive = 1.0
    links: Links
    spread: Positive

    def over(self, layer: Layer) -> Calibration:
        """This one where `layer` has nothing, else the layer."""
        own = {"name": layer.name, "description": layer.description}
        kinds = ("products", "recurrences", "convolutions", "eager", "software", "call")
        joined = {kind: {**getattr(self, kind), **getattr(layer, kind)} for kind in kinds}
        if layer.host is not None:  # code that issues kernels to a GPU tells nothing of a CPU
            joined |= {"eager": layer.eager, "software": layer.software}
        alone = {"streams": layer.streams, "host": layer.host, "links": layer.links}
        single = {kind: found for kind, found in alone.items() if found is not None}
        told = {**self.sources, **layer.sources}
        rows = {**self.rows, **layer.rows}
        return self.model_copy(update={**own, **joined, **single, "sources": told, "rows": rows})


def nearest(entries: Mapping[str, T], engine: str, dtype: str) -> T | None:
    """The entry of this engine and data type, else of another type on the engine, else None.

    >>> nearest({"vector fp32": 1, "matrix fp16": 2}, "matrix", "bf16")
    2
    >>> nearest({"vector fp32": 1}, "matrix", "bf16")
    """
    exact = entries.get(f"{engine} {dtype}")
    if exact is not None:
        return exact
    return next((found for key, found in entries.items() if key.startswith(f"{engine} ")), None)


@lru_cache
def load(name: str = "default") -> Calibration:
    """A shipped calibration: `default`, or the default under the layer of this name.

    Raises InputError for an unknown name.
    """
    default = records.validate(Calibration, _tree("default"), "default.json")
    return default if name == "default" else default.over(load_layer(name))


def load_layer(name: str) -> Layer:
    """What was fitted to a device, an architecture or `local`.

    Raises InputError for an unknown name.
    """
    if name == userdata.LOCAL:
        return records.validate(Layer, userdata.read("calibration"), str(userdata.path()))
    return records.validate(Layer, _tree(name), f"{name}.json")


def load_for(device: Device) -> Calibration:
    """The default under what was fitted to the device's architecture, under its own.

    `local` has what its owner fitted. Raises InputError if that was fitted to another machine.
    """
    found = _joined(device.architecture.lower(), device.name)
    return found if device.name != userdata.LOCAL else found.over(_local(device))


def read_layer(path: str, device: Device, *, borrow: bool = False) -> Layer:
    """What a file of `hwsim calibrate fit` holds for this device.

    Raises InputError for a file that isn't one, and, unless `borrow`, for one that was fitted to
    another device.
    """
    tree = jsonfile.read_object(jsonfile.file_text(path, path), path)
    if tree.get("schema") == userdata.SCHEMA and isinstance(tree.get("calibration"), dict):
        tree = tree["calibration"]
    if "links" in tree and "matrix" in tree:
        what = "found a default, which is for no device"
        raise InputError(path, what, "write the file of a device or of an architecture")
    layer = records.validate(Layer, tree, path)
    if not borrow and layer.name not in (device.name, device.architecture.lower()):
        what = f"found a calibration of {layer.name}, but the device is {device.name}"
        raise InputError(f"{path}: name", what, "add --borrow to use it all the same")
    return layer


def _local(device: Device) -> Layer:
    layer = load_layer(userdata.LOCAL)
    if layer.description != device.description:
        what = f"found one of {layer.description}, but the device is {device.description}"
        instead = f"calibrate the device: {userdata.HOW}"
        raise InputError(f"calibration of {device.name}", what, instead)
    return layer


@lru_cache
def _joined(*names: str) -> Calibration:
    found = load()
    for name in names:
        if name in shipped():
            found = found.over(load_layer(name))
    return found


@lru_cache
def shipped() -> tuple[str, ...]:
    """Names of the shipped calibrations."""
    folder = resources.files("hwsim") / "data" / "calibrations"
    files = (entry.name for entry in folder.iterdir())
    return tuple(sorted(n.removesuffix(".json") for n in files if n.endswith(".json")))


def _tree(name: str) -> dict[str, Any]:
    if name not in shipped():
        known = ", ".join(shipped())
        raise InputError("calibration", f"found '{name}'", f"write one of: {known}")
    path = resources.files("hwsim") / "data" / "calibrations" / f"{name}.json"
    return jsonfile.read_object(path.read_text(encoding="utf-8"), path.name)
