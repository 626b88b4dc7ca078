"""The closed form of a step under very many plans, each part of it once for all that share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.cost.calibration import Calibration, load_for
from hwsim.errors import InputError
from hwsim.parallel.check import scaled
from hwsim.parallel.closed import Declined
from hwsim.parallel.fits import fits, room_for
from hwsim.parallel.formula import attempt
from hwsim.parallel.needs import needed
from hwsim.parallel.program import PARTS
from hwsim.parallel.staged import Staged, staged
from hwsim.study.answers import NO_FORM, Answers, interval
from hwsim.study.plans.found import Found
from hwsim.study.plans.held import memory
from hwsim.study.plans.prepare import Ready, Shop
from hwsim.study.plans.rows import Rows, Values
from hwsim.study.plans.steps import least, steps
from hwsim.study.subject import Subject

Columns = Mapping[str, Values]
Floats = npt.NDArray[np.float64]


def answers(
    subject: Subject,
    plans: Columns | Sequence[Mapping[str, Any]],
    calibration: Calibration | None = None,
) -> Answers:
    """What `estimate(engine="closed")` says of a subject under each of many plans.

    `plans` has values of fields of the plan (and "workload.batch"), by column, or plan by plan; all
    else is the subject's. A plan that can't be followed has the reason; one without closed form has
    it behind `NO_FORM`, and its memory. Raises InputError for a field or a value there is not.
    """
    return Plans(subject, calibration).answers(plans)


class Bound(NamedTuple):
    """Of each plan the seconds that no step of it is shorter than, `bytes` on each device of the
    fullest stage, whether they fit, and why it can't be followed, if so; its numbers are NaN."""

    seconds: Floats
    bytes: Floats
    fits: npt.NDArray[np.bool_]
    why: npt.NDArray[np.object_]


def bound(
    subject: Subject,
    plans: Columns | Sequence[Mapping[str, Any]],
    calibration: Calibration | None = None,
) -> Bound:
    """What no step of the event simulation is shorter than, for plans as in `answers`: also for
    those without closed form, and far faster than their events."""
    return Plans(subject, calibration).bound(plans)


class Plans:
    """Answers for plans of a subject, block by block: what one block priced the next one has."""

    def __init__(self, subject: Subject, calibration: Calibration | None = None) -> None:
        self.subject = subject
        self.calibration = calibration or load_for(subject.system.device)
        self.shop = Shop(subject, self.calibration)

    def bound(self, plans: Columns | Sequence[Mapping[str, Any]]) -> Bound:
        """As `bound`."""
        ready, found = self._ready(plans)
        for row in ready.alone.tolist():
            self._one(ready.table, row, found, least=True)
        least(ready, found)
        return Bound(found.seconds, found.bytes, found.fits, found.why())

    def _ready(self, plans: Columns | Sequence[Mapping[str, Any]]) -> tuple[Ready, Found]:
        """The plans that can be followed, and what is found of all with their memory."""
        columns = plans if isinstance(plans, Mapping) else _columns(plans)
        rows = Rows(columns, self.subject.plan, self.subject.workload)
        found = Found(rows.number)
        ready = self.shop.prepare(rows, found)
        used = memory(ready)
        found.bytes[ready.rows] = used.bytes
        devices = ready.of("dp") * ready.of("tp") * ready.of("pp") * ready.of("cp")
        found.fits[ready.rows] = room_for(used.bytes, used.host, devices, self.subject.system)
        return ready, found

    def answers(self, plans: Columns | Sequence[Mapping[str, Any]]) -> Answers:
        """As `answers`."""
        ready, found = self._ready(plans)
        for row in ready.alone.tolist():
            self._one(ready.table, row, found)
        steps(ready, found)
        low, high = interval(found.spread)
        seconds = found.seconds
        return Answers(
            seconds,
            seconds * low,
            seconds * high,
            found.spread,
            found.parts,
            found.why(),
            found.bytes,
            found.fits,
        )

    def _one(self, rows: Rows, row: int, found: Found, *, least: bool = False) -> None:
        """A plan by itself: what is rare."""
        plan, workload = rows.at(row)
        workload, subject = scaled(workload, plan), self.subject
        try:
            step = staged(
                workload, subject.system, plan, self.calibration, software=subject.software
            )
            used = needed(workload, plan, step.cuts)
            found.bytes[row], found.fits[row] = used.bytes, fits(used, plan, subject.system)
            if least:
                found.seconds[row] = _busiest(step)
                return
            made = attempt(step)
        except InputError as error:
            found.refuse(row, str(error))
            return
        if isinstance(made, Declined):
            found.refuse(row, NO_FORM + made.reason)
            return
        found.seconds[row], found.spread[row] = made.seconds, made.spread
        for part in PARTS:
            found.parts[part][row] = made.by_part[part]


def _busiest(step: Staged) -> float:
    """Seconds of the passes of the stage that has most of them."""
    work = [sum(layer.seconds for layer in step.chunks[stage]) for stage in range(step.plan.pp)]
    return step.slots * step.rounds * max(work)


def _columns(plans: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = list(plans[0]) if plans else []
    if any(list(plan) != names for plan in plans):
        raise InputError("plans", "found different fields", "write the same of every plan")
    return {name: [plan[name] for plan in plans] for name in names}
