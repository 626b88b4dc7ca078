"""The space of a subject: which values its plan's fields take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hwsim.errors import InputError
from hwsim.graph.step import StepGraph
from hwsim.parallel.check import divisors, scaled
from hwsim.parallel.plan import Plan
from hwsim.study.search.space import Shape, Space
from hwsim.study.subject import Subject

MOST_ROWS = 10_000_000  # of one shape: they are looked at together
VIRTUAL = (2, 3, 4, 6, 8)
DEGREES = ("dp", "tp", "pp", "cp", "ep")
# What is tried where the plan doesn't say: field, values in the order in which they stand for
# others that are equal.
DEFAULTS: dict[str, tuple[Any, ...]] = {
    "schedule": ("1f1b", "gpipe", "interleaved", "zero-bubble"),
    "virtual": VIRTUAL,
    "recompute": ("none", "selective", "full"),
    "zero": (0, 1, 2, 3),
    "sequence_parallel": (False, True),
    "overlap": (True, False),
    "tensor_overlap": (False, True),
    "offload": ("none", "optimizer", "activations"),
    "balance": ("cost", "layers"),
}


def space(
    subject: Subject,
    devices: Sequence[int],
    over: Mapping[str, tuple[Any, ...]],
) -> Space:
    """The plans of a subject on so many devices.

    A field has the values `over` names, else its own where the plan or the software set it, else
    those of `DEFAULTS`. Raises InputError for too many of them at once.
    """
    plan = subject.plan
    fixed = set(plan.model_fields_set)
    if subject.software is not None:
        fixed |= set(subject.software.plan)

    def values(name: str) -> tuple[Any, ...]:
        if name in over:
            return over[name]
        if name in fixed or name not in DEFAULTS:
            return (getattr(plan, name),)
        return DEFAULTS[name]

    graph = subject.workload.graph(1)
    layers = sum(layer.repeat for layer in graph.layers)
    degrees = {name: over.get(name) for name in DEGREES}
    for name in DEGREES:
        if degrees[name] is None and name in fixed:
            degrees[name] = (getattr(plan, name),)
    columns: dict[str, tuple[Any, ...]] = {"micro_batch": _micros(subject, over, fixed)}
    columns["order"] = _orders(values("schedule"), values("virtual"), layers)
    names = [name for name in DEFAULTS if name not in ("schedule", "virtual")]
    others = [n for n in over if n not in (*DEGREES, *DEFAULTS, "micro_batch")]
    columns |= {name: values(name) for name in (*names, *others)}
    rows = math.prod(map(len, columns.values()))
    if rows > MOST_ROWS:
        what = f"found {rows:,} combinations of fields for each choice of degrees"
        raise InputError("--over", what, f"name fewer values: at most {MOST_ROWS:,} are looked at")
    shapes = tuple(
        shape
        for number in devices
        for shape in _shapes(number, _experts(graph))
        if all(found is None or getattr(shape, name) in found for name, found in degrees.items())
    )
    return Space(subject, shapes, columns, layers, _cores(graph))


def _micros(
    subject: Subject, over: Mapping[str, tuple[Any, ...]], fixed: set[str]
) -> tuple[int, ...]:
    if "micro_batch" in over:
        return over["micro_batch"]
    if "micro_batch" in fixed and subject.plan.micro_batch is not None:
        return (subject.plan.micro_batch,)
    return tuple(divisors(scaled(subject.workload, Plan()).batch))


def _orders(
    schedules: Sequence[str], virtual: Sequence[int], layers: int
) -> tuple[tuple[str, int], ...]:
    """Schedules with the numbers of chunks that they can have."""
    found = []
    for schedule in schedules:
        if schedule == "interleaved":
            some = tuple(v for v in virtual if v > 1) or VIRTUAL
            found += [(schedule, v) for v in some if 2 * v <= layers]
        else:
            found.append((schedule, 1))
    return tuple(dict.fromkeys(found))


def _shapes(devices: int, experts: bool) -> Iterator[Shape]:
    """Every ordered factorization.

    >>> len(list(_shapes(64, False))), len(list(_shapes(5128, False)))
    (84, 80)
    """
    for tp in divisors(devices):
        for pp in divisors(devices // tp):
            for cp in divisors(devices // tp // pp):
                dp = devices // tp // pp // cp
                for ep in divisors(dp * cp) if experts else (1,):
                    yield Shape(dp, tp, pp, cp, ep)


def _experts(graph: StepGraph) -> bool:
    return any(layer.expert_parameters for layer in graph.layers)


def _cores(graph: StepGraph) -> bool:
    """Whether selective recomputation has something to compute again."""
    return any(op.core for layer in graph.layers for op in layer.ops)
