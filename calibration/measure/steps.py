"""Whole training steps of a workload's twin, on one device or as one of several processes."""

from __future__ import annotations

import torch
from torch.nn.parallel import DistributedDataParallel

from calibration.measure.kernels import optimizer
from calibration.measure.work import Work
from calibration.measurement import Case
from calibration.modules import twin
from calibration.shapes import WorkloadStep
from hwsim.errors import InputError
from hwsim.graph.workload import Workload, find

# Weights stay fp32; bf16 is torch's automatic mixed precision.
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def workload_of(shape: WorkloadStep) -> Workload:
    """The workload with its settings. Raises InputError for what it does not take."""
    return find(shape.workload).model_validate(dict(shape.settings))


def step_of(case: Case, shape: WorkloadStep, device: str) -> Work:
    """zero_grad, forward, backward and the update, on random samples.

    In a process group this device's share of the batch, with its gradients averaged by
    DistributedDataParallel. Raises InputError for a workload or plan that can't be.
    """
    if case.dtype not in (None, "fp32", "tf32", *AUTOCAST):
        raise InputError("dtype", f"found {case.dtype}", "write fp32, tf32 or bf16")
    workload, devices = workload_of(shape), case.devices or 1
    if workload.batch % devices:
        raise InputError("shape.settings.batch", f"{devices} devices can't share {workload.batch}")
    module = twin(workload)
    model = module.build(workload, device)
    inputs = module.example(workload, workload.batch // devices, device)
    if devices > 1:
        model = DistributedDataParallel(model, [device] if device != "cpu" else None)
    update = optimizer(workload.optimizer, list(model.parameters()), workload.learning_rate)
    kind = torch.device(device).type
    narrow = AUTOCAST.get(case.dtype or "fp32")
    autocast = torch.autocast(kind, narrow, enabled=narrow is not None)

    def step() -> None:
        update.zero_grad()
        with autocast:
            loss = model(*inputs)
        loss.backward()
        update.step()

    return Work(step, queued=True)
