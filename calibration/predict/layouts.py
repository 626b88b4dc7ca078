"""The plan of a decoder's step where a row doesn't state one: the fastest of a few that fit."""

from __future__ import annotations

from itertools import product
from typing import Protocol

from calibration.measurement import Case
from calibration.predict.adapters import Adapted
from calibration.predict.basis import Basis, device_of
from calibration.predict.houses import house_of
from calibration.predict.rows import Row
from calibration.predict.steps import simulated
from hwsim.errors import InputError
from hwsim.parallel.fits import capacity
from hwsim.parallel.needs import needed

DEGREES = (1, 2, 4, 8)  # of tensor parallelism
STAGES = (1, 2, 4, 8, 16)
CONTEXTS = (1, 2)
RECOMPUTED = ("none", "selective", "full")
TRIED = 6  # of the plans that fit: those that recompute least, then of the smallest replicas


class Reader(Protocol):
    def __call__(self, tp: int, pp: int, cp: int) -> Row: ...


def fastest(case: Case, row: Reader, basis: Basis) -> Row:
    """The row under the plan that takes least. Raises InputError where none fits."""
    found: list[Row] = []
    room = capacity(device_of(case.device))
    for tp, pp, cp in sorted(product(DEGREES, STAGES, CONTEXTS), key=_size):
        if tp > (case.devices_per_node or tp):
            continue
        try:
            made = row(tp, pp, cp)
            needs = needed(made.workload, made.plan).bytes
            if isinstance(made.workload, Adapted):
                needs += made.workload.held_bytes(made.plan)
        except InputError:
            continue
        if needs <= house_of(made.software).room * room:
            found.append(made)
    if not found:
        raise InputError("", "the plan is not stated, and none that was tried fits")
    found.sort(key=lambda one: RECOMPUTED.index(one.plan.recompute))
    best = min(found[:TRIED], key=lambda one: _seconds(case, one, basis))
    plan = best.plan
    said = f"the plan is not stated: tp {plan.tp} pp {plan.pp} cp {plan.cp} is the fastest tried"
    return best._replace(assumed=(said, *best.assumed))


def _size(degrees: tuple[int, int, int]) -> tuple[int, int]:
    tp, pp, cp = degrees
    return tp * pp * cp, pp


def _seconds(case: Case, row: Row, basis: Basis) -> float:
    try:
        return sum(simulated(case, row.workload, row.plan, row.software, basis).values())
    except InputError:
        return float("inf")
