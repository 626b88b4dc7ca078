"""What a device reaches: its spec times a calibration, as plain numbers for the cost functions."""

from __future__ import annotations

from typing import NamedTuple

from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.graph.dtypes import BYTES, Dtype
from hwsim.hardware.spec import Device


class Rates(NamedTuple):
    """Reachable rates in SI units; each may be an array over hardware points."""

    matrix: float  # FLOP/s of matrix products
    vector: float  # FLOP/s of everything else
    memory: float  # bytes/s
    cache: float  # bytes/s out of the last-level cache
    resident: float  # bytes that stay in it between repeats
    launch: float  # s between dependent kernels, on the device
    chain: float  # s more before each product of a recurrence
    dispatch: float  # s of host time per kernel


def rates(device: Device, calibration: Calibration, dtype: Dtype) -> Rates:
    """Rates for one data type; tensor cores where the device has them for it.

    Raises InputError if the device states no rate for `dtype`.
    """
    matrix, vector = peaks(device, dtype)
    clock = device.clock
    # Peaks are stated at the boost clock; a sustained clock below it scales them down.
    slowdown = clock.sustained / clock.boost if clock.sustained and clock.boost else 1.0
    memory = device.memory.bandwidth * calibration.memory
    l2 = device.caches.l2
    stated = l2.bandwidth if l2 is not None else None
    return Rates(
        matrix=matrix * slowdown * calibration.matrix,
        vector=vector * slowdown * calibration.vector,
        memory=memory,
        cache=stated if stated is not None else memory * calibration.cache,
        resident=l2.capacity * calibration.resident if l2 is not None else 0.0,
        launch=device.launch.kernel,
        chain=device.launch.kernel * calibration.chain,
        dispatch=device.launch.dispatch,
    )


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
    vector = max((rate for rate in able if rate is not None), default=None)
    # fp16 storage alone speeds nothing up: without a rate of its own fp16 is not offered.
    on_vector = None if own is None else vector
    on_matrix = None if dtype == "fp32" else getattr(device.matrix, dtype, None)
    product = on_matrix or on_vector
    if product is None:
        raise InputError(
            f"workload.dtype on {device.name}",
            f"found {dtype}, for which the device states no rate",
            f"write one of: {', '.join(offered(device))}"
            if offered(device)
            else f"state one: --set device.vector.{dtype}=10TFLOPS",
        )
    return product, vector or product


def offered(device: Device) -> list[str]:
    """Data types with a stated rate on this device."""
    return [
        name
        for name in BYTES
        if getattr(device.vector, name, None) is not None
        or (name != "fp32" and getattr(device.matrix, name, None) is not None)
    ]
