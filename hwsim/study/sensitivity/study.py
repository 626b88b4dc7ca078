"""The whole of it: every figure of a machine, what limits the step, and what no figure moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from hwsim.errors import InputError
from hwsim.estimation import Estimate
from hwsim.study.sensitivity import quantity
from hwsim.study.sensitivity.effects import Answer, Effect, Point, effect, searched
from hwsim.study.subject import Subject


@dataclass(frozen=True)
class Sensitivity:
    """`effects` of what matters, the largest first; paths `without` any, and those `left_out`
    because they can't be changed alone, with why.

    `fixed` is the share of the step that no rate and no time of the machine moves: what was fitted
    in seconds, such as the host's own, and of sizes that are no rates. By Euler's theorem it is

        1 + (sum of the rates' elasticities) - (sum of the times')
    """

    base: Estimate
    effects: tuple[Effect, ...]
    without: tuple[str, ...]
    left_out: dict[str, str]
    fixed: float


def study(
    subject: Subject,
    answer: Answer,
    of: Sequence[str] = (),
    *,
    search: bool = True,
    told: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> Sensitivity:
    """What the times of `subject` hang on, each found by `answer`.

    `of` names further numbers, such as workload.hidden. With `search` it is looked for where more
    of each figure stops to pay. `told` sees the paths go by. Raises InputError for a number of `of`
    that isn't there or can't be changed.
    """
    own = [quantity.at(subject, path) for path in dict.fromkeys(of)]
    numbers = {one.path: one for one in (*quantity.machine(subject), *own)}
    point = Point(subject, answer(subject), answer)
    found: list[Effect] = []
    without, left_out = [], {}
    for path in told(list(numbers)):
        number = numbers[path]
        try:
            made = effect(point, number)
        except InputError as error:
            if path in of:
                raise
            left_out[path] = str(error)
            continue
        if search and made.matters and number.kind != "other":
            with suppress(InputError):  # some value of the range is refused
                made = replace(made, enough=searched(point, number))
        if made.matters or path in of:
            found.append(made)
        else:
            without.append(path)
    found.sort(key=_weight, reverse=True)
    return Sensitivity(point.base, tuple(found), tuple(without), left_out, _fixed(found))


def _weight(one: Effect) -> tuple[float, float]:
    """By elasticity; where that is nothing, by the larger of the finite changes."""
    changes = [change.step for change in (one.halved, one.doubled) if change is not None]
    return abs(one.step), max((abs(step - 1.0) for step in changes), default=0.0)


def _fixed(found: Sequence[Effect]) -> float:
    own = [one for one in found if not one.moves]
    return (
        1.0
        + sum(one.local for one in own if one.kind == "rate")
        - sum(one.local for one in own if one.kind == "time")
    )
