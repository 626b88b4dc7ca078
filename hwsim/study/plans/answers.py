"""The closed form of a step under very many plans, each part of it once for all that share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.convergence.law import DRAWS, HIGH, LOW
from hwsim.cost.calibration import Calibration, load_for
from hwsim.errors import InputError
from hwsim.estimate import SEED
from hwsim.parallel.check import scaled
from hwsim.parallel.closed import Declined
from hwsim.parallel.fits import fits, room_for
from hwsim.parallel.formula import attempt
from hwsim.parallel.needs import needed
from hwsim.parallel.program import PARTS
from hwsim.parallel.staged import staged
from hwsim.study.answers import Answers
from hwsim.study.plans.found import NO_FORM, Found
from hwsim.study.plans.held import memory
from hwsim.study.plans.prepare import Shop
from hwsim.study.plans.rows import Column, Rows
from hwsim.study.plans.steps import steps
from hwsim.study.subject import Subject

Columns = Mapping[str, Sequence[Any] | npt.NDArray[Any] | Column]


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


class Plans:
    """Answers for plans of a subject, block by block: what one block priced the next one has."""

    def __init__(self, subject: Subject, calibration: Calibration | None = None) -> None:
        self.subject = subject
        self.calibration = calibration or load_for(subject.system.device)
        self.shop = Shop(subject, self.calibration)

    def answers(self, plans: Columns | Sequence[Mapping[str, Any]]) -> Answers:
        """As `answers`."""
        columns = plans if isinstance(plans, Mapping) else _columns(plans)
        rows = Rows(columns, self.subject.plan, self.subject.workload)
        found = Found(rows.number)
        ready = self.shop.prepare(rows, found)
        for row in ready.alone:
            self._one(rows, int(row), found)
        used = memory(ready)
        found.bytes[ready.rows] = used.bytes
        devices = ready.of("dp") * ready.of("tp") * ready.of("pp") * ready.of("cp")
        found.fits[ready.rows] = room_for(used.bytes, used.host, devices, self.subject.system)
        steps(ready, found)
        low, high = _interval(found.spread)
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

    def _one(self, rows: Rows, row: int, found: Found) -> None:
        """A plan by itself: what is rare."""
        plan, workload = rows.at(row)
        workload, subject = scaled(workload, plan), self.subject
        try:
            step = staged(
                workload, subject.system, plan, self.calibration, software=subject.software
            )
            used = needed(workload, plan, step.cuts)
            found.bytes[row], found.fits[row] = used.bytes, fits(used, plan, subject.system)
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


def _columns(plans: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = list(plans[0]) if plans else []
    if any(list(plan) != names for plan in plans):
        raise InputError("plans", "found different fields", "write the same of every plan")
    return {name: [plan[name] for plan in plans] for name in names}


def _interval(spread: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    """Ends of the 80 % intervals over their middle, as an estimate draws them."""
    luck = np.sort(np.random.default_rng(SEED).standard_normal(DRAWS))

    def end(place: float) -> Any:
        below, part = divmod(place * (DRAWS - 1), 1.0)
        first, second = (np.exp(spread * luck[int(below) + more]) for more in (0, 1))
        return first + part * (second - first)

    return end(LOW), end(HIGH)
