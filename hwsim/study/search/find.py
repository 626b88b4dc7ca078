"""The search itself: subjects and a goal in, the best plans out, confirmed and explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from hwsim.convergence.counting import Counting
from hwsim.cost.calibration import Calibration, load_for
from hwsim.graph.workload import Workload
from hwsim.parallel.plan import Plan
from hwsim.study.search.best import Answer, Beyond, Found, State, Tally, best_first
from hwsim.study.search.costs import Costs
from hwsim.study.search.fields import space
from hwsim.study.search.goal import NO_LIMITS, Aim, Goal, Limits
from hwsim.study.search.leaves import Looked, simulated
from hwsim.study.search.nodes import roots
from hwsim.study.search.space import Space
from hwsim.study.subject import Subject

ROUNDING = 1e-9
Count = float | Counting | None


@dataclass(frozen=True)
class Asked:
    """What a search looks for.

    `aim` is sought within `limits`; `devices` are numbers of them; `over` has values of fields of
    the plan by their names (the others: `hwsim.study.search.fields`); the `certain` best are found
    for sure, `keep` of those that were evaluated are told.
    """

    aim: Aim = "step"
    devices: tuple[int, ...] = (1,)
    over: Mapping[str, tuple[Any, ...]] | None = None
    limits: Limits = NO_LIMITS
    keep: int = 5
    certain: int = 1


@dataclass(frozen=True)
class Result:
    """What was found in which spaces; `events` are values by the event simulation (None: the
    search had it from there, or the simulation was not run)."""

    spaces: tuple[Space, ...]
    found: Found
    events: tuple[float | None, ...]

    @property
    def reordered(self) -> bool:
        """Whether the event simulation ranks the best otherwise."""
        pairs = zip(self.found.best, self.events, strict=True)
        values = [one.value if event is None else event for one, event in pairs]
        return any(after < before * (1 - ROUNDING) for before, after in pairwise(values))


def search(
    subjects: Sequence[Subject],
    asked: Asked,
    calibration: Callable[[Subject], Calibration] | None = None,
    counted: Callable[[Workload], Count] | None = None,
    watch: Callable[[State], None] | None = None,
) -> Result:
    """The best plans of all subjects.

    `calibration` tells that of a subject's device, `counted` what replaces a workload's law.
    `watch` hears how far it is; an interrupt ends the search with what it has. Raises InputError
    where a field is not known or what is sought is not.
    """
    tally = Tally()
    looked = []
    for subject in subjects:
        given = counted(subject.workload) if counted else None
        goal = Goal(asked.aim, subject, given, asked.limits)
        goal.check()
        fitted = calibration(subject) if calibration else load_for(subject.system.device)
        plans = space(subject, asked.devices, asked.over or {})
        looked.append(Looked(plans, Costs(subject, fitted), goal, tally))
        tally.total += plans.size
    nodes = [node for one in looked for node in roots(one)]
    keep = max(asked.keep, asked.certain)
    found = best_first(nodes, tally, keep, asked.certain, watch)
    events: list[float | None] = [None] * len(found.best)
    if found.complete:
        of = {id(one.space.subject): one for one in looked}
        with suppress(KeyboardInterrupt):
            for number, answer in enumerate(found.best):
                events[number] = _confirmed(of[id(answer.subject)], answer)
        if not found.best and asked.limits != NO_LIMITS:
            tally.beyond = _nearest(looked, watch)
    return Result(tuple(one.space for one in looked), found, tuple(events))


def _nearest(looked: Sequence[Looked], watch: Callable[[State], None] | None) -> Beyond | None:
    """The plan that fits and misses the limit by least, if there is one limit of time or cost; of
    power the one of those evaluated, or whose devices draw least at rest; of several limits the
    best plan that there would be without them."""
    limits = looked[0].goal.limits
    set_ = [name for name, limit in limits._asdict().items() if limit is not None]
    if set_ == ["power"]:
        return looked[0].tally.beyond or _at_rest(looked)
    aims: dict[str, Aim] = {"deadline": "total", "budget": "cost"}
    aim = aims[set_[0]] if len(set_) == 1 else looked[0].goal.aim
    tally = Tally(sum(one.space.size for one in looked))
    free = [
        replace(one, goal=replace(one.goal, aim=aim, limits=NO_LIMITS), tally=tally, seen={})
        for one in looked
    ]
    found = best_first([node for one in free for node in roots(one)], tally, 1, 1, watch)
    if not found.best:
        return None
    (best,) = found.best
    goal = next(one.goal for one in looked if one.space.subject is best.subject)
    return goal.beyond(best.plan, best.parts)


def _at_rest(looked: Sequence[Looked]) -> Beyond | None:
    """The plan whose devices draw least while they wait."""
    every = (
        one.goal.at_rest(one.space.plan(shape, 0)) for one in looked for shape in one.space.shapes
    )
    return min((one for one in every if one is not None), key=lambda one: one.factor, default=None)


def _confirmed(looked: Looked, answer: Answer) -> float | None:
    """The value by the event simulation, where the closed form gave it."""
    if not answer.closed:
        return None
    timeline = simulated(looked.costs.staged(answer.plan))
    return looked.goal.value(answer.plan, timeline.parts())


def losses(answer: Answer, best: Answer) -> dict[str, float]:
    """Seconds by part that a step takes more than that of the best, the largest first.

    >>> first = Answer(None, Plan(), 3.0, 3.0, {"compute": 2.0, "bubble": 1.0}, 0.0, True)
    >>> losses(first._replace(parts={"compute": 2.0, "bubble": 1.5}), first)
    {'bubble': 0.5, 'compute': 0.0}
    """
    more = {name: answer.parts[name] - best.parts[name] for name in best.parts}
    return dict(sorted(more.items(), key=lambda one: -abs(one[1])))


def differing(plan: Plan, spaces: Sequence[Space]) -> dict[str, Any]:
    """The fields of a plan that some space has several values of, and its degrees."""
    names = {name for one in spaces for name, values in one.columns.items() if len(values) > 1}
    names |= {"dp", "tp", "pp", "cp", "ep", "micro_batch"}
    if "order" in names:
        names |= {"schedule", "virtual"}
    return {name: getattr(plan, name) for name in Plan.model_fields if name in names}
