"""The parameters that turn datasheet rates into reachable ones, each with where it is from.

The shipped `default` holds for any device and is accordingly wide. Over it go what was fitted to
the architecture's devices, then what was fitted to the device itself: `load_for`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from hwsim import jsonfile, records
from hwsim.errors import InputError
from hwsim.hardware.spec import Device

Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
T = TypeVar("T")


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Links(Record):
    """Share of a link's rate that a collective reaches, by kind of link."""

    nvlink: Fraction
    pcie: Fraction
    host: Fraction
    network: Fraction
    other: Fraction


class Products(Record):
    """Matrix products in tiles (see `hwsim.cost.gemm`).

    `reach` is the share of the datasheet's peak that large tiles reach: above 1 where the clock
    under load is above the stated boost clock. `half` in elements, `setup` in steps of k, `memory`
    a share of the bandwidth, `launch` in seconds. `narrow`: the tile that narrow products get where
    a library is known to take that one, by the most that their narrower side may have. `spread`:
    standard deviation of ln(measured / predicted) of cases that were not in the fit.
    """

    reach: Positive
    half: Positive
    setup: Positive
    memory: Positive
    launch: Seconds
    narrow: dict[str, str] = {}
    spread: Positive


class Recurrences(Products):
    """The chain of products of a recurrent layer.

    `launch` is what each step waits, `start` what the layer does, in seconds; `stall` what every
    step of k waits for its operands in products whose tile `narrow` names.
    """

    start: Seconds
    stall: Seconds = 0.0


class Convolutions(Products):
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


class Layer(Record):
    """What was fitted: to one device, or to all measured devices of an architecture.

    Entries go by engine and data type ("vector fp32", "matrix fp16"), then by how they were timed:
    `kernel` (back to back) or `call` (a framework's). `call` has the seconds that a framework's
    call takes around a kernel, by kind; `rows` how many cases of which tables were fitted to.
    """

    schema_: Literal["hwsim.calibration/2"] = Field("hwsim.calibration/2", alias="schema")
    name: str
    description: str
    products: dict[str, dict[Literal["kernel", "call"], Products]] = {}
    recurrences: dict[str, Recurrences] = {}
    convolutions: dict[str, dict[Literal["kernel", "call"], Convolutions]] = {}
    streams: Streams | None = None
    call: dict[str, Seconds] = {}
    rows: dict[str, int] = {}
    sources: dict[str, str] = {}


class Calibration(Layer):
    """Shares of the datasheet's dense peaks, and how far off the result may be.

    `matrix`, `vector`: share of the peak rate of kernels that nothing was fitted for; `memory`:
    share of the bandwidth; `cache`: L2 bandwidth over memory bandwidth where the device doesn't
    state it; `resident`: share of L2 that a matrix which is read again and again may fill;
    `chain`: what each product of a recurrence waits beyond its launch, in launches; `spread`: as an
    entry's, of everything else.
    """

    matrix: Fraction
    vector: Fraction
    memory: Fraction
    cache: Positive
    resident: Fraction
    chain: Positive
    links: Links
    spread: Positive

    def over(self, layer: Layer) -> Calibration:
        """This one where `layer` has nothing, else the layer."""
        own = {"name": layer.name, "description": layer.description}
        kinds = ("products", "recurrences", "convolutions", "call")
        joined = {kind: {**getattr(self, kind), **getattr(layer, kind)} for kind in kinds}
        single = {} if layer.streams is None else {"streams": layer.streams}
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


def load(name: str = "default") -> Calibration:
    """A shipped calibration: `default`, or the default under the layer of this name.

    Raises InputError for an unknown name.
    """
    default = records.validate(Calibration, _tree("default"), "default.json")
    return default if name == "default" else default.over(load_layer(name))


def load_layer(name: str) -> Layer:
    """What was fitted to a device or an architecture. Raises InputError for an unknown name."""
    return records.validate(Layer, _tree(name), f"{name}.json")


def load_for(device: Device) -> Calibration:
    """The default under what was fitted to the device's architecture, under its own."""
    return _joined(device.architecture.lower(), device.name)


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
