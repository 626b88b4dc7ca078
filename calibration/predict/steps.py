"""Training steps of transformers and of hwsim's own workloads, spread as a table says."""

from __future__ import annotations

from collections import Counter

from calibration.measurement import Case
from calibration.predict.basis import Basis, dtype_of
from calibration.predict.systems import system_of
from calibration.shapes import Shape, TransformerStep, WorkloadStep
from hwsim.errors import InputError
from hwsim.graph.dtypes import Dtype
from hwsim.graph.ops import Kernel
from hwsim.graph.workload import Workload, find
from hwsim.parallel.plan import Plan
from hwsim.simulate.step import simulate
from workloads.transformer import Transformer


def step_parts(case: Case, shape: TransformerStep, basis: Basis) -> dict[str, float]:
    """Seconds by part of a simulated step. Raises InputError for what can't be costed."""
    system = system_of(case, basis)
    workload, plan = _workload(shape, dtype_of(case)), plan_of(shape)
    calibration = basis.calibration(system.device)
    return simulate(system, workload, plan, calibration, trace=False).parts()


def plan_of(shape: TransformerStep) -> Plan:
    """The plan that a row states. Raises InputError where it doesn't state enough.

    A ZeRO stage that is not stated is 0. Chunks of a stage are interleaved where micro-batches come
    in whole rounds.
    """
    if (shape.experts or 1) > 1:
        raise InputError("", "mixtures of experts are not predicted yet")
    if shape.micro_batch is None:
        raise InputError("", "the micro-batch is not stated")
    if shape.recompute == "unknown":
        raise InputError("", "recomputation is stated as unknown: not costed")
    if shape.global_batch % (shape.micro_batch * shape.dp):
        raise InputError("", "micro_batch x dp does not divide global_batch")
    count = shape.global_batch // (shape.micro_batch * shape.dp)
    virtual = shape.virtual_pp or 1
    interleaved = virtual > 1 and shape.pp > 1 and count % shape.pp == 0
    return Plan(
        dp=shape.dp,
        tp=shape.tp,
        pp=shape.pp,
        cp=shape.cp,
        micro_batch=shape.micro_batch,
        schedule="interleaved" if interleaved else "1f1b",
        virtual=virtual if interleaved else 1,
        balance="layers",
        zero=shape.zero_stage or 0,
        sequence_parallel=bool(shape.sequence_parallel),
        recompute=shape.recompute,
    )


def kernels_of_step(case: Case) -> Counter[Kernel]:
    """Every kernel of a device's step but the update's, and how often it runs.

    Raises InputError as `step_parts` does.
    """
    shape = case.shape
    if isinstance(shape, WorkloadStep):
        graph, count, again = workload_of(case, shape).graph(), 1, 1
    elif isinstance(shape, TransformerStep):
        micro = _micro_batch(shape)
        graph = _workload(shape, dtype_of(case)).graph(micro)
        count = shape.global_batch // (micro * shape.dp)
        again = 2 if shape.recompute == "full" else 1
    else:
        raise InputError("", f"the kernels of a {shape.family} are not known")
    found: Counter[Kernel] = Counter()
    for layer in graph.layers:
        # Behind the last layer's forward pass its backward pass follows: nothing is repeated.
        times = layer.repeat * count * (1 if layer is graph.layers[-1] else again)
        for op in layer.ops:
            for kernel in op.forward():
                found[kernel] += times
            for kernel in op.backward():
                found[kernel] += layer.repeat * count
    return found


def workload_parts(case: Case, shape: WorkloadStep, basis: Basis) -> dict[str, float]:
    """Seconds by part of a step of one of hwsim's workloads, split over the case's devices.

    Raises InputError for a workload or a setting that is not there.
    """
    workload = workload_of(case, shape)
    plan = Plan(dp=case.devices or 1)
    system = system_of(case, basis)
    calibration = basis.calibration(system.device)
    return simulate(system, workload, plan, calibration, trace=False).parts()


def workload_of(case: Case, shape: Shape) -> Workload:
    """The workload in the data type of the case. Raises InputError for another shape."""
    if not isinstance(shape, WorkloadStep):
        raise InputError("", f"a {shape.family} is no step of a workload")
    kind = find(shape.workload)
    return kind.model_validate({**dict(shape.settings), "dtype": dtype_of(case)})


def _micro_batch(shape: TransformerStep) -> int:
    """Sequences of a micro-batch, once the plan is one that can be costed."""
    ways = {"tensor": shape.tp, "pipeline": shape.pp, "context": shape.cp}
    split = [way for way, degree in ways.items() if degree > 1]
    if split:
        raise InputError("", f"under {', '.join(split)} parallelism no device has whole kernels")
    if shape.micro_batch is None:
        raise InputError("", "the micro-batch is not stated")
    if shape.recompute in ("unknown", "selective"):
        raise InputError("", f"recomputation is stated as {shape.recompute}: not costed")
    if shape.global_batch % (shape.micro_batch * shape.dp):
        raise InputError("", "micro_batch x dp does not divide global_batch")
    return shape.micro_batch


def _workload(shape: TransformerStep, dtype: Dtype) -> Transformer:
    """The model: with a gated feed-forward LLaMA's shape, else GPT-2's.

    Attention that is not known to be fused is taken as eager, a framework's own default.
    """
    llama = shape.gated_mlp
    return Transformer(
        batch=shape.global_batch,
        dtype=dtype,
        layers=shape.layers,
        hidden=shape.hidden,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        ffn=shape.ffn,
        gated=llama,
        vocabulary=shape.vocab,
        sequence=shape.seq,
        tied=not llama,
        positions="rotary" if llama else "learned",
        norm="rmsnorm" if llama else "layernorm",
        bias=not llama,
        attention="fused" if shape.attention == "flash" else "eager",
    )
