"""Bytes that a step needs on each device, by what they are for."""

from __future__ import annotations

from typing import Any

from hwsim.errors import DoesNotFit
from hwsim.graph.step import MOMENTS, StepGraph, parameter_bytes, state_bytes
from hwsim.hardware.spec import Device, System
from hwsim.parallel.check import divisors
from hwsim.parallel.plan import MOST_DEVICES, Plan, available
from hwsim.units import bytes_text


def footprint(graph: StepGraph, plan: Plan) -> dict[str, float]:
    """Bytes by part on one device.

    Parameters in the workload's format (below 32 bits with an fp32 master copy), gradients and the
    optimizer's moments in fp32, the activations that the backward pass needs, and with data
    parallelism the buckets in which gradients travel: PyTorch's DistributedDataParallel keeps one
    for every gradient. Nothing is added for the framework, the driver or fragmentation.
    """
    parameters, state = graph.parameters, state_bytes(graph.dtype)
    return {
        "parameters": parameters * parameter_bytes(graph.dtype),
        "gradients": parameters * state,
        "optimizer": parameters * MOMENTS[graph.optimizer] * state,
        "activations": graph.saved_bytes,
        "communication": parameters * state if plan.dp > 1 else 0.0,
    }


def capacity(device: Device) -> float:
    """Bytes that the device has: what its driver reports where that is known."""
    return float(device.memory.reported or device.memory.capacity)


def does_not_fit(parts: dict[str, float], device: Device, advice: str) -> DoesNotFit:
    """The error that tells bytes by part, and what would fit."""
    table = ", ".join(f"{name} {bytes_text(size)}" for name, size in parts.items() if size)
    return DoesNotFit(
        f"memory of {device.name}",
        f"the step needs {bytes_text(sum(parts.values()))} on each device "
        f"({table}), which has {bytes_text(capacity(device))}",
        advice,
    )


def what_fits(workload: Any, plan: Plan, system: System) -> str:
    """The nearest plan by data parallelism that fits, or that none does."""
    room, there = capacity(system.device), available(system)
    batch = workload.batch
    for dp in (d for d in divisors(batch) if plan.dp < d <= MOST_DEVICES):
        wider = plan.model_copy(update={"dp": dp})
        if sum(footprint(workload.graph(batch // dp), wider).values()) <= room:
            lacking = there is not None and dp > there
            where = f", on a larger system: {system.name} has {there}" if lacking else ""
            return f"--dp {dp} would fit ({batch // dp} samples on each device{where})"
    return "no data-parallel plan fits: write a smaller workload, or a device with more memory"
