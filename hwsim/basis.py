"""What an estimate rests on: its assumptions, and the sources of its figures."""

from __future__ import annotations

from collections.abc import Iterator

from hwsim.convergence.law import OTHER_KIND, PER_LOG_UNIT, Steps
from hwsim.cost.calibration import Calibration
from hwsim.cost.collectives import chosen
from hwsim.cost.offload import REACHED
from hwsim.cost.paths import kinds_used
from hwsim.cost.quantized import RECIPES
from hwsim.cost.rates import has_tiles
from hwsim.graph.dtypes import stored
from hwsim.graph.step import StepGraph, state_bytes
from hwsim.graph.workload import Workload
from hwsim.hardware.figures import figures
from hwsim.hardware.spec import System
from hwsim.overheads import Overheads
from hwsim.parallel.memory import FRAGMENTATION
from hwsim.parallel.placement import gradient_group
from hwsim.parallel.plan import Plan
from hwsim.parallel.preset import defaults
from hwsim.parallel.price import ANY, coded
from hwsim.software.spec import Software, facts

ASSUMED = "assumed: "
NOTHING_ELSE = (
    "memory leaves out what framework and driver hold themselves",
    f"fragmentation takes {FRAGMENTATION:.0%} of activations and buffers",
)


def assumptions(
    system: System,
    workload: Workload,
    graph: StepGraph,
    plan: Plan,
    calibration: Calibration,
    count: Steps | None,
    overheads: Overheads,
    *,
    software: Software | None = None,
) -> list[str]:
    """Everything that was taken for granted and could be otherwise, one line each."""
    found = [
        _reached(system, calibration),
        *_framework(graph, calibration, software),
        *_software(software, plan),
        *_computing(system, graph),
        *_beside(overheads, plan.devices),
        *NOTHING_ELSE,
    ]
    found += _planned(system, graph, plan, calibration)
    if count is not None and count.extrapolated:
        found.append(
            f"outside its setting a law is off by a factor of e^{OTHER_KIND} for another kind, and "
            f"by (ratio)^{PER_LOG_UNIT} for another number (one standard deviation)"
        )
    if count is not None and count.critical is not None:
        found.append(
            f"steps fall with the batch B as 1 + {count.critical:,.0f} / B (McCandlish et al. 2018)"
        )
    given = workload.model_dump()
    default = type(workload).model_validate({}).model_dump()
    found += [
        f"workload.{name} = {given[name]} ({reason})"
        for name, reason in workload.assumed.items()
        if given[name] == default[name]
    ]
    found += [
        f"{figure.path} = {figure.text} ({figure.source.removeprefix(ASSUMED)})"
        for figure in figures(system)
        if figure.source.startswith(ASSUMED) and _is_used(figure.path, system, plan)
    ]
    found += [
        f"calibration.{name} ({text.removeprefix(ASSUMED)})"
        for name, text in calibration.sources.items()
        if text.startswith(ASSUMED) and _share_is_used(name, system, graph, plan, calibration)
    ]
    return found


def sources(
    system: System,
    calibration: Calibration,
    count: Steps | None,
    *,
    software: Software | None = None,
) -> list[str]:
    """Where every figure of the machine, every fact of the software, every share and the law are
    from."""
    found = [f"{f.path} = {f.text}: {f.source}" for f in figures(system)]
    found += [f"calibration.{name}: {text}" for name, text in calibration.sources.items()]
    if software is not None:
        found += [f"software.{fact.path} = {fact.text}: {fact.source}" for fact in facts(software)]
    if count is not None and count.source:
        found.append(f"steps: {count.source}")
    return found


def _reached(system: System, calibration: Calibration) -> str:
    which = f"(calibration '{calibration.name}': {calibration.description})"
    if calibration.host is not None:
        return f"kernels take what was measured on the machine itself {which}"
    if calibration.products and has_tiles(system.device):
        return f"kernels reach what tiles, waves and memory allow, fitted to measured times {which}"
    return (
        f"kernels reach {calibration.matrix:.0%} of the dense peak and {calibration.memory:.0%} of "
        f"the memory bandwidth {which}"
    )


def _beside(overheads: Overheads, devices: int) -> Iterator[str]:
    """What stops the training, and what is taken to be free."""
    yield "data loading never holds up a step"
    fails = overheads.failures(devices) > 0
    free = {
        "evaluation": not overheads.evaluation,
        "checkpoints": not overheads.checkpoint,
        "start-up": not overheads.startup,
        "restarts": not fails,
    }
    if any(free.values()):
        yield f"free: {', '.join(name for name, is_free in free.items() if is_free)}"
    if fails:
        every = overheads.checkpoint_every
        last = f"the last checkpoint ({every:,} steps apart)" if every else "the start of the run"
        yield f"failures come at random, and lose the work since {last}"


def _planned(
    system: System, graph: StepGraph, plan: Plan, calibration: Calibration
) -> Iterator[str]:
    """What a plan of several devices takes for granted."""
    if plan.dp * plan.cp > 1:
        among = gradient_group(plan, system)
        whole = graph.parameters * state_bytes(graph.dtype) / (plan.tp * plan.pp)
        collective, summed = "all_reduce", "summed"
        if plan.zero:
            collective, summed = "reduce_scatter", "summed in shares"
        size, how = (min(plan.bucket, whole), "buckets") if plan.overlap else (whole, "at once")
        way = chosen(collective, size, among, system, calibration)
        yield f"gradients are {summed} over {among.devices} devices, {how} by the way: {way}"
    if plan.pp > 1:
        by = "their time" if plan.balance == "cost" else "their number"
        yield f"layers are dealt out to stages by {by}; what stages send hides behind kernels"
    if plan.tp > 1:
        how = "in chunks beside products" if plan.tensor_overlap else "while kernels wait"
        yield f"tensor neighbors speak {how}"
    if plan.cp > 1:
        yield "the devices of a sequence have equal shares of a causal mask"
    if plan.time_chunks > 1:
        yield "all time chunks take as long as those behind the first"
    if plan.recompute == "full":
        yield "all layers but the last are computed again from their inputs"
    if plan.offload != "none":
        yield f"copies to and from the host reach {REACHED:.0%} of its link"
    if plan.ep > 1:
        yield "tokens are routed evenly, but for workload.imbalance"


def _framework(
    graph: StepGraph, calibration: Calibration, software: Software | None
) -> Iterator[str]:
    """From which measured steps the code around kernels is."""
    own = coded(software, calibration, graph.family)
    if own is not None:
        kin = "the mean of all profiles" if own == graph.family else own
        yield f"code around kernels takes what was fitted to {kin}, on steps of transformers"
        return
    told = calibration.sources.get(f"eager.{graph.family}", "")
    if graph.family in calibration.eager:
        yield f"framework code issues and splits kernels as in measured steps ({told})"
    elif ANY in calibration.eager:
        yield "framework code issues and splits kernels as in other workloads, which were measured"
    else:
        yield "framework code adds nothing to its kernels: no steps were fitted to"


def _software(software: Software | None, plan: Plan) -> Iterator[str]:
    if software is None:
        yield "no software is named (--set software=NAME): launches are those of the graph"
        return
    yield f"the step runs as in {software.name}: {software.description or 'your own profile'}"
    chosen = {f"plan.{n}" for n, v in defaults(software).items() if getattr(plan, n) != v}
    for fact in facts(software):
        if fact.source.startswith(ASSUMED) and fact.path not in chosen:
            yield f"software.{fact.path} = {fact.text} ({fact.source.removeprefix(ASSUMED)})"


def _computing(system: System, graph: StepGraph) -> Iterator[str]:
    if _is_recurrent(graph):
        yield "a recurrent step is one product and one fused pointwise kernel"
    if system.device.vector.fp32 is None:
        yield f"{system.device.name} states no vector rate: other work runs at the matrix rate"
    kept = stored(graph.dtype)
    if kept != graph.dtype:
        ahead = "read once for their largest value, and " if RECIPES[graph.dtype].amax else ""
        yield f"linear layers multiply in {graph.dtype}; all else, memory too, is in {kept}"
        yield f"operands in {graph.dtype} are {ahead}cast in kernels of their own"


def _is_recurrent(graph: StepGraph) -> bool:
    ops = (op for layer in graph.layers for op in layer.ops)
    return any(kernel.weights for op in ops for kernel in op.forward())


def _share_is_used(
    name: str, system: System, graph: StepGraph, plan: Plan, calibration: Calibration
) -> bool:
    """Whether a parameter of the calibration enters."""
    root, _, kind = name.partition(".")
    if root == "links":
        used = kinds_used(system, plan.devices) | {"tree"}
        return plan.devices > 1 and kind in used
    if calibration.host is not None:
        return False
    return name not in ("cache", "resident") or _is_recurrent(graph)


def _is_used(path: str, system: System, plan: Plan) -> bool:
    """Whether a figure enters: links only where devices talk, the network only between nodes."""
    root = path.partition(".")[0]
    least = {"node": 2, "network": system.node.devices + 1}.get(root, 1)
    return plan.devices >= least
