"""The closed form of a step at very many points of a machine's figures, as arrays.

The figures go through the same functions as those of a single estimate. A grid gives each figure
an axis of its own: what doesn't depend on it is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.cost.calibration import Calibration, load_for
from hwsim.parallel.check import check, scaled
from hwsim.parallel.closed import Declined
from hwsim.parallel.cutting import cuttings
from hwsim.parallel.fits import room_for
from hwsim.parallel.formula import DOUBTFUL, whole
from hwsim.parallel.needs import needed
from hwsim.parallel.preset import plan_under, workload_under
from hwsim.parallel.program import PARTS
from hwsim.parallel.staged import uncut
from hwsim.study.answers import NO_FORM, Answers, interval
from hwsim.study.figures import many_valued
from hwsim.study.subject import Subject

Floats = npt.NDArray[np.float64]


def answers(
    subject: Subject, figures: Mapping[str, Floats], calibration: Calibration | None = None
) -> Answers:
    """What `estimate(engine="closed")` says of a subject with many values of some figures.

    `figures` has for paths of the machine (hwsim.study.figures) SI values in arrays that broadcast
    together; answers have the shape that they make. Points without closed form have the reason.
    Raises InputError for a path that is no figure, a value that it can't have, and for a subject
    that has no estimate at all.
    """
    shape = np.broadcast_shapes(*(np.shape(values) for values in figures.values()))
    axes = len(shape)
    system = many_valued(subject, {p: v.reshape((1,) * (axes - v.ndim) + v.shape) for p, v in figures.items()})
    plan = plan_under(subject.plan, subject.software)
    workload = workload_under(subject.workload, subject.software)
    check(plan, workload, subject.system)
    workload = scaled(workload, plan)
    known = calibration or load_for(system.device)
    step = uncut(workload, system, plan, known, software=subject.software)
    found: Answers | None = None
    for cuts, where in cuttings(step).items():
        used = needed(workload, plan, cuts)
        room = room_for(used.bytes, used.host, plan.devices, system)
        made = whole(step.cut(cuts))
        if isinstance(made, Declined):
            one = _declined(shape, made.reason, used.bytes, room)
        else:
            one = _answered(shape, made, used.bytes, room)
        found = one if found is None else _either(where, one, found)
    return found
