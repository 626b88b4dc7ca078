"""The closed form of a step at very many points of a machine's figures, as arrays.

The figures go through the same functions as those of a single estimate. A grid gives each figure
an axis of its own: what doesn't depend on it is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from hwsim.cost.calibration import Calibration, load_for
from hwsim.parallel.check import check, scaled
from hwsim.parallel.closed import Declined
from hwsim.parallel.cutting import cuttings
from hwsim.parallel.fits import room_for
from hwsim.parallel.formula import DOUBTFUL, Completed, whole
from hwsim.parallel.needs import needed
from hwsim.parallel.preset import plan_under, workload_under
from hwsim.parallel.program import PARTS
from hwsim.parallel.staged import uncut
from hwsim.study.answers import NO_FORM, Answers, interval
from hwsim.study.figures import many_valued
from hwsim.study.subject import Subject

Floats = npt.NDArray[np.float64]
Shape = tuple[int, ...]


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
    whole_axes = {
        path: np.reshape(values, (1,) * (len(shape) - np.ndim(values)) + np.shape(values))
        for path, values in figures.items()
    }
    system = many_valued(subject, whole_axes)
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
        one = _answers(shape, made, used.bytes, room)
        found = one if found is None else _either(where, one, found)
    return cast("Answers", found)


def _answers(shape: Shape, made: Completed | Declined, size: float, room: Any) -> Answers:
    """Of points whose layers are cut alike."""
    size_of, fits = (np.broadcast_to(np.asarray(one), shape) for one in (size, room))
    if isinstance(made, Declined):
        nothing = np.broadcast_to(np.nan, shape)
        why = np.broadcast_to(np.array(NO_FORM + made.reason), shape)
        parts = dict.fromkeys(PARTS, nothing)
        return Answers(nothing, nothing, nothing, nothing, parts, why, size_of, fits)
    low, high = interval(np.asarray(made.spread))
    seconds = np.broadcast_to(made.seconds, shape)
    spread = np.broadcast_to(made.spread, shape)
    parts = {name: np.broadcast_to(one, shape) for name, one in made.parts.items()}
    why = np.broadcast_to(np.array(""), shape)
    found = Answers(seconds, seconds * low, seconds * high, spread, parts, why, size_of, fits)
    if not np.any(made.doubtful):
        return found
    declined = _answers(shape, Declined(DOUBTFUL), size, room)
    return _either(made.doubtful, declined, found)


def _either(where: Any, one: Answers, other: Answers) -> Answers:
    """`one` at the points `where` it is, else the other."""
    parts = {name: np.where(where, one.parts[name], other.parts[name]) for name in PARTS}
    names = ("seconds", "low", "high", "spread", "why", "bytes", "fits")
    rest = {name: np.where(where, getattr(one, name), getattr(other, name)) for name in names}
    return Answers(**rest, parts=parts)
