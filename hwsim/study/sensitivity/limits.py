"""What a step waits for: the seconds of its critical path by the figure that limits them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from hwsim.cost.groups import Group
from hwsim.errors import InputError
from hwsim.hardware.spec import System
from hwsim.parallel.lower import lower
from hwsim.parallel.placement import gradient_group, group, hop
from hwsim.parallel.program import COMPUTE
from hwsim.parallel.staged import Staged
from hwsim.simulate.engine import run
from hwsim.simulate.timeline import Span

# Names of a compute stream's parts, which are those of the figures that bound its kernels.
PARTS = {"compute": "peak", "memory": "memory bandwidth", "communication": "exchanges"}
BESIDE = "slowed by transfers"
ROUNDING = 1e-9
HOST = ("host out", "host in")


def limits(step: Staged) -> dict[str, float]:
    """Seconds of the critical path by what limits them, the most first; they sum to the step's.

    Kernels are booked to what bounds them, as in `Timeline.critical_parts`; a transfer's bytes to
    the bandwidth of the link that it fills most, what comes before them to its latency. A path of
    tasks that begin each other has no bubble: what a device waits for is done by another.
    """
    plan = step.plan
    talks = plan.tp * plan.cp * plan.ep > 1
    try:
        program = lower(step, detail=talks, loaded=True)
    except InputError:  # too many operators to simulate one by one
        program = lower(step, loaded=True)
    found: dict[str, float] = defaultdict(float)
    for span in run(program).critical_path():
        for name, seconds in _limited(span, step):
            found[name] += seconds
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _limited(span: Span, step: Staged) -> Iterator[tuple[str, float]]:
    work, elapsed = span.work, span.end - span.begin
    if span.stream.kind == COMPUTE:
        for part, seconds in work.parts:
            yield PARTS.get(part, part), seconds
        if elapsed > work.seconds * (1.0 + ROUNDING):
            yield BESIDE, elapsed - work.seconds
        return
    link = _link(span, step)
    if link == "device.pcie":
        yield link, elapsed
        return
    if work.fixed:
        yield f"{link}.latency", work.fixed
    if elapsed > work.fixed:
        yield f"{link}.bandwidth", elapsed - work.fixed


def _link(span: Span, step: Staged) -> str:
    """The link that a transfer fills most."""
    system, kind = step.system, max(span.work.loads, key=lambda use: use[1], default=None)
    way = kind[0].kind if kind else "node"
    if way in HOST:
        return "device.pcie"
    if way == "network":
        return f"network.{_tier(system, _group(span, step))}"
    return "node.host_link" if way == "host" and system.node.host_link else "node.link"


def _group(span: Span, step: Staged) -> Group:
    """The devices that a transfer is among."""
    plan, kind = step.plan, span.stream.kind
    if kind in ("forward", "backward"):
        stage = span.stream.device // plan.stride("pp") % plan.pp
        return hop(plan, stage if kind == "forward" else (stage - 1) % plan.pp, step.system)
    if kind in ("tp", "cp", "ep"):
        return group(plan, kind, step.system)  # type: ignore[arg-type]
    return gradient_group(plan, step.system)


def _tier(system: System, among: Group) -> int:
    """The number of the tier that reaches all nodes of a group."""
    nodes = max(among.nodes, among.span)
    reaching = (
        n for n, tier in enumerate(system.network) if tier.nodes is None or nodes <= tier.nodes
    )
    return next(reaching, 0)
