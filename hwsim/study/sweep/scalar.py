"""One point of a sweep by itself: for paths that nothing answers many points of at once."""

from __future__ import annotations

from typing import Literal, NamedTuple

from hwsim.convergence.law import interval
from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.estimation import step_luck
from hwsim.parallel.check import scaled
from hwsim.parallel.closed import Declined
from hwsim.parallel.fits import fits
from hwsim.parallel.formula import attempt
from hwsim.parallel.lower import lower
from hwsim.parallel.needs import needed
from hwsim.parallel.program import PARTS
from hwsim.simulate.engine import run
from hwsim.simulate.step import prepared
from hwsim.study.answers import NO_FORM
from hwsim.study.subject import Subject

Engine = Literal["auto", "closed", "events"]


class Answer(NamedTuple):
    """What `hwsim.study.answers.Answers` has of one point."""

    seconds: float
    low: float
    high: float
    spread: float
    parts: dict[str, float]
    why: str
    bytes: float
    fits: bool


def answer(subject: Subject, calibration: Calibration, engine: Engine = "closed") -> Answer:
    """The step of a subject: its closed form, its events, or with "auto" the first where it claims.

    Raises InputError if the subject has no step.
    """
    system, plan = subject.system, subject.plan
    step = prepared(system, subject.workload, plan, calibration, software=subject.software)
    used = needed(scaled(subject.workload, plan), plan, step.cuts)
    room = fits(used, plan, system)
    found = Declined("") if engine == "events" else attempt(step)
    if isinstance(found, Declined):
        if engine == "closed":
            nan = float("nan")
            return Answer(
                nan,
                nan,
                nan,
                nan,
                dict.fromkeys(PARTS, nan),
                NO_FORM + found.reason,
                used.bytes,
                room,
            )
        timeline = run(lower(step), trace=False)
        seconds, spread, parts = timeline.seconds, timeline.spread, timeline.parts()
    else:
        seconds, spread, parts = found.seconds, found.spread, found.parts()
    if not 0 < seconds < float("inf"):
        raise InputError("step", "found a time that is not finite", "write smaller figures")
    low, high = interval(step_luck(spread))
    return Answer(seconds, low * seconds, high * seconds, spread, parts, "", used.bytes, room)
