"""Families of framework code, whose operators differ from kernels on their own in like ways."""

from __future__ import annotations

from calibration.measurement import Case
from calibration.shapes import (
    AttentionCore,
    Convolution,
    Launch,
    MoeStep,
    Pointwise,
    Recurrent,
    TransformerStep,
    Update,
    WorkloadStep,
)
from hwsim.graph.workload import find


def family_of(case: Case) -> str | None:
    """The family of what was timed: a workload's, or a kind of operator; None for a product.

    >>> family_of(Case(shape=Recurrent(cell="gru", way="forward", hidden=8, batch=2, timesteps=5)))
    'gru.forward'
    """
    shape = case.shape
    if isinstance(shape, TransformerStep | MoeStep):
        return "transformer"
    if isinstance(shape, WorkloadStep):
        kind = find(shape.workload)
        return kind.family or kind.name
    if isinstance(shape, Recurrent):
        return f"{shape.cell}.{shape.way}"
    if isinstance(shape, Update):
        return f"update.{shape.how}"
    if isinstance(shape, AttentionCore):
        return f"attention.{'fused' if shape.fused else 'eager'}.{shape.way}"
    if isinstance(shape, Launch):
        return f"launch.{shape.mode}"
    if isinstance(shape, Convolution):
        return f"convolution.{shape.way}"
    return f"pointwise.{shape.op}" if isinstance(shape, Pointwise) else None
