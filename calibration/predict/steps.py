"""Training steps that are spread by data parallelism alone: of transformers, of workloads."""

from __future__ import annotations

from collections import Counter

from calibration.measurement import Case
from calibration.predict.basis import Basis, dtype_of
from calibration.predict.systems import system_of
from calibration.shapes import Shape, TransformerStep, WorkloadStep
from hwsim.cost.rates import rates
from hwsim.cost.roofline import BOUNDS, kernel_cost
from hwsim.errors import InputError
from hwsim.estimate import simulate
from hwsim.graph.dtypes import Dtype
from hwsim.graph.ops import Kernel
from hwsim.graph.workload import Workload, find
from hwsim.parallel.check import check
from hwsim.parallel.lower import family
from hwsim.parallel.plan import Plan
from workloads.transformer import Transformer


def step_parts(case: Case, shape: TransformerStep, basis: Basis) -> dict[str, float]:
    """Seconds of a step by part: micro-batches one after the other, one gradient sum, one update.

        t = (n - 1) (forward + backward) + simulated step of the last of n micro-batches

    where the last one overlaps its backward pass with the sum and the update follows. Full
    recomputation adds a forward pass to each; with sharded optimizer state (ZeRO stage 1) each
    device updates its share, and the all-gather of what it updated stands for the second half of
    the sum. Raises InputError for a plan or a machine that can't be costed.
    """
    micro = _micro_batch(shape)
    count = shape.global_batch // (micro * shape.dp)
    dtype = dtype_of(case)
    graph = _workload(shape, dtype).graph(micro)
    system = system_of(case, basis)
    calibration = basis.calibration(system.device)
    parts = simulate(system, graph, Plan(dp=shape.dp), calibration).parts()
    parts |= {bound: count * parts[bound] for bound in BOUNDS}
    if shape.zero_stage == 1:
        parts["update"] /= shape.dp
    if shape.recompute == "full":
        reach = rates(system.device, calibration, dtype, family=family(graph, calibration))
        again = sum(kernel_cost(kernel, reach, dtype).seconds for kernel in graph.forward())
        parts["recomputation"] = count * again
    return parts


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
    for kernel in graph.forward():
        found[kernel] += again * count
    for kernel in graph.backward():
        found[kernel] += count
    return found


def workload_parts(case: Case, shape: WorkloadStep, basis: Basis) -> dict[str, float]:
    """Seconds by part of a step of one of hwsim's workloads, split over the case's devices.

    Raises InputError for a workload or a setting that is not there.
    """
    workload = workload_of(case, shape)
    plan = Plan(dp=case.devices or 1)
    system = system_of(case, basis)
    check(plan, workload, system)
    graph = workload.graph(workload.batch // plan.dp)
    return simulate(system, graph, plan, basis.calibration(system.device)).parts()


def workload_of(case: Case, shape: Shape) -> Workload:
    """The workload in the data type of the case. Raises InputError for another shape."""
    if not isinstance(shape, WorkloadStep):
        raise InputError("", f"a {shape.family} is no step of a workload")
    kind = find(shape.workload)
    return kind.model_validate({**dict(shape.settings), "dtype": dtype_of(case)})


def _micro_batch(shape: TransformerStep) -> int:
    """Sequences of a micro-batch, once the plan is one that can be costed."""
    ways = {"tensor": shape.tp, "pipeline": shape.pp, "context": shape.cp}
    missing = [way for way, degree in ways.items() if degree > 1]
    if missing:
        raise InputError("", f"{', '.join(missing)} parallelism is not simulated yet")
    if (shape.zero_stage or 0) > 1:
        raise InputError("", f"ZeRO stage {shape.zero_stage} is not simulated yet")
    if (shape.experts or 1) > 1:
        raise InputError("", "mixtures of experts are not simulated yet")
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
