"""What a device reaches: its spec times a calibration, as plain numbers for the cost functions."""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import reduce
from typing import Any, Literal, NamedTuple

from hwsim.cost import calibration as calibrations
from hwsim.cost.calibration import Calibration, Code, nearest
from hwsim.cost.convolution import Convolving
from hwsim.cost.gemm import NARROW, Tiled, tile_number
from hwsim.cost.host import Eager, Hosting
from hwsim.cost.pick import greater, lesser
from hwsim.errors import InputError
from hwsim.graph.dtypes import BYTES, Dtype
from hwsim.hardware.spec import Device

Timing = Literal["kernel", "call"]
# The launch.kernel of every fitted device's file: another one scales the waits that were fitted.
FITTED_AT = 4e-6
CLASSES = (*(str(side) for side in NARROW), "more")


class Chaining(NamedTuple):
    """The products of a recurrence: tiles whose launch is a step's wait, the seconds that a layer
    takes to start, and those that each step of k stalls in products with a fixed tile."""

    tiled: Tiled
    start: float
    stall: float = 0.0


class Spreads(NamedTuple):
    """Standard deviation of ln(measured / predicted), by kind of kernel."""

    products: float = 0.0
    chains: float = 0.0
    convolutions: float = 0.0
    streams: float = 0.0


class Rates(NamedTuple):
    """Reachable rates in SI units; each may be an array over hardware points.

    Kinds of kernels that nothing was fitted for are None: they are costed as a roofline.
    """

    matrix: float  # FLOP/s of matrix products
    vector: float  # FLOP/s of everything else
    memory: float  # bytes/s
    cache: float  # bytes/s out of the last-level cache
    resident: float  # bytes that stay in it between repeats
    launch: float  # s between dependent kernels, on the device
    chain: float  # s more before each product of a recurrence
    dispatch: float  # s of host time per kernel
    unaligned: float = math.inf  # FLOP/s of batches of products that tensor cores can't load
    rows: float | None = None  # bytes/s of kernels with a reduction along rows
    on_vector: bool = False  # products run on vector units
    products: Tiled | None = None
    chains: Chaining | None = None
    convolutions: Convolving | None = None
    host: Hosting | None = None
    eager: Eager = Eager()
    spreads: Spreads = Spreads()
    tails: Spreads = Spreads()  # as wide as the 95 % interval is


def rates(
    device: Device,
    calibration: Calibration,
    dtype: Dtype,
    *,
    vector_only: bool = False,
    timing: Timing = "kernel",
    family: str | None = None,
    code: Code | None = None,
) -> Rates:
    """Rates for one data type; tensor cores where the device has them for it.

    `vector_only` leaves them out. `timing` "call" adds what a framework's call takes around each
    kernel, for times that were measured so; `family` what was fitted to framework
    code of this family, or `code` what was fitted to a software profile, whose host runs ahead of
    the device. Raises InputError if the device states no rate for `dtype`.
    """
    matrix, vector = peaks(device, dtype)
    on_vector = vector_only or dtype == "fp32" or getattr(device.matrix, dtype, None) is None
    if vector_only:
        matrix = lesser(matrix, vector)
    clock = device.clock
    # Peaks are stated at the boost clock; a sustained clock below it scales them down.
    slowdown: Any = 1.0
    if clock.sustained is not None and clock.boost is not None:
        slowdown = clock.sustained / clock.boost
    memory = device.memory.bandwidth * calibration.memory
    l2 = device.caches.l2
    stated = l2.bandwidth if l2 is not None else None
    found = Rates(
        matrix=matrix * slowdown * calibration.matrix,
        vector=vector * slowdown * calibration.vector,
        memory=memory,
        cache=stated if stated is not None else memory * calibration.cache,
        resident=l2.capacity * calibration.resident if l2 is not None else 0.0,
        launch=device.launch.kernel,
        chain=device.launch.kernel * calibration.chain,
        dispatch=device.launch.dispatch,
        unaligned=calibration.unaligned * slowdown * _stated(device.vector.fp32),
        on_vector=on_vector,
        spreads=Spreads(*(4 * [calibration.spread])),
        tails=Spreads(*(4 * [calibration.spread])),
    )
    if calibration.host is not None:
        return _eager(
            _hosted(found, calibration.host, matrix * slowdown, device.memory.bandwidth),
            calibration,
            family,
        )
    tiled = _tiled(found, device, calibration, dtype, timing, matrix * slowdown)
    streamed = _streams(tiled, calibration, timing)
    return _eager(streamed, calibration, family) if code is None else _coded(streamed, code, dtype)


def _hosted(found: Rates, host: calibrations.Host, peak: float, bandwidth: float) -> Rates:
    made = Hosting(
        products=host.products * peak,
        convolutions=host.convolutions * peak,
        streams=host.streams * peak,
        packing=host.packing,
        sizes=tuple(size for size, _ in host.levels),
        shares=tuple(share for _, share in host.levels),
        memory=bandwidth,
    )
    spreads = Spreads(*(4 * [host.spread]))
    found = found._replace(host=made, launch=host.launch, dispatch=0.0)
    return found._replace(spreads=spreads, tails=spreads)


def _eager(found: Rates, calibration: Calibration, family: str | None) -> Rates:
    """With what was fitted to the family of framework code, if anything."""
    fitted = calibration.eager.get(family or "")
    if fitted is None:
        return found
    eager = Eager(fitted.products, fitted.streams, fitted.launch)
    spreads = Spreads(*(4 * [fitted.spread]))
    return found._replace(eager=eager, spreads=spreads, tails=spreads)


def _coded(found: Rates, code: Code, dtype: Dtype) -> Rates:
    """With what was fitted to a software profile; its issue of kernels is not here."""
    products = code.products * code.formats.get(dtype, 1.0)
    spreads = Spreads(*(4 * [code.spread]))
    eager = Eager(products, code.streams, 0.0, code.attention, code.scores)
    return found._replace(eager=eager, spreads=spreads, tails=spreads)


def _streams(found: Rates, calibration: Calibration, timing: Timing) -> Rates:
    fitted = calibration.streams
    if fitted is None:
        return found
    bandwidth = found.memory / calibration.memory
    reached = found._replace(
        memory=bandwidth * fitted.memory,
        rows=bandwidth * fitted.rows,
        launch=fitted.launch * found.launch / FITTED_AT if timing == "call" else found.launch,
    )
    return _spread(reached, "streams", fitted)


def _spread(found: Rates, kind: str, fitted: calibrations.Tiles | calibrations.Streams) -> Rates:
    """With how far off this kind of kernels may be."""
    return found._replace(
        spreads=found.spreads._replace(**{kind: fitted.spread}),
        tails=found.tails._replace(**{kind: fitted.tail or fitted.spread}),
    )


def _tiled(
    found: Rates,
    device: Device,
    calibration: Calibration,
    dtype: Dtype,
    timing: Timing,
    peak: float,
) -> Rates:
    """With what was fitted for kernels made of tiles, on a device whose processors share memory."""
    if not has_tiles(device):
        return found
    processors: Any = device.multiprocessors
    engine, bandwidth = "vector" if found.on_vector else "matrix", device.memory.bandwidth
    # What was fitted in fp32 tells of no faster format: DeepBench's P100 computes fp16 in fp32.
    single = device.vector.fp32
    calls = calibration.call if timing == "call" else {}
    slower = device.launch.kernel / FITTED_AT

    def tiles(fitted: calibrations.Tiles, launch: float, like: Collection[str]) -> Tiled:
        numbers = tuple(tile_number(fitted.narrow.get(side, "")) for side in CLASSES)
        known = f"{engine} {dtype}" in like
        alone = known or engine == "matrix" or single is None
        rate = peak if alone else lesser(peak, single)
        own = (fitted.reach * rate, fitted.half, fitted.setup, fitted.memory * bandwidth)
        return Tiled(*own, 1.0 * processors, launch * slower, numbers)

    timed = nearest(calibration.products, engine, dtype)
    chain = nearest(calibration.recurrences, engine, dtype)
    sliding = nearest(calibration.convolutions, engine, dtype)
    if timed:
        same = timed.get(timing)
        product = same or next(iter(timed.values()))
        launch = same.launch if same else calls.get("products", FITTED_AT)
        plain = tiles(product, launch, calibration.products)
        found = _spread(found._replace(products=_chosen(plain, product)), "products", product)
    if chain:
        tiled = tiles(chain, chain.launch, calibration.recurrences)
        made = Chaining(tiled, chain.start * slower, chain.stall)
        found = _spread(found._replace(chains=made), "chains", chain)
    if sliding:
        alike = sliding.get(timing)
        best = alike or next(iter(sliding.values()))
        launch = alike.launch if alike else calls.get("convolutions", FITTED_AT)
        tiled = tiles(best, launch, calibration.convolutions)
        made_of = Convolving(tiled, best.winograd, best.data, best.weights)
        found = _spread(found._replace(convolutions=made_of), "convolutions", best)
    return found


def _chosen(tiled: Tiled, fitted: calibrations.Products) -> Tiled:
    """With what is known of products alone."""
    numbers = [tile_number(name) for name in fitted.batched]
    return tiled._replace(
        overlap=fitted.overlap or math.inf,
        strided=fitted.strided or math.inf,
        shares=(fitted.narrow16, fitted.narrow32, fitted.narrow64),
        batched=tuple(number for number in numbers if number >= 0),
        depth=fitted.depth,
    )


def _stated(rate: float | None) -> float:
    return math.inf if rate is None else rate


def has_tiles(device: Device) -> bool:
    """Whether a device states what kernels made of tiles run on: processors with shared memory."""
    return device.multiprocessors is not None and device.caches.shared is not None


def is_host(device: Device) -> bool:
    """Whether the thread that issues an operator also runs it: a CPU has no dispatch of its own."""
    return device.launch.dispatch == 0.0 and not has_tiles(device)


def peaks(device: Device, dtype: Dtype) -> tuple[float, float]:
    """Dense datasheet peaks for products and for other work, in FLOP/s.

    fp32 products run on the vector units; a device that computes fp16 more slowly than fp32 (or not
    at all) stores it and computes in fp32. Other work runs at the matrix rate where a device states
    no vector rate.
    """
    single = device.vector.fp32
    own = getattr(device.vector, dtype, None)
    # Only what is no wider than fp32 can be computed in it.
    able = (own,) if BYTES[dtype] > BYTES["fp32"] else (single, own)
    rates_there = [rate for rate in able if rate is not None]
    vector: Any = reduce(greater, rates_there) if rates_there else None
    # fp16 storage alone speeds nothing up: without a rate of its own fp16 is not offered.
    on_vector = None if own is None else vector
    on_matrix = None if dtype == "fp32" else getattr(device.matrix, dtype, None)
    product = on_vector if on_matrix is None else on_matrix
    if product is None:
        raise InputError(
            f"workload.dtype on {device.name}",
            f"found {dtype}, for which the device states no rate",
            f"write one of: {', '.join(offered(device))}"
            if offered(device)
            else f"state one: --set device.vector.{dtype}=10TFLOPS",
        )
    return product, product if vector is None else vector


def offered(device: Device) -> list[Dtype]:
    """Data types with a stated rate on this device."""
    return [
        name
        for name in BYTES
        if getattr(device.vector, name, None) is not None
        or (name != "fp32" and getattr(device.matrix, name, None) is not None)
    ]
