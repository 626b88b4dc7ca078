"""Elasticities and finite changes: the time of a step and of a training when one number changes.

    elasticity = ln(t(a x) / t(x)) / ln a,  a = 1.01

is -1 where all of the time is inversely proportional to x, and 0 where x doesn't matter. Of a whole
number the nearest other one is taken. A time jumps where a library would take another tile, or a
collective another algorithm: that the elasticity for a = 1.001 is another one tells of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from hwsim.errors import InputError
from hwsim.estimation import Estimate
from hwsim.study.sensitivity import quantity
from hwsim.study.sensitivity.enough import Enough, factor_of
from hwsim.study.sensitivity.quantity import Kind, Quantity
from hwsim.study.subject import Subject
from hwsim.study.total import Ratio, ratio
from hwsim.units import short_text

A_LITTLE, LESS = 1.01, 1.001
JUMP = 0.05  # of an elasticity, and at least a tenth of that for all: more apart is a jump
Answer = Callable[[Subject], Estimate]


@dataclass(frozen=True)
class Change:
    """Times over those of now where a number is `text`: of a step, and of the whole training (or
    of the step, where no count of steps is known) with its 80 % interval from paired draws."""

    text: str
    factor: float
    step: float
    total: Ratio
    fits: bool


@dataclass(frozen=True)
class Effect:
    """What a number does. `step` and `total` are elasticities, the latter with the 80 % interval
    of paired draws, and `local` is that of the step for a tenth of the change. `halved` and
    `doubled` are None where that is refused for `why`. `moves` are other numbers that follow it."""

    path: str
    text: str
    kind: Kind
    step: float
    local: float
    total: Ratio
    halved: Change | None
    doubled: Change | None
    moves: tuple[str, ...] = ()
    enough: Enough | None = None
    why: str = ""

    @property
    def jumps(self) -> bool:
        """Whether the time does, within a percent of the number."""
        return abs(self.step - self.local) > JUMP * max(abs(self.local), 0.1)

    @property
    def matters(self) -> bool:
        """Whether any change was seen."""
        changes = [one for one in (self.halved, self.doubled) if one is not None]
        return self.step != 0.0 or any(one.step != 1.0 or not one.fits for one in changes)


@dataclass(frozen=True)
class Point:
    """A subject and its answer; `answer` finds that of another."""

    subject: Subject
    base: Estimate
    answer: Answer

    def at(self, number: Quantity) -> Estimate:
        """The answer where a number is another one. Raises InputError where that is refused."""
        return self.answer(self.subject.with_settings({number.path: number.setting}))


def effect(point: Point, number: Quantity) -> Effect:
    """The effect of a number. Raises InputError where it can't be changed alone.

    One that others follow is compared with itself as it is: a stated peak may be rounded, one that
    is made of a clock is not.
    """
    moves = _moved(point.subject, number)
    if moves:
        point = replace(point, base=point.at(number))
    found: dict[float, Change] = {}
    why = ""
    for factor in (A_LITTLE, 2.0, 0.5):
        try:
            found[factor] = _change(point, number, factor)
        except InputError as error:
            why = str(error)
    if not found:
        raise InputError(number.path, f"found no other value that can be: {why}")
    step, total = _elasticity(next(iter(found.values())))
    local = step
    if A_LITTLE in found and not number.whole:
        local, _ = _elasticity(_change(point, number, LESS))
    return Effect(
        number.path,
        number.text,
        number.kind,
        step,
        local,
        total,
        found.get(0.5),
        found.get(2.0),
        moves,
        why=why,
    )


def searched(point: Point, number: Quantity) -> Enough:
    """Where more of a rate, or less of a time, stops to pay.

    Raises InputError where some value can't be.
    """

    def seconds(speed: float) -> float:
        factor = speed if number.kind == "rate" else 1.0 / speed
        return point.at(replace(number, value=number.value * factor)).step.seconds

    speed, least = factor_of(seconds)
    if speed is None:
        return Enough(None, "", least)
    factor = speed if number.kind == "rate" else 1.0 / speed
    value = number.value * factor
    return Enough(factor, short_text(replace(number, value=value).text), least)


def _moved(subject: Subject, number: Quantity) -> tuple[str, ...]:
    """Other numbers of the machine that are not as they were where this one is changed."""
    try:
        other = number.times(2.0)
        after = quantity.texts(subject.with_settings({number.path: other.setting}))
    except InputError:
        return ()
    before = quantity.texts(subject)
    return tuple(
        path for path, text in before.items() if path != number.path and after.get(path) != text
    )


def _change(point: Point, number: Quantity, factor: float) -> Change:
    other = number.times(factor)
    answer = point.at(other)
    return Change(
        other.text,
        other.value / number.value,
        answer.step.seconds / point.base.step.seconds,
        ratio(answer, point.base),
        answer.memory.fits,
    )


def _elasticity(change: Change) -> tuple[float, Ratio]:
    per = math.log(change.factor)
    value, *ends = (
        math.log(one) / per + 0.0
        for one in (change.total.value, change.total.low, change.total.high)
    )
    return math.log(change.step) / per + 0.0, Ratio(value, min(ends), max(ends))
