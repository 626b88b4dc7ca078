"""The closed form of a step under very many plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwsim.convergence.law import DRAWS, interval
from hwsim.cost.calibration import Calibration, load_for
from hwsim.errors import InputError
from hwsim.estimate import SEED
from hwsim.parallel.check import check, scaled
from hwsim.parallel.closed import Declined
from hwsim.parallel.fits import fits
from hwsim.parallel.formula import attempt
from hwsim.parallel.needs import needed
from hwsim.parallel.program import PARTS
from hwsim.parallel.staged import staged
from hwsim.study.answers import Answers
from hwsim.study.subject import Subject

Columns = Mapping[str, Sequence[Any]]
NO_FORM = "no closed form: "


def answers(
    subject: Subject,
    plans: Columns | Sequence[Mapping[str, Any]],
    calibration: Calibration | None = None,
) -> Answers:
    cal = calibration or load_for(subject.system.device)
    rows = _rows(plans)
    n = len(rows)
    nan = lambda: np.full(n, np.nan)
    seconds, low, high, spread, size = nan(), nan(), nan(), nan(), nan()
    parts = {p: nan() for p in PARTS}
    why = np.zeros(n, dtype=object)
    ok = np.zeros(n, dtype=bool)
    for i, row in enumerate(rows):
        why[i] = ""
        try:
            workload = subject.workload
            fields = dict(row)
            batch = fields.pop("workload.batch", None)
            if batch is not None:
                workload = workload.model_copy(update={"batch": batch})
            plan = subject.plan.model_copy(update=fields)
            check(plan, workload, subject.system)
            workload = scaled(workload, plan)
            step = staged(workload, subject.system, plan, cal, software=subject.software)
            used = needed(workload, plan, step.cuts)
        except InputError as e:
            why[i] = str(e)
            continue
        size[i], ok[i] = used.bytes, fits(used, plan, subject.system)
        found = attempt(step)
        if isinstance(found, Declined):
            why[i] = NO_FORM + found.reason
            continue
        seconds[i], spread[i] = found.seconds, found.spread
        for p in PARTS:
            parts[p][i] = found.by_part[p]
        a, b = interval(np.exp(found.spread * np.random.default_rng(SEED).standard_normal(DRAWS)))
        low[i], high[i] = a * seconds[i], b * seconds[i]
    return Answers(seconds, low, high, spread, parts, why.astype(str), size, ok)


def _rows(plans):
    if isinstance(plans, Mapping):
        return [dict(zip(plans, row, strict=True)) for row in zip(*plans.values(), strict=True)]
    return list(plans)
