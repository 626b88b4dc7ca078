"""What a search seeks: the least time, cost or energy, of a step or of the whole training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from hwsim.convergence.counting import Counting
from hwsim.errors import InputError
from hwsim.estimation import steps_of
from hwsim.parallel.check import samples, scaled
from hwsim.parallel.plan import Plan
from hwsim.parallel.priced import Seconds
from hwsim.spending import Spent, spent
from hwsim.spending.spent import Time
from hwsim.study.search.best import Beyond
from hwsim.study.subject import Subject
from hwsim.units import money_text, seconds_text

Aim = Literal["step", "total", "cost", "energy"]
AIMS: tuple[Aim, ...] = ("step", "total", "cost", "energy")
ONE = np.ones(1)  # no luck
REST = "bubble"  # the part of a step that draws least


class Limits(NamedTuple):
    """What a plan may take: seconds and dollars of the whole training (of a step where its steps
    are not known), watts of all that runs."""

    deadline: float | None = None
    budget: float | None = None
    power: float | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Goal:
    """What is sought from a subject's plans. `given` replaces the law that counts steps."""

    aim: Aim
    subject: Subject
    given: float | Counting | None = None
    limits: Limits = NO_LIMITS
    _steps: dict[int, float | None] = field(default_factory=dict)
    _watts: dict[int, float] = field(default_factory=dict)

    def steps(self, plan: Plan) -> float | None:
        """How many steps a training under the plan takes; None if not known."""
        workload = scaled(self.subject.workload, plan)
        if workload.batch not in self._steps:
            graph = workload.graph(samples(plan, workload))
            count, _ = steps_of(workload, graph, self.given)
            self._steps[workload.batch] = count.value if count else None
        return self._steps[workload.batch]

    def check(self) -> None:
        """Raises InputError where what is sought is not known."""
        name = self.subject.workload.name
        if self.aim == "total" and self.steps(Plan()) is None:
            what = f"found no law of steps of {name}"
            raise InputError("--for total", what, "give --law, --steps, --tokens or --epochs")
        told = self._spent(Plan(), {REST: 1.0})
        wants = {
            "cost": (self.aim == "cost", self.limits.budget, "--budget", "site.hour=2USD"),
            "energy": (
                self.aim == "energy",
                self.limits.power,
                "--power",
                "device.power.limit=300W",
            ),
        }
        for what, (sought, limit, option, instead) in wants.items():
            if (sought or limit is not None) and getattr(told, what) is None:
                where = f"--for {what}" if sought else option
                raise InputError(where, f"found no {what}", f"write --set {instead}")

    def value(self, plan: Plan, parts: Mapping[str, float]) -> float:
        """Seconds, dollars or joules of a plan whose step takes so many seconds by part."""
        if self.aim == "step":
            return sum(parts.values())
        if self.aim == "total":
            return self._time(plan, parts)
        told = getattr(self._spent(plan, parts), self.aim)
        return float((told.total or told.step).value)

    def bound(self, plan: Plan, seconds: float, busy: Seconds, slots: int) -> float:
        """No more than the value of any step of `seconds` or more, in which `slots` micro-batches
        take `busy` in all stages; infinite if it has to pass a limit."""
        if self.aim == "step" and self.limits == NO_LIMITS:
            return seconds
        share = slots / plan.pp
        names = ("compute", "memory", "launch", "communication")
        parts = {name: share * getattr(busy, name) for name in names}
        parts[REST] = max(seconds - sum(parts.values()), 0.0)
        limits = self.limits._replace(power=None)
        if self._passed(plan, parts, limits) is not None or self._draws(plan):
            return float("inf")
        return self.value(plan, parts)

    def _draws(self, plan: Plan) -> bool:
        """Whether even devices that wait draw more than may be."""
        return self.limits.power is not None and self._rest(plan) > self.limits.power

    def _rest(self, plan: Plan) -> float:
        """Watts while all devices wait."""
        if plan.devices not in self._watts:
            told = self._spent(plan, {REST: 1.0}).energy
            self._watts[plan.devices] = told.watts if told else 0.0
        return self._watts[plan.devices]

    def at_rest(self, plan: Plan) -> Beyond | None:
        """The limit of power, if a plan's devices pass it even while they wait."""
        limit, watts = self.limits.power, self._rest(plan)
        if limit is None or watts <= limit:
            return None
        return Beyond(plan, watts / limit, "--power", f"{watts:,.0f} W even at rest")

    def beyond(self, plan: Plan, parts: Mapping[str, float]) -> Beyond | None:
        """The limit that a plan passes."""
        return self._passed(plan, parts, self.limits)

    def _time(self, plan: Plan, parts: Mapping[str, float]) -> float:
        """Seconds of the whole training, or of a step."""
        steps, step = self.steps(plan), sum(parts.values())
        if steps is None:
            return step
        return float(sum(self.subject.run.parts(steps, step, plan.devices).values()))

    def _spent(self, plan: Plan, parts: Mapping[str, float]) -> Spent:
        subject, steps = self.subject, self.steps(plan)
        training = None
        if steps is not None:
            found = subject.run.parts(steps, sum(parts.values()), plan.devices)
            training = Time({name: float(one) for name, one in found.items()}, ONE)
        return spent(subject.system, subject.site, plan.devices, Time(parts, ONE), training)

    def _passed(self, plan: Plan, parts: Mapping[str, float], limits: Limits) -> Beyond | None:
        if limits == NO_LIMITS:
            return None
        found: list[tuple[str, float, float, str]] = []
        if limits.deadline is not None:
            seconds = self._time(plan, parts)
            found.append(("--deadline", seconds, limits.deadline, seconds_text(seconds)))
        if limits.budget is not None or limits.power is not None:
            told = self._spent(plan, parts)
            if limits.budget is not None and told.cost is not None:
                dollars = (told.cost.total or told.cost.step).value
                found.append(("--budget", dollars, limits.budget, money_text(dollars)))
            if limits.power is not None and told.energy is not None:
                watts = told.energy.watts
                found.append(("--power", watts, limits.power, f"{watts:,.0f} W"))
        passed = [one for one in found if one[1] > one[2]]
        if not passed:
            return None
        option, value, limit, text = max(passed, key=lambda one: one[1] / one[2])
        return Beyond(plan, value / limit, option, text)
